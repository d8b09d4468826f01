import { z } from 'zod'
import { TERM_NAMES } from '../../core/terms/terms.js'

export const ClosedJson = z
  .array(
    z.object({
      closing: z.enum(['outside-hours', 'in-use', 'on-battery', 'too-hot']),
      detail: z.string(),
      untilMs: z.number().optional().meta({ description: 'When it ends, if that is known.' }),
      running: z
        .enum(['finish', 'hand-back'])
        .meta({ description: 'What becomes of attempts that run when it begins.' }),
    }),
  )
  .readonly()

export const TermsJson = z.object({
  closed: ClosedJson.meta({ description: 'Every reason why no work is taken now; none = it is.' }),
  terms: z
    .array(
      z.object({
        name: z.enum(TERM_NAMES),
        value: z.string(),
        from: z.enum(['here', 'settings']).meta({
          description: '`here` = changed while the node ran, which goes before its settings.',
        }),
      }),
    )
    .readonly(),
  notes: z
    .array(z.string())
    .readonly()
    .meta({ description: 'What the terms ask for that this machine cannot tell or do.' }),
})

export type TermsJson = z.output<typeof TermsJson>

export const TermsRequestJson = z.strictObject({
  changes: z
    .partialRecord(z.enum(TERM_NAMES), z.string().max(1_024).nullable())
    .meta({ description: 'New values by name; null = as the settings have it.' }),
})
