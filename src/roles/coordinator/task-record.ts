import { EdgeCoderError } from '../../core/errors.js'
import { fromWire, toWire } from '../../core/refusal.js'
import type { Task, TaskStateName } from '../../core/task/task.js'
import type { Write } from '../../ports/store.js'
import { codec, isMalformed } from '../../wire/frame.js'
import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import {
  StoredReceiptSchema,
  StoredState,
  type StoredTask,
  StoredTaskSchema,
} from '../../wire/generated/edgecoder/store/v1/task_pb.js'
import {
  TaskHeaderSchema,
  type TaskHeader as WireHeader,
} from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { fromWireHeader } from './task-header.js'

/** Keys of everything that a coordinator stores. */
export const TASKS = { gte: 't|', lt: 't}' } as const
export const taskKey = (id: string): string => `t|${id}`
export const receiptKey = (id: string): string => `r|${id}`
export const SEQUENCE_KEY = 'm|announcement-sequence'
export const PROBE_KEY = 'm|probe'
export const PAUSE_KEY = 'm|pause'
export const RESUMPTION_KEY = 'm|resume'
export const DRAINS = { gte: 'm|drain|', lt: 'm|drain}' } as const
export const ISOLATIONS = { gte: 'm|isolated|', lt: 'm|isolated}' } as const
export const isolationKey = (peer: string): string => `m|isolated|${peer}`
export const SUSPENSIONS = { gte: 'm|suspended|', lt: 'm|suspended}' } as const
export const suspensionKey = (worker: string): string => `m|suspended|${worker}`
export const drainKey = (worker: string): string => `m|drain|${worker}`

const headers = codec(TaskHeaderSchema, 1024)
const tasks = codec(StoredTaskSchema, 16 * 1024)
const receipts = codec(StoredReceiptSchema, 16 * 1024)

const STATES = {
  queued: StoredState.QUEUED,
  leased: StoredState.LEASED,
  running: StoredState.RUNNING,
  done: StoredState.DONE,
  failed: StoredState.FAILED,
  cancelled: StoredState.CANCELLED,
  expired: StoredState.EXPIRED,
} as const satisfies Record<TaskStateName, StoredState>

/** @returns the bytes of a header, made once at submit: a header never changes */
export function encodeHeader(header: WireHeader): Uint8Array {
  return headers.encode(header)
}

export function taskWrite(task: Task, header: Uint8Array): Write {
  const value = tasks.encode({
    header,
    state: STATES[task.state],
    attempts: task.attempts,
    uncounted: task.uncounted,
    lastFence: task.lastFence,
    excluded: [...task.excluded],
    former: [...task.former],
    ...particulars(task),
  })
  return { type: 'put', key: taskKey(task.header.id), value }
}

function particulars(task: Task) {
  switch (task.state) {
    case 'queued':
      return {
        sinceMs: BigInt(task.queuedMs),
        ...(task.lastFailure === undefined ? {} : { why: toWire(task.lastFailure) }),
      }
    case 'leased':
    case 'running':
      return {
        sinceMs: BigInt(task.state === 'running' ? task.startedMs : 0),
        worker: task.worker,
        fence: task.fence,
        leaseExpiresMs: BigInt(task.leaseExpiresMs),
        runExpiresMs: BigInt(task.runExpiresMs),
      }
    case 'done':
      return { sinceMs: BigInt(task.endedMs), worker: task.worker, fence: task.fence }
    case 'failed':
    case 'cancelled':
    case 'expired':
      return { sinceMs: BigInt(task.endedMs), why: toWire(task.why) }
  }
}

export function receiptWrite(id: string, receipt: Envelope, acceptance: Envelope, nowMs: number): Write {
  const value = receipts.encode({ receipt, acceptance, settledMs: BigInt(nowMs) })
  return { type: 'put', key: receiptKey(id), value }
}

/**
 * Reads a task back.
 *
 * @returns the task, and its header's bytes as stored
 * @throws EdgeCoderError `store-corrupt`, naming the key
 */
export function readTask(
  key: string,
  value: Uint8Array,
): { readonly task: Task; readonly header: Uint8Array } {
  const stored = tasks.decode(value)
  if (isMalformed(stored)) throw corrupt(key, stored.detail)
  const header = headers.decode(stored.header)
  if (isMalformed(header)) throw corrupt(key, header.detail)
  if (taskKey(header.id) !== key) throw corrupt(key, `it holds task "${header.id}"`)
  const base = {
    header: fromWireHeader(header),
    attempts: stored.attempts,
    uncounted: stored.uncounted,
    lastFence: stored.lastFence,
    excluded: stored.excluded,
    former: stored.former.map(({ worker, fence }) => ({ worker, fence })),
  }
  const task = withParticulars(base, stored)
  if (task === undefined) throw corrupt(key, 'its state lacks what belongs to it')
  return { task, header: stored.header }
}

type Base = Pick<Task, 'header' | 'attempts' | 'uncounted' | 'lastFence' | 'excluded' | 'former'>

function withParticulars(base: Base, stored: StoredTask): Task | undefined {
  const sinceMs = Number(stored.sinceMs)
  const why = stored.why === undefined ? undefined : fromWire(stored.why)
  const { worker, fence } = stored
  switch (stored.state) {
    case StoredState.QUEUED:
      return {
        ...base,
        state: 'queued',
        queuedMs: sinceMs,
        ...(why === undefined ? {} : { lastFailure: why }),
      }
    case StoredState.LEASED:
    case StoredState.RUNNING: {
      if (worker === '' || fence === 0n || fence !== base.lastFence) return undefined
      const lease = {
        worker,
        fence,
        leaseExpiresMs: Number(stored.leaseExpiresMs),
        runExpiresMs: Number(stored.runExpiresMs),
      }
      if (stored.state === StoredState.LEASED) return { ...base, ...lease, state: 'leased' }
      return { ...base, ...lease, state: 'running', startedMs: sinceMs, work: 0n, stage: '' }
    }
    case StoredState.DONE:
      return worker === '' ? undefined : { ...base, state: 'done', endedMs: sinceMs, worker, fence }
    case StoredState.FAILED:
      return why === undefined ? undefined : { ...base, state: 'failed', endedMs: sinceMs, why }
    case StoredState.CANCELLED:
      return why === undefined ? undefined : { ...base, state: 'cancelled', endedMs: sinceMs, why }
    case StoredState.EXPIRED:
      return why === undefined ? undefined : { ...base, state: 'expired', endedMs: sinceMs, why }
    default:
      return undefined
  }
}

function corrupt(key: string, why: string): EdgeCoderError {
  return new EdgeCoderError('store-corrupt', `The record "${key}" of the task store cannot be read: ${why}`, {
    next: 'Restore the data folder from a backup, or move its task store away to start with an empty queue.',
  })
}
