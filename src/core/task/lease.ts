import { type Refusal, refusal } from '../refusal.js'
import { DEADLINE_PASSED, holds, stale } from './attempt-end.js'
import type { HeldTask, LeaseHolder, QueuedTask, RunningTask, Task, TaskEventOf, TaskStep } from './task.js'
import { base, deadlinePassed, endWithout, leave, same, wake } from './task-end.js'

const DELIVERED = refusal('task-ended', 'the gateway accepted the result of an earlier attempt', {
  next: 'Stop this attempt and drop its result.',
})

/**
 * Gives the next fence to a worker. The gateway hears first, so that it knows whom to serve when the worker
 * dials.
 */
export function assign(task: QueuedTask, event: TaskEventOf<'assign'>, nowMs: number): TaskStep {
  if (deadlinePassed(task, nowMs)) return endWithout(task, 'expired', DEADLINE_PASSED, nowMs)
  const { worker, leaseMs } = event
  const fence = task.lastFence + 1n
  const leased = {
    ...base(task),
    state: 'leased',
    attempts: task.attempts + 1,
    lastFence: fence,
    worker,
    fence,
    leaseExpiresMs: nowMs + leaseMs,
    runExpiresMs: nowMs + task.header.maxRunMs,
  } as const
  return {
    task: leased,
    effects: [
      { type: 'dequeue' },
      { type: 'tell-gateway' },
      { type: 'grant', worker, fence, leaseMs },
      ...wake(leased),
    ],
    durable: true,
  }
}

/** The first beat starts the run and renews, as every headway does; a beat without headway renews nothing. */
export function progress(task: HeldTask, event: TaskEventOf<'progress'>, nowMs: number): TaskStep | Refusal {
  if (!holds(task, event)) return stale(task, event)
  const starts = task.state === 'leased'
  if (!starts && event.work <= task.work && event.stage === task.stage) return same(task)
  const running: RunningTask = {
    ...base(task),
    state: 'running',
    worker: task.worker,
    fence: task.fence,
    leaseExpiresMs: Math.max(task.leaseExpiresMs, nowMs + event.leaseMs),
    runExpiresMs: task.runExpiresMs,
    startedMs: starts ? nowMs : task.startedMs,
    work: starts || event.work > task.work ? event.work : task.work,
    stage: event.stage,
  }
  const renewed = { type: 'renewed', worker: task.worker, fence: task.fence, leaseMs: event.leaseMs } as const
  return { task: running, effects: starts ? [renewed, { type: 'tell-gateway' }] : [renewed], durable: false }
}

/**
 * The one way to be paid. The gateway takes one result of a task and no other after it, so whose result it
 * accepted has done the task: also when the lease was over by the time that it is heard of. Whoever has a
 * later lease is called off, and did nothing wrong.
 */
export function complete(
  task: QueuedTask | HeldTask,
  event: TaskEventOf<'complete'>,
  nowMs: number,
): TaskStep | Refusal {
  const lease = leaseGiven(task, event)
  if (lease === undefined) return stale(task, event)
  const { worker, fence } = event
  return {
    task: { ...base(task), state: 'done', endedMs: nowMs, worker, fence },
    effects: [
      ...(lease === 'last' ? [] : leave(task, DELIVERED)),
      { type: 'settle', worker, fence },
      { type: 'record', worker, outcome: 'success' },
      { type: 'tell-gateway' },
    ],
    durable: true,
  }
}

/**
 * Was this lease given on a task that has not ended?
 *
 * @returns whether it still holds or is a former one; undefined = it was not, or the task has ended
 */
export function leaseGiven(task: Task, lease: LeaseHolder): 'last' | 'former' | undefined {
  if ('endedMs' in task) return undefined
  if (task.state !== 'queued' && holds(task, lease)) return 'last'
  return task.former.some((each) => holds(each, lease)) ? 'former' : undefined
}

export function extend(task: HeldTask, event: TaskEventOf<'extend'>, nowMs: number): TaskStep {
  const extended: HeldTask = {
    ...task,
    leaseExpiresMs: Math.max(task.leaseExpiresMs, nowMs + event.leaseMs),
    runExpiresMs: Math.max(task.runExpiresMs, nowMs + event.leaseMs),
  }
  return { task: extended, effects: wake(extended), durable: false }
}

/** What was granted or renewed since the clock was set goes by the new time already, hence the bounds. */
export function clockSet(task: HeldTask, event: TaskEventOf<'clock-set'>, nowMs: number): TaskStep {
  const aheadMs = Math.max(0, event.byMs)
  const moved: HeldTask = {
    ...task,
    leaseExpiresMs: Math.min(task.leaseExpiresMs + aheadMs, nowMs + event.leaseMs),
    runExpiresMs: Math.min(task.runExpiresMs + aheadMs, nowMs + task.header.maxRunMs),
  }
  return { task: moved, effects: wake(moved), durable: false }
}
