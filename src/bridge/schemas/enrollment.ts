import { z } from 'zod'
import { accountName } from './parameters.js'

const agentName = accountName.meta({
  description: 'What its owner calls a node: 1 to 64 of A-Z a-z 0-9 . _ -',
})
const HOUR_MS = 3_600_000

// What a coordinator says of strangers is shown to an admin on a terminal: names and ids, and nothing else.
const peerId = z.string().regex(/^[A-Za-z0-9]{1,64}$/, 'a peer id')
/** A moment that a date can say. */
const moment = z.number().min(0).max(8_640_000_000_000_000)
const printable = z.string().regex(/^[\x20-\x7e]{0,64}$/, 'up to 64 printable characters')

export const PeerParams = z.strictObject({ peer: peerId })
export const TokenParams = z.strictObject({ id: z.string().regex(/^[0-9a-f]{16}$/, '16 hexadecimal digits') })

const enrolledRole = z.enum(['worker', 'coordinator', 'gateway'])

export const TokenOrderJson = z.strictObject({
  agent: agentName,
  account: accountName,
  role: enrolledRole.default('worker').meta({ description: 'What the node is to be.' }),
  use: z.enum(['enrol', 'rotate']).default('enrol').meta({
    description: 'rotate = a node that is admitted has to present it before it expires.',
  }),
  ttlMs: z
    .number()
    .int()
    .min(1)
    .max(Number.MAX_SAFE_INTEGER)
    .default(24 * HOUR_MS),
  by: printable.default('').meta({ description: 'Who wants it, by their own word.' }),
})

export const TokenJson = z.object({
  id: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .meta({ description: 'The first 16 digits of the hash of its secret.' }),
  agent: agentName,
  account: accountName,
  role: enrolledRole,
  use: z.enum(['enrol', 'rotate']),
  createdMs: moment,
  expiresMs: moment,
  by: printable,
  state: z.enum(['open', 'spent', 'denied', 'revoked', 'expired']),
  peer: peerId.optional().meta({ description: 'Who spent it.' }),
})

export const IssuedTokenJson = z.object({
  text: z.string().meta({ description: 'The token; shown this once, and kept nowhere.' }),
  token: TokenJson,
})

export const TokensJson = z.object({ tokens: z.array(TokenJson).readonly() })

export const RequestJson = z.object({
  peer: peerId,
  agent: agentName,
  account: accountName,
  role: enrolledRole,
  sinceMs: moment,
})

export const RequestsJson = z.object({
  coordinator: peerId.meta({ description: 'Peer id of who says so.' }),
  requests: z
    .array(
      RequestJson.extend({
        by: printable.meta({ description: 'Who had its token made, by their own word.' }),
        replaces: z.array(peerId).readonly().meta({
          description: 'Peers that the policy has as the same agent: this one would take their place.',
        }),
      }),
    )
    .readonly(),
  overdue: z
    .array(
      z.object({
        agent: agentName,
        account: accountName,
        role: enrolledRole,
        peers: z.array(peerId).readonly(),
        dueMs: moment.meta({ description: 'Until when its new token was to be presented.' }),
      }),
    )
    .readonly()
    .meta({ description: 'Rotations that are overdue.' }),
})

export const DenialJson = z.strictObject({
  reason: z.string().regex(/^[^\p{Cc}\p{Cf}]{1,200}$/u, '1 to 200 characters of text'),
})
