import { z } from 'zod'
import { ProblemJson } from './problem.js'
import { COHORTS } from './rollout.js'
import { ClosedJson } from './terms.js'

export const ModelJson = z.object({
  name: z.string(),
  contextTokens: z.number(),
  tokensPerS: z.number(),
  warm: z.boolean(),
  digest: z.string().optional().meta({ description: 'SHA-256 that its engine tells it by, if it does.' }),
  bar: ProblemJson.optional().meta({ description: 'Why policy does not let it serve.' }),
})

const texts = z.array(z.string()).readonly()

export const LentFilesJson = z.object({
  files: z
    .array(z.object({ digest: z.string(), bytes: z.number(), models: texts }))
    .readonly()
    .meta({ description: 'Files here that policy lists, and as which models.' }),
  uploads: texts.meta({ description: 'Peers that take one now.' }),
  sentBytes: z.number().meta({ description: 'Since the node started.' }),
  why: ProblemJson.optional().meta({ description: 'Why nobody gets any of them now.' }),
})

export type LentFilesJson = z.output<typeof LentFilesJson>

/** A coordinator that a worker or a gateway is attached to. */
export const AttachedToJson = z.object({
  peerId: z.string(),
  sinceMs: z.number(),
  clockAheadMs: z.number().optional().meta({
    description:
      'How far its clock is ahead of the one here, at least, by what it told when this one attached.',
  }),
})

export const WorkerStatusJson = z.object({
  agentId: z.string(),
  notReady: ProblemJson.optional(),
  closed: ClosedJson.meta({ description: 'Why its contributor’s terms keep it from work; it is ready.' }),
  coordinators: z.array(AttachedToJson.extend({ slotsOffered: z.number() })).readonly(),
  slots: z.object({ total: z.number(), busy: z.number() }),
  running: z
    .array(
      z.object({
        taskId: z.string(),
        kind: z.string(),
        model: z.string(),
        fence: z.string(),
        stage: z.string(),
        sinceMs: z.number(),
        tokens: z.number(),
      }),
    )
    .readonly(),
  engine: z.string(),
  sandbox: z.string(),
  languages: texts,
  models: z.array(ModelJson).readonly(),
  offers: z
    .array(
      z.object({
        rollout: z.string(),
        cohort: z.enum(COHORTS),
        target: z.enum(['runtime', 'model']),
        model: z.string(),
        version: z.string().meta({ description: 'Empty = what there was before the rollout.' }),
        rolledBack: z.boolean(),
      }),
    )
    .readonly()
    .meta({ description: 'Versions that policy has for this worker, and that it has not.' }),
  finished: z.object({ done: z.number(), failed: z.number() }),
  lends: LentFilesJson.optional().meta({ description: 'Model files that other workers can take from it.' }),
})
