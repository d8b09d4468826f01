import { type Refusal, refusal } from '../refusal.js'
import { DEADLINE_PASSED, decline, expireHeld, failAttempt, holds, loseWorker, stale } from './attempt-end.js'
import { assign, clockSet, complete, extend, progress } from './lease.js'
import type {
  EndedTask,
  HeldTask,
  QueuedTask,
  Task,
  TaskEventName,
  TaskEventOf,
  TaskStateName,
  TaskStep,
} from './task.js'
import { deadlinePassed, endWithout, LONGEST_WAIT_MS, same, wake } from './task-end.js'

/** `same` = the state stays; `refused` = nothing changes and the sender is told. */
export type Outcome = TaskStateName | 'same' | 'refused'

/** What an event may do in a state: every outcome it can have, and the function that decides which. */
interface Move<From extends Task, On extends TaskEventName> {
  readonly to: readonly Outcome[]
  readonly decide: (task: From, event: TaskEventOf<On>, nowMs: number) => TaskStep | Refusal
}

export type Moves<From extends Task> = { readonly [On in TaskEventName]: Move<From, On> }

type LeaseWord = 'progress' | 'complete' | 'attempt-failed' | 'decline'

const ignored = { to: ['same'], decide: (task: Task) => same(task) } as const
const noLease = {
  to: ['refused'],
  decide: (task: Task, event: TaskEventOf<LeaseWord>) => stale(task, event),
} as const
const ended = {
  to: ['refused'],
  decide: (task: Task) => refusal('task-ended', `the task has already ended: ${task.state}`),
} as const
const cancelled = {
  to: ['cancelled'],
  decide: (task: QueuedTask | HeldTask, event: TaskEventOf<'cancel'>, nowMs: number) =>
    endWithout(task, 'cancelled', event.why, nowMs),
} as const

const QUEUED: Moves<QueuedTask> = {
  assign: { to: ['leased', 'expired'], decide: assign },
  progress: noLease,
  complete: { to: ['done', 'refused'], decide: complete },
  'attempt-failed': noLease,
  decline: noLease,
  'worker-lost': ignored,
  extend: ignored,
  'clock-set': ignored,
  clock: { to: ['expired', 'same'], decide: expireQueued },
  cancel: cancelled,
}

const HELD = {
  assign: {
    to: ['refused'],
    decide: (task: HeldTask) => refusal('task-conflict', `worker ${task.worker} holds a lease on the task`),
  },
  complete: { to: ['done', 'refused'], decide: complete },
  'attempt-failed': { to: ['queued', 'failed', 'expired', 'refused'], decide: failAttempt },
  decline: { to: ['queued', 'failed', 'expired', 'refused'], decide: decline },
  'worker-lost': { to: ['queued', 'failed', 'expired', 'same'], decide: loseWorker },
  extend: { to: ['same'], decide: extend },
  'clock-set': { to: ['same'], decide: clockSet },
  clock: { to: ['queued', 'failed', 'expired', 'same'], decide: expireHeld },
  cancel: cancelled,
} as const

const ENDED: Moves<EndedTask> = {
  assign: ended,
  progress: noLease,
  complete: noLease,
  'attempt-failed': noLease,
  decline: noLease,
  'worker-lost': ignored,
  extend: ignored,
  'clock-set': ignored,
  clock: ignored,
  cancel: ended,
}

/** The whole life of a task: what each event may do in each state. Drawn in docs/states/task.md. */
export const MOVES = {
  queued: QUEUED,
  leased: { ...HELD, progress: { to: ['running', 'refused'], decide: progress } },
  running: { ...HELD, progress: { to: ['same', 'refused'], decide: progress } },
  done: { ...ENDED, complete: { to: ['same', 'refused'], decide: completeAgain } },
  failed: ENDED,
  cancelled: ENDED,
  expired: ENDED,
} as const satisfies { readonly [State in TaskStateName]: Moves<Extract<Task, { state: State }>> }

const WAITED_TOO_LONG = refusal('deadline-passed', 'the task waited in the queue for seven days', {
  next: 'Ask `edgecoder task explain` of a waiting task why it waits, and submit it again.',
})

function expireQueued(task: QueuedTask, _event: TaskEventOf<'clock'>, nowMs: number): TaskStep {
  if (deadlinePassed(task, nowMs)) return endWithout(task, 'expired', DEADLINE_PASSED, nowMs)
  if (nowMs >= task.queuedMs + LONGEST_WAIT_MS) return endWithout(task, 'expired', WAITED_TOO_LONG, nowMs)
  return same(task, wake(task))
}

/** The same receipt said twice is answered twice, and paid once. */
function completeAgain(
  task: Extract<Task, { state: 'done' }>,
  event: TaskEventOf<'complete'>,
): TaskStep | Refusal {
  return holds(task, event) ? same(task) : stale(task, event)
}
