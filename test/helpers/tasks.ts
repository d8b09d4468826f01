import { refusal } from '../../src/core/refusal.js'
import type { QueuedTask, Task, TaskEvent, TaskHeader } from '../../src/core/task/task.js'
import { step, submit } from '../../src/core/task/task-machine.js'

export const WORKER = 'worker-a'
export const WHY = refusal('engine-failed', 'the engine died')

export function header(parts: Partial<TaskHeader> = {}): TaskHeader {
  const account = parts.account ?? 'ada'
  return {
    id: `${account}:1`,
    kind: 'chat',
    account,
    model: 'coder',
    contextTokens: 1_024,
    maxOutputTokens: 256,
    languages: [],
    priceCapMicrocredits: 500n,
    deadlineMs: 0,
    maxAttempts: 3,
    maxRunMs: 60_000,
    payloadDigest: new Uint8Array(32),
    payloadBytes: 10,
    gateway: 'gateway-a',
    submittedMs: 0,
    fenceFloor: 0n,
    ...parts,
  }
}

export function queuedTask(parts: Partial<TaskHeader> = {}, more: Partial<QueuedTask> = {}): QueuedTask {
  const { task } = submit(header(parts), parts.submittedMs ?? 0)
  if (task.state !== 'queued') throw new Error('a new task is queued')
  return { ...task, ...more }
}

/** Applies events one after the other; none may be refused. */
export function told(task: Task, ...events: readonly (readonly [TaskEvent, number])[]): Task {
  return events.reduce((now, [event, atMs]) => {
    const result = step(now, event, atMs)
    if ('refused' in result) throw new Error(`${event.type} in ${now.state}: ${result.detail}`)
    return result.task
  }, task)
}

export const LEASE_MS = 10_000
export const assign: TaskEvent = { type: 'assign', worker: WORKER, leaseMs: LEASE_MS }

export function progress(work: bigint, stage = 'generating', fence = 1n): TaskEvent {
  return { type: 'progress', worker: WORKER, fence, work, stage, leaseMs: LEASE_MS }
}
