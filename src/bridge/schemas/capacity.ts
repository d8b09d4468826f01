import { z } from 'zod'

export const CapacityJson = z
  .object({
    models: z
      .array(
        z.object({
          name: z.string(),
          contextTokens: z.number(),
          tokensPerS: z.number(),
          workers: z.number(),
          freeSlots: z.number(),
        }),
      )
      .readonly(),
    languages: z.array(z.string()).readonly(),
    workers: z.number(),
    freeSlots: z.number(),
    queued: z.number(),
  })
  .meta({ id: 'Capacity' })

export type CapacityJson = z.output<typeof CapacityJson>
