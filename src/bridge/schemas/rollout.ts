import { z } from 'zod'

export const COHORTS = ['canary', 'batch', 'full'] as const

export const RolloutsJson = z.object({
  rollouts: z
    .array(
      z.object({
        id: z.string(),
        target: z.enum(['runtime', 'model']),
        model: z.string(),
        version: z.string(),
        stage: z.enum(['canary', 'batch', 'full', 'paused', 'rolled-back']),
        reached: z.enum(COHORTS),
        before: z.string(),
        batchPercent: z.number(),
        failureBasisPoints: z.number(),
        leastAttempts: z.number(),
        reason: z.string(),
        sequence: z.number(),
        sinceMs: z.number(),
        offered: z.number().meta({ description: 'Workers that it is offered to.' }),
        cohorts: z
          .array(
            z.object({
              cohort: z.enum(COHORTS),
              workers: z.number(),
              having: z.number().meta({ description: 'Of them, those that have the version.' }),
              done: z.number(),
              failed: z.number(),
            }),
          )
          .readonly(),
        gate: z.object({
          state: z.enum(['waiting', 'holds', 'broken']),
          attempts: z.number(),
          failed: z.number(),
        }),
      }),
    )
    .readonly(),
})

export type RolloutsJson = z.output<typeof RolloutsJson>
