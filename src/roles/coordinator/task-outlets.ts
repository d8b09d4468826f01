import type { Checks } from './checks.js'
import type { GatewayDesk } from './gateway-desk.js'
import type { AssignmentQuality } from './quality.js'
import type { TaskOutlets } from './task-book.js'
import { endedMsOf, type TaskEntry } from './task-entry.js'
import type { TaskMeter } from './task-meter.js'
import type { WorkerDesk } from './worker-desk.js'

interface Components {
  readonly meter: TaskMeter
  readonly quality: AssignmentQuality
  /** Made after the book of tasks, which they need. */
  readonly ends: () => {
    readonly workers: WorkerDesk
    readonly gateways: GatewayDesk
    readonly checks: Checks | undefined
  }
  readonly touch: () => void
}

/** Carries effects of tasks on to workers and gateways, and counts them. */
export function createTaskOutlets({ meter, quality, ends, touch }: Components): TaskOutlets {
  return {
    tell(entry) {
      const { gateways, checks } = ends()
      gateways.tell(entry)
      if (!isFailedCheck(entry)) return
      checks?.ended(entry.id)
      touch()
    },
    grant(entry, effect) {
      meter.granted(entry.task)
      quality.granted(entry.task)
      ends().workers.grant(entry, effect)
    },
    revoke: (entry, effect) => ends().workers.revoke(entry, effect),
    leased: (worker, taskId) => ends().workers.leased(worker, taskId),
    released: (worker, taskId) => ends().workers.released(worker, taskId),
    recorded(worker, outcome, task) {
      meter.recorded(outcome)
      quality.ended(worker, outcome, task)
      ends().workers.recorded(worker, outcome)
    },
    storming: () => ends().workers.storming(),
  }
}

/** Nobody could run it. */
function isFailedCheck({ task }: TaskEntry): boolean {
  return task.header.checkOf !== undefined && task.state !== 'done' && endedMsOf(task) !== undefined
}
