import { z } from 'zod'

/** A whole number in a query string. */
export function queryInteger(least: number, most: number) {
  return z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(least).max(most))
    .meta({ type: 'integer', minimum: least, maximum: most })
}

/** The client's own id of a task: its idempotency key. */
export const taskId = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,64}$/, '1 to 64 of A-Z a-z 0-9 . _ -')
  .meta({ description: 'The idempotency key: 1 to 64 of A-Z a-z 0-9 . _ -' })

export const accountName = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,64}$/, '1 to 64 of A-Z a-z 0-9 . _ -')
  .meta({ description: 'An account: 1 to 64 of A-Z a-z 0-9 . _ -' })

export const TaskParams = z.strictObject({ id: taskId })
export const KeyParams = z.strictObject({ id: z.string().min(1).max(64) })
