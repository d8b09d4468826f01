import { EdgeCoderError } from '../../core/errors.js'
import { type Refusal, refusal } from '../../core/refusal.js'

/** A fault of the store as an answer to a peer. @throws what is no such fault */
export function faultRefusal(cause: unknown): Refusal {
  if (!(cause instanceof EdgeCoderError)) throw cause
  return refusal(cause.code, cause.message, cause.next === undefined ? {} : { next: cause.next })
}
