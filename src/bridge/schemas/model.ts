import { z } from 'zod'
import { PULL_FROM } from '../../core/models/pull-from.js'
import { ProblemJson } from './problem.js'

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const name = z.string().min(1).max(128)

export const ModelPolicyJson = z.object({
  sequence: z
    .number()
    .optional()
    .meta({ description: 'Of the newest message about it; absent = there is none.' }),
  models: z
    .array(z.object({ name: z.string(), digest: z.string(), source: z.string() }))
    .readonly()
    .meta({ description: 'Models that may serve, and where they come from.' }),
  unlisted: z.enum(['allowed', 'refused']).meta({ description: 'Models that are not listed by name.' }),
  untold: z
    .enum(['allowed', 'refused'])
    .meta({ description: 'Listed ones of which the engine does not tell a digest.' }),
})

export type ModelPolicyJson = z.output<typeof ModelPolicyJson>

export const PullRequestJson = z.strictObject({
  name,
  digest: sha256.optional().meta({ description: 'Which of several; absent = the one listed last.' }),
  from: z
    .enum(PULL_FROM)
    .optional()
    .meta({ description: 'From peers, or where policy says; absent = from peers first, then from there.' }),
})

export const PullJson = z
  .object({
    name: z.string(),
    digest: z.string(),
    source: z.string(),
    state: z.enum(['fetching', 'done', 'failed']),
    sinceMs: z.number(),
    bytes: z.number(),
    ofBytes: z.number().meta({ description: '0 = not known.' }),
    from: z.string().meta({
      description: 'Who sends, or sent last: a peer id, or `source`; empty = nobody does.',
    }),
    next: z.string().optional().meta({ description: 'Once done: what is left to do.' }),
    why: ProblemJson.optional(),
  })
  .meta({ id: 'Pull' })

export type PullJson = z.output<typeof PullJson>

export const PullsJson = z.object({ pulls: z.array(PullJson).readonly() })
