import { z } from 'zod'

/** What independent workers said of results, as `coordinator quality` shows it. */
export const ChecksJson = z.object({
  open: z.number().meta({ description: 'Results that others are asked about now.' }),
  judged: z
    .object({ agreed: z.number(), wrong: z.number(), flaky: z.number(), undecided: z.number() })
    .meta({ description: 'What checks came to since the coordinator started.' }),
  unchecked: z
    .array(z.object({ reason: z.string(), count: z.number() }))
    .readonly()
    .meta({ description: 'Results with tests that nobody was asked about, or in vain, by why.' }),
  workers: z
    .array(
      z.object({
        peerId: z.string(),
        agentId: z.string().optional(),
        agreed: z.number(),
        wrong: z.number(),
        sampledShare: z.number().meta({ description: 'Of its next results, how many are checked.' }),
        suspendedMs: z.number().optional().meta({ description: 'Since when it gets nothing new here.' }),
      }),
    )
    .readonly()
    .meta({ description: 'Over restarts; those that were wrong most first.' }),
})

export const EvidenceJson = z.object({
  worker: z.string(),
  suspended: z.boolean(),
  cases: z
    .array(
      z.object({
        task: z.string(),
        sinceMs: z.number(),
        checkDigest: z.string().meta({ description: 'SHA-256 of the payload that all of them ran.' }),
        votes: z
          .array(
            z.object({
              worker: z.string(),
              owner: z.string(),
              outcome: z.enum(['passed', 'failed', 'stopped']),
              receipt: z.string().meta({ description: 'The signed Envelope, in base64.' }),
            }),
          )
          .readonly()
          .meta({ description: 'The first is that of the result itself.' }),
      }),
    )
    .readonly(),
})
