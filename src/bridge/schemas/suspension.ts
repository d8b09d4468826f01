import { z } from 'zod'

export const suspendedWorker = z.string().regex(/^[A-Za-z0-9]{1,64}$/)

export const SuspensionsJson = z.object({
  suspensions: z
    .array(
      z.object({
        worker: z.string(),
        reason: z.enum(['bad-signature', 'forged-results']),
        detail: z.string(),
        sinceMs: z.number(),
        untilMs: z.number(),
        state: z
          .enum(['stands', 'over', 'ended'])
          .meta({ description: 'ended = by the owner of the coordinator; over = its time is.' }),
        evidence: z.string().meta({ description: 'SHA-256 of the evidence file.' }),
      }),
    )
    .readonly(),
})

export const SuspensionEvidenceJson = z.object({ evidence: z.base64() })
