import { z } from 'zod'
import { ProblemJson } from './problem.js'

const MOST_DRAIN_MS = 7 * 86_400_000
const MOST_STAGE_MS = 7 * 86_400_000

export const CoordinatorStatusJson = z.object({
  notReady: ProblemJson.optional(),
  workers: z.number(),
  gateways: z.number(),
  queued: z.number(),
  leased: z.number(),
  running: z.number(),
  oldestQueuedMs: z.number(),
  done: z.number(),
  failed: z.number(),
  stormSinceMs: z.number().optional(),
  isolated: z.number().meta({ description: 'Peers that its owner has isolated.' }),
  paused: z
    .object({ reason: z.string(), refusesSubmits: z.boolean(), sinceMs: z.number() })
    .optional()
    .meta({ description: 'While no lease is given out; leases that are out go on.' }),
  resuming: z
    .object({
      stage: z.string().meta({ description: 'probe, 10% or 50%, of the slots of all workers.' }),
      sinceMs: z.number(),
      stageMs: z.number().meta({ description: 'A stage lasts at least so long.' }),
      ended: z.number().meta({ description: 'Attempts that ended in this stage.' }),
      failed: z.number(),
      attempts: z.number().meta({ description: 'That must end before the next stage.' }),
      mostLeases: z.number().meta({ description: 'That may be out at once.' }),
      samplingFactor: z.number().meta({ description: 'Results are verified so many times as often.' }),
      held: z.string().optional().meta({ description: 'Why it gives out nothing more.' }),
    })
    .optional()
    .meta({ description: 'While it resumes in stages.' }),
})

export type CoordinatorStatusJson = z.output<typeof CoordinatorStatusJson>

export const DrainRequestJson = z.strictObject({
  worker: z
    .string()
    .regex(/^[A-Za-z0-9]{1,64}$/)
    .meta({ description: 'Peer id; it need not be attached.' }),
  reason: z.string().max(256),
  deadlineMs: z.number().int().min(0).max(MOST_DRAIN_MS).optional(),
})

export const DrainsJson = z.object({
  drains: z
    .array(
      z.object({
        worker: z.string(),
        reason: z.string(),
        sinceMs: z.number(),
        untilMs: z.number().optional().meta({ description: 'When leases that are left go to others.' }),
        leases: z.number().meta({ description: 'That it has left; 0 = it is drained.' }),
      }),
    )
    .readonly(),
})

export type DrainsJson = z.output<typeof DrainsJson>

export const IsolationRequestJson = z.strictObject({
  peer: DrainRequestJson.shape.worker,
  reason: z.string().max(256),
})

export const IsolationsJson = z.object({
  isolations: z.array(z.object({ peer: z.string(), reason: z.string(), sinceMs: z.number() })).readonly(),
})

export const ResumeRequestJson = z.strictObject({
  staged: z
    .strictObject({ stageMs: z.number().int().min(0).max(MOST_STAGE_MS) })
    .optional()
    .meta({
      description: 'Little is given out at first, and more when that goes well; absent = all at once.',
    }),
})

export const PauseRequestJson = z.strictObject({
  reason: z.string().min(1).max(256),
  refusesSubmits: z.boolean().meta({ description: 'Else new tasks wait in the queue.' }),
})
