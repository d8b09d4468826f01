import { z } from 'zod'
import { ProblemJson } from './problem.js'

/** What `/readyz` answers. */
export const ReadyJson = z
  .object({
    ready: z.boolean(),
    roles: z.record(z.string(), z.object({ ready: z.boolean(), why: ProblemJson.optional() })),
  })
  .meta({ id: 'Readiness' })
