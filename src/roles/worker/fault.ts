import { EdgeCoderError, type ErrorCode } from '../../core/errors.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import { Fault } from '../../wire/generated/edgecoder/control/v1/worker_pb.js'

/** Codes for which the task itself is at fault, so that no other worker need try. */
const OF_THE_TASK: ReadonlySet<ErrorCode> = new Set([
  'bad-file-name',
  'bad-request',
  'command-unsupported',
  'context-too-long',
  'payload-too-large',
  'too-many-files',
])

/** Codes for which nobody here is at fault. */
const OF_THE_GATEWAY: ReadonlySet<ErrorCode> = new Set(['gateway-unavailable', 'result-mismatch'])

/** A fault as a value. What is no EdgeCoderError keeps its message to itself: it may quote a prompt. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof EdgeCoderError) {
    return refusal(error.code, error.message, {
      ...(error.next === undefined ? {} : { next: error.next }),
      ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    })
  }
  return refusal('internal', `unexpected ${error instanceof Error ? error.name : 'failure'} in the worker`)
}

/**
 * Who is to blame for a failed attempt: it decides whether others try, and whether this worker is excluded.
 */
export function faultOf(code: ErrorCode): Fault {
  if (OF_THE_TASK.has(code)) return Fault.TASK
  return OF_THE_GATEWAY.has(code) ? Fault.GATEWAY : Fault.WORKER
}
