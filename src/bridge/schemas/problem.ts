import { z } from 'zod'
import type { Refusal } from '../../core/refusal.js'

/** Why something was not done. */
export const ProblemJson = z
  .object({
    code: z.string().meta({ description: 'Short and stable; docs/ERRORS.md lists them all.' }),
    message: z.string().meta({ description: 'What happened and why.' }),
    next: z.string().optional().meta({ description: 'What to do next.' }),
    retryAfterMs: z
      .number()
      .optional()
      .meta({ description: 'When to try again; absent = it will not help.' }),
  })
  .meta({ id: 'Problem' })

export const ErrorJson = z.object({ error: ProblemJson }).meta({ id: 'Error' })

export type ProblemJson = z.output<typeof ProblemJson>

export function problemJson(why: Refusal): ProblemJson {
  return {
    code: why.code,
    message: why.detail,
    ...(why.next === undefined ? {} : { next: why.next }),
    ...(why.retryAfterMs === undefined ? {} : { retryAfterMs: why.retryAfterMs }),
  }
}
