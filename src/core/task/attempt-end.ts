import { type Refusal, refusal } from '../refusal.js'
import type { HeldTask, LeaseHolder, TaskBase, TaskEffect, TaskEventOf, TaskStep } from './task.js'
import { base, deadlinePassed, endWithout, same, wake } from './task-end.js'

/** Workers remembered as having failed a task. */
export const MAX_EXCLUDED = 16
/**
 * Leases of one task that may end uncounted (declined, gateway gone), so that it cannot go round for ever.
 */
export const MAX_UNCOUNTED = 20
/** Former leases remembered: all that a task of ten attempts can have had. */
export const MAX_FORMER = 32

export const DEADLINE_PASSED = refusal('deadline-passed', 'the deadline passed before the task was done')

/** The lease holder says that its attempt failed, and whose fault it was. */
export function failAttempt(
  task: HeldTask,
  event: TaskEventOf<'attempt-failed'>,
  nowMs: number,
): TaskStep | Refusal {
  if (!holds(task, event)) return stale(task, event)
  switch (event.fault) {
    case 'worker':
      return counted(task, event.why, nowMs, [record(task, 'failure')])
    case 'task':
      return endWithout(task, 'failed', event.why, nowMs, [])
    case 'gateway':
      return uncounted(task, event.why, nowMs)
  }
}

/** The lease holder did not start: nothing ran, nobody is at fault. */
export function decline(task: HeldTask, event: TaskEventOf<'decline'>, nowMs: number): TaskStep | Refusal {
  if (!holds(task, event)) return stale(task, event)
  return uncounted(task, refusal('waiting-for-worker', `the worker declined: ${event.reason}`), nowMs)
}

export function loseWorker(task: HeldTask, event: TaskEventOf<'worker-lost'>, nowMs: number): TaskStep {
  if (event.worker !== task.worker) return same(task)
  const why = refusal('worker-lost', `worker ${task.worker} vanished while it had the task`)
  return counted(task, why, nowMs, [revoke(task, why), record(task, 'lost')])
}

/** The first that is over counts: deadline, then run time, then lease. */
export function expireHeld(task: HeldTask, _event: TaskEventOf<'clock'>, nowMs: number): TaskStep {
  if (deadlinePassed(task, nowMs)) return endWithout(task, 'expired', DEADLINE_PASSED, nowMs)
  const why = overdue(task, nowMs)
  if (why === undefined) return same(task, wake(task))
  return counted(task, why, nowMs, [revoke(task, why), record(task, 'failure')])
}

export function holds(task: LeaseHolder, event: LeaseHolder): boolean {
  return event.worker === task.worker && event.fence === task.fence
}

export function stale(task: Pick<TaskBase, 'lastFence'>, event: LeaseHolder): Refusal {
  return refusal(
    'stale-fence',
    `lease ${event.fence} of worker ${event.worker} is over; the last one given is ${task.lastFence}`,
    { next: 'Stop this attempt and drop its result.' },
  )
}

function overdue(task: HeldTask, nowMs: number): Refusal | undefined {
  if (nowMs >= task.runExpiresMs)
    return refusal('run-time-exceeded', `the attempt ran longer than ${task.header.maxRunMs} ms`)
  if (nowMs >= task.leaseExpiresMs)
    return refusal('lease-lapsed', `worker ${task.worker} made no headway for a whole lease`)
  return undefined
}

/** The attempt was begun and failed at this worker. */
function counted(task: HeldTask, why: Refusal, nowMs: number, before: readonly TaskEffect[]): TaskStep {
  const excluded = [...task.excluded.filter((each) => each !== task.worker), task.worker].slice(-MAX_EXCLUDED)
  const next = { ...task, excluded }
  if (task.attempts < task.header.maxAttempts) return requeue(next, why, nowMs, before)
  const all = refusal(
    'attempts-exhausted',
    `attempt ${task.attempts} was the last one allowed: ${why.detail}`,
  )
  return endWithout(next, 'failed', all, nowMs, before)
}

/** The attempt does not count: it is taken off again. */
function uncounted(task: HeldTask, why: Refusal, nowMs: number): TaskStep {
  const next = { ...task, attempts: task.attempts - 1, uncounted: task.uncounted + 1 }
  if (next.uncounted < MAX_UNCOUNTED) return requeue(next, why, nowMs, [])
  const all = refusal('attempts-exhausted', `${MAX_UNCOUNTED} leases ended before they began: ${why.detail}`)
  return endWithout(next, 'failed', all, nowMs, [])
}

function requeue(task: HeldTask, why: Refusal, nowMs: number, before: readonly TaskEffect[]): TaskStep {
  if (deadlinePassed(task, nowMs)) return endWithout(task, 'expired', DEADLINE_PASSED, nowMs, before)
  const { worker, fence } = task
  const former = [...task.former, { worker, fence }].slice(-MAX_FORMER)
  const queued = { ...base(task), former, state: 'queued', queuedMs: nowMs, lastFailure: why } as const
  return {
    task: queued,
    effects: [...before, { type: 'enqueue' }, { type: 'tell-gateway' }, ...wake(queued)],
    durable: true,
  }
}

function revoke(task: HeldTask, why: Refusal): TaskEffect {
  return { type: 'revoke', worker: task.worker, fence: task.fence, why }
}

function record(task: HeldTask, outcome: 'failure' | 'lost'): TaskEffect {
  return { type: 'record', worker: task.worker, outcome }
}
