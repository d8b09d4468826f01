import type { Refusal } from '../refusal.js'
import { extend } from './lease.js'
import { MOVES, type Moves } from './moves.js'
import type { QueuedTask, Task, TaskEvent, TaskHeader, TaskStep } from './task.js'
import { same, wake } from './task-end.js'

/** A new task. The caller has checked that none of this id exists and that the queue admits it. */
export function submit(header: TaskHeader, nowMs: number): TaskStep {
  const task: QueuedTask = {
    header,
    attempts: 0,
    uncounted: 0,
    lastFence: header.fenceFloor,
    excluded: [],
    former: [],
    state: 'queued',
    queuedMs: nowMs,
  }
  return {
    task,
    effects: [
      { type: 'hold', microcredits: header.priceCapMicrocredits },
      { type: 'enqueue' },
      ...wake(task),
    ],
    durable: true,
  }
}

/**
 * What an event makes of a task.
 *
 * @param nowMs wall clock
 * @returns the next state and its effects; or why the event is refused, which changes nothing: `stale-fence`,
 *   `task-ended`, `task-conflict` (assigned while a lease is held)
 * @see docs/states/task.md
 */
export function step(task: Task, event: TaskEvent, nowMs: number): TaskStep | Refusal {
  switch (task.state) {
    case 'queued':
      return decide(MOVES.queued, task, event, nowMs)
    case 'leased':
      return decide(MOVES.leased, task, event, nowMs)
    case 'running':
      return decide(MOVES.running, task, event, nowMs)
    case 'done':
      return decide(MOVES.done, task, event, nowMs)
    case 'failed':
    case 'cancelled':
    case 'expired':
      return decide(MOVES[task.state], task, event, nowMs)
  }
}

/**
 * A task as read back from disk after a restart. A lease goes on, with time for its worker to attach again:
 * the silence was ours. Credits were held before the restart and are not held again.
 */
export function restore(task: Task, nowMs: number, leaseMs: number): TaskStep {
  switch (task.state) {
    case 'queued':
      return same(task, [{ type: 'enqueue' }, ...wake(task)])
    case 'leased':
    case 'running':
      return extend(task, { type: 'extend', leaseMs }, nowMs)
    default:
      return same(task)
  }
}

/** One case an event, so that each meets a `decide` of its own type. */
function decide<From extends Task>(
  moves: Moves<From>,
  task: From,
  event: TaskEvent,
  nowMs: number,
): TaskStep | Refusal {
  switch (event.type) {
    case 'assign':
      return moves.assign.decide(task, event, nowMs)
    case 'progress':
      return moves.progress.decide(task, event, nowMs)
    case 'complete':
      return moves.complete.decide(task, event, nowMs)
    case 'attempt-failed':
      return moves['attempt-failed'].decide(task, event, nowMs)
    case 'decline':
      return moves.decline.decide(task, event, nowMs)
    case 'worker-lost':
      return moves['worker-lost'].decide(task, event, nowMs)
    case 'extend':
      return moves.extend.decide(task, event, nowMs)
    case 'clock-set':
      return moves['clock-set'].decide(task, event, nowMs)
    case 'clock':
      return moves.clock.decide(task, event, nowMs)
    case 'cancel':
      return moves.cancel.decide(task, event, nowMs)
  }
}
