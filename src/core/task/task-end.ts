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
    former: task.former,
  }
}

/** Nothing changed. */
export function same(task: Task, effects: readonly TaskEffect[] = []): TaskStep {
  return { task, effects, durable: false }
}

/**
 * In the queue at a stretch, whatever the deadline: a task whose gateway never comes back, or that no worker
 * can take, holds neither its place nor its credits for ever.
 */
export const LONGEST_WAIT_MS = 7 * 24 * 60 * 60 * 1000

/** Asks to be looked at when something may be over, at the earliest. */
export function wake(task: QueuedTask | HeldTask): readonly TaskEffect[] {
  const deadlineMs = task.header.deadlineMs === 0 ? Number.POSITIVE_INFINITY : task.header.deadlineMs
  const ownMs =
    task.state === 'queued'
      ? task.queuedMs + LONGEST_WAIT_MS
      : Math.min(task.leaseExpiresMs, task.runExpiresMs)
  return [{ type: 'wake', atMs: Math.min(deadlineMs, ownMs) }]
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

/** It waits, or is run, no longer. */
export function leave(task: QueuedTask | HeldTask, why: Refusal): readonly TaskEffect[] {
  if (task.state === 'queued') return [{ type: 'dequeue' }]
  return [{ type: 'revoke', worker: task.worker, fence: task.fence, why }]
}
