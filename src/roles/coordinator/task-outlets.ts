import type { Checks } from './checks.js'
import type { GatewayDesk } from './gateway-desk.js'
import type { AssignmentQuality } from './quality.js'
import type { Resumption } from './resumption.js'
import type { RolloutTally } from './rollout-tally.js'
import type { TaskOutlets } from './task-book.js'
import { endedMsOf, type TaskEntry } from './task-entry.js'
import type { TaskMeter } from './task-meter.js'
import type { WorkerDesk } from './worker-desk.js'

interface Components {
  readonly meter: TaskMeter
  readonly quality: AssignmentQuality
  /** Made after the book of tasks, which they need. */
  readonly after: () => {
    readonly workers: WorkerDesk
    readonly gateways: GatewayDesk
    readonly checks: Checks | undefined
    readonly resumption: Resumption
    readonly rollouts: RolloutTally
  }
  readonly touch: () => void
}

/** Carries effects of tasks on to workers and gateways, and counts them. */
export function createTaskOutlets({ meter, quality, after, touch }: Components): TaskOutlets {
  return {
    tell(entry) {
      const { gateways, checks } = after()
      gateways.tell(entry)
      if (!isFailedCheck(entry)) return
      checks?.ended(entry.id)
      touch()
    },
    grant(entry, effect) {
      meter.granted(entry.task)
      quality.granted(entry.task)
      const { workers, resumption } = after()
      resumption.granted(entry.task, effect.worker)
      workers.grant(entry, effect)
    },
    revoke: (entry, effect) => after().workers.revoke(entry, effect),
    leased: (worker, taskId) => after().workers.leased(worker, taskId),
    released: (worker, taskId) => after().workers.released(worker, taskId),
    recorded(worker, outcome, task) {
      meter.recorded(outcome)
      quality.ended(worker, outcome, task)
      const { workers, resumption, rollouts } = after()
      resumption.ended(worker, outcome, task)
      workers.recorded(worker, outcome)
      rollouts.recorded(worker, outcome)
    },
    storming: () => after().workers.storming(),
  }
}

/** Nobody could run it. */
function isFailedCheck({ task }: TaskEntry): boolean {
  return task.header.checkOf !== undefined && task.state !== 'done' && endedMsOf(task) !== undefined
}
