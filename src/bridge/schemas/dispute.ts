import { z } from 'zod'

const REASON_BYTES = 256

export const DisputeRequestJson = z
  .strictObject({
    reason: z
      .string()
      .refine((text) => Buffer.byteLength(text) <= REASON_BYTES, { message: `at most ${REASON_BYTES} bytes` })
      .meta({ description: 'What is wrong with the result; the coordinator and its owner can read it.' }),
  })
  .meta({ id: 'DisputeRequest' })

export const DisputeJson = z
  .object({
    state: z.enum(['waiting', 'stands', 'refuted', 'undecided']).meta({
      description:
        '`waiting` = others are asked; `stands` = they came to the same; `refuted` = to something else; ' +
        '`undecided` = nobody could say, and it stands.',
    }),
    reason: z.string(),
    sinceMs: z.number(),
    untilMs: z.number().meta({ description: 'Undecided then at the latest.' }),
    endedMs: z.number().optional(),
    verifier: z
      .object({ peerId: z.string(), owner: z.string() })
      .optional()
      .meta({ description: 'The worker that runs the tests now, and the account of its owner.' }),
    votes: z.number().meta({ description: 'Runs that said something, that of the result among them.' }),
    detail: z.string().meta({ description: 'What it waits for, or why it ended as it did.' }),
  })
  .meta({ id: 'Dispute' })

export type DisputeJson = z.output<typeof DisputeJson>
