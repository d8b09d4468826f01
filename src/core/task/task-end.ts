import type { Refusal } from '../refusal.js'
import type { HeldTask, QueuedTask, Task, TaskEffect, TaskStep } from './task.js'

/** What every state keeps, without what only the present one knows. */
export function base(task: Task) {
  return {
    header: task.header,
    attempts: task.attempts,
    uncounted: task.uncounted,
    lastFence: task.lastFence,
    excluded: task.excluded,
  }
}

/** Nothing changed. */
export function same(task: Task, effects: readonly TaskEffect[] = []): TaskStep {
  return { task, effects, durable: false }
}

/** When something may be over, at the earliest; undefined = never. */
function nextWakeMs(task: QueuedTask | HeldTask): number | undefined {
  const deadlineMs = task.header.deadlineMs === 0 ? Number.POSITIVE_INFINITY : task.header.deadlineMs
  const atMs =
    task.state === 'queued' ? deadlineMs : Math.min(deadlineMs, task.leaseExpiresMs, task.runExpiresMs)
  return atMs === Number.POSITIVE_INFINITY ? undefined : atMs
}

export function wake(task: QueuedTask | HeldTask): readonly TaskEffect[] {
  const atMs = nextWakeMs(task)
  return atMs === undefined ? [] : [{ type: 'wake', atMs }]
}

export function deadlinePassed(task: Task, nowMs: number): boolean {
  return task.header.deadlineMs !== 0 && nowMs >= task.header.deadlineMs
}

/** Every end without a result: the credits go back once, a worker that still runs it is stopped. */
export function endWithout(
  task: QueuedTask | HeldTask,
  state: 'failed' | 'cancelled' | 'expired',
  why: Refusal,
  nowMs: number,
  before: readonly TaskEffect[] = leave(task, why),
): TaskStep {
  return {
    task: { ...base(task), state, endedMs: nowMs, why },
    effects: [...before, { type: 'release' }, { type: 'tell-gateway' }],
    durable: true,
  }
}

function leave(task: QueuedTask | HeldTask, why: Refusal): readonly TaskEffect[] {
  if (task.state === 'queued') return [{ type: 'dequeue' }]
  return [{ type: 'revoke', worker: task.worker, fence: task.fence, why }]
}
