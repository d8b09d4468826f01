import { z } from 'zod'
import { accountName } from './parameters.js'

/** What a key may do; `admin` includes the others. */
export const SCOPES = [
  'tasks:read',
  'tasks:write',
  'models:read',
  'wallet:read',
  'wallet:write',
  'admin',
] as const

export type Scope = (typeof SCOPES)[number]

const keyName = z.string().min(1).max(64)

/** A key without its secret. */
export const KeyJson = z
  .object({
    id: z.string(),
    name: z.string(),
    account: z.string(),
    scopes: z.array(z.enum(SCOPES)).readonly(),
    createdMs: z.number(),
    lastUsedMs: z.number().optional().meta({ description: 'Kept to the minute.' }),
    expiresMs: z.number().optional(),
    revokedMs: z.number().optional(),
  })
  .meta({ id: 'ApiKey' })

export type KeyJson = z.output<typeof KeyJson>

export const KeyListJson = z.object({ keys: z.array(KeyJson).readonly() })

/** The one time the secret is shown. */
export const CreatedKeyJson = z.object({ key: KeyJson, secret: z.string() }).meta({ id: 'CreatedApiKey' })

export type CreatedKeyJson = z.output<typeof CreatedKeyJson>

export const KeyRequestJson = z
  .strictObject({
    name: keyName,
    account: accountName.default('local'),
    scopes: z
      .array(z.enum(SCOPES))
      .min(1)
      .max(SCOPES.length)
      .default(['tasks:read', 'tasks:write', 'models:read', 'wallet:read']),
    expiresMs: z
      .number()
      .int()
      .min(1)
      .optional()
      .meta({ description: 'Wall clock after which it no longer works; absent = never.' }),
  })
  .meta({ id: 'ApiKeyRequest' })
