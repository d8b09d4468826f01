import { z } from 'zod'

/** What independent workers said of results, as `coordinator quality` shows it. */
export const ChecksJson = z.object({
  open: z.number().meta({ description: 'Results that others are asked about now.' }),
  answers: z
    .object({ known: z.number(), firm: z.number() })
    .meta({ description: 'Tests that workers can be tried on, as others agreed on their outcome.' }),
  probes: z.number().meta({ description: 'Workers that were tried on such tests, of what was judged.' }),
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
      }),
    )
    .readonly()
    .meta({ description: 'Over restarts; those that were wrong most first.' }),
})
