import { type Refusal, refusal } from '../../core/refusal.js'
import { taskId } from '../schemas/parameters.js'

/**
 * The client's own id of a task, from the `Idempotency-Key` header or the body; both may be given when they
 * agree. Refuses `bad-request`.
 */
export function idempotencyKey(
  header: string | undefined,
  body: string | undefined,
): string | undefined | Refusal {
  if (header === undefined) return body
  const parsed = taskId.safeParse(header)
  if (!parsed.success) {
    return refusal('bad-request', 'Idempotency-Key: must be 1 to 64 of A-Z a-z 0-9 . _ -')
  }
  if (body !== undefined && body !== header) {
    return refusal('bad-request', 'Idempotency-Key and id in the body differ', { next: 'Send one of them.' })
  }
  return header
}
