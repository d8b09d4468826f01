import { z } from 'zod'
import { ProblemJson } from './problem.js'

/** Base64 of 32 KiB: the largest message. */
const MESSAGE_CHARACTERS = 43_692

const place = z.number().int().meta({ description: 'Place of a message in the chain, from 0.' })

/** A message in its envelope. */
export const policyMessage = z.base64().min(1).max(MESSAGE_CHARACTERS)

export const PolicyStatusJson = z.object({
  network: z.string(),
  newest: z
    .object({
      name: z.string(),
      sequence: place,
      kind: z.string(),
      digest: z.string(),
      issuedMs: z.number(),
      ageMs: z.number(),
      expiresMs: z.number(),
    })
    .optional()
    .meta({ description: 'Absent = there is no policy yet.' }),
  why: ProblemJson.optional().meta({ description: 'Why it is not to be relied on; absent = it is.' }),
  peers: z
    .array(
      z.object({
        peerId: z.string(),
        messages: z.number(),
        behind: z.number().meta({ description: 'Messages that are here and not there.' }),
      }),
    )
    .readonly()
    .meta({ description: 'Peers with a policy stream, and how far they are by their own word.' }),
})

export const PolicyMessagesJson = z.object({
  total: z.number(),
  messages: z.array(policyMessage).readonly(),
})

export const PublishedJson = z.object({
  sequence: place,
  digest: z.string(),
  added: z.boolean().meta({ description: 'False = it was here already, and was told to all again.' }),
})

export const IncidentJson = z.object({
  paths: z
    .array(z.object({ path: z.string(), closed: z.boolean(), means: z.string() }))
    .readonly()
    .meta({ description: 'All that an incident can close, and what does not happen while it is closed.' }),
  said: z
    .object({
      sequence: place,
      reason: z.string(),
      sinceMs: z.number().meta({ description: 'When the message was issued.' }),
      by: z.array(z.string()).readonly().meta({ description: 'Keys that signed it.' }),
      override: z.string().optional().meta({ description: 'Why it was reopened without a clean reconcile.' }),
    })
    .optional()
    .meta({ description: 'The newest message about it; absent = there never was one.' }),
})

export type IncidentJson = z.output<typeof IncidentJson>
