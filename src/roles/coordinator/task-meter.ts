import type { Task } from '../../core/task/task.js'
import type { Clock } from '../../ports/clock.js'
import type { Metrics } from '../../ports/metrics.js'

/** Counts what an operator watches. */
export interface TaskMeter {
  /** A lease goes out. */
  granted(task: Task): void
  recorded(outcome: 'success' | 'failure' | 'lost'): void
  depths(depths: Depths): void
}

interface Depths {
  readonly queued: number
  readonly leased: number
  readonly running: number
  readonly workers: number
  readonly gateways: number
  /** How long the oldest waiting task has waited; 0 = none waits. */
  readonly oldestMs: number
}

const WAIT_BUCKETS = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600]

export function createTaskMeter(components: { readonly clock: Clock; readonly metrics: Metrics }): TaskMeter {
  const { clock, metrics } = components
  const waits = metrics.histogram(
    'edgecoder_coordinator_assign_seconds',
    'From the submit of a task, as its gateway dates it, to its first lease.',
    WAIT_BUCKETS,
  )
  const attempts = metrics.counter(
    'edgecoder_coordinator_attempts_total',
    'Attempts that ended, by outcome.',
    ['outcome'],
  )
  const tasks = metrics.gauge('edgecoder_coordinator_tasks', 'Unfinished tasks by state.', ['state'])
  const oldest = metrics.gauge(
    'edgecoder_coordinator_oldest_queued_seconds',
    'How long the oldest waiting task has waited; 0 = none waits.',
  )
  const peers = metrics.gauge('edgecoder_coordinator_peers', 'Attached peers by role.', ['role'])
  return {
    granted(task) {
      if (task.attempts === 1) waits.observe(Math.max(0, clock.nowMs() - task.header.submittedMs) / 1000)
    },
    recorded: (outcome) => attempts.add(1, { outcome }),
    depths({ queued, leased, running, workers, gateways, oldestMs }) {
      oldest.set(oldestMs / 1000)
      tasks.set(queued, { state: 'queued' })
      tasks.set(leased, { state: 'leased' })
      tasks.set(running, { state: 'running' })
      peers.set(workers, { role: 'worker' })
      peers.set(gateways, { role: 'gateway' })
    },
  }
}
