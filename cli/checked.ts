import type { z } from 'zod'
import { EdgeCoderError } from '../src/core/errors.js'

/** What was given on the command line, as the node will read it. @throws EdgeCoderError `bad-request` naming each fault */
export function checked<S extends z.ZodType>(schema: S, value: unknown, next: string): z.output<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const why = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
  throw new EdgeCoderError('bad-request', why, { next })
}
