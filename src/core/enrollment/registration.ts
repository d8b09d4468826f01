import { type Refusal, refusal } from '../refusal.js'

/** What a node may be enrolled as by a token. */
export type EnrolledRole = 'worker' | 'coordinator' | 'gateway'

/** Lets one node ask to be enrolled, once. Its secret is known to its holder alone. */
export interface RegistrationRecord {
  /** SHA-256 of the secret: 64 hexadecimal digits. */
  readonly hash: string
  /** The owner's name for the node, and the account that it will earn for. */
  readonly agent: string
  readonly account: string
  readonly role: EnrolledRole
  /** `rotate`: an enrolled node has to present it before it expires. */
  readonly use: 'enrol' | 'rotate'
  readonly createdMs: number
  readonly expiresMs: number
  /** Who had it made, by their own word. */
  readonly by: string
  readonly spent?: { readonly peer: string; readonly atMs: number }
  readonly revokedMs?: number
  /** What it asked for was denied; it stays spent. */
  readonly denied?: { readonly reason: string; readonly atMs: number }
}

/** A node that showed a token and waits for an admin. */
export interface EnrollmentRequest {
  readonly peer: string
  readonly agent: string
  readonly account: string
  readonly role: EnrolledRole
  /** Hash of the token that it spent. */
  readonly token: string
  readonly sinceMs: number
}

/** A token as a peer shows it. */
export interface Presented {
  /** Proven by the noise handshake. */
  readonly peer: string
  /** What the peer calls itself. */
  readonly agent: string
  /** What it wants to be. */
  readonly role: EnrolledRole
  readonly nowMs: number
  /** The peer is enrolled and admitted as this very node already: nobody has to approve anything. */
  readonly isMember: boolean
}

/**
 * What becomes of a token that is shown. `spend` must be durable before anybody hears of it; `known` = it was
 * spent by this very peer before.
 */
export type Presentation =
  | { readonly outcome: 'known' }
  | {
      readonly outcome: 'spend'
      readonly record: RegistrationRecord
      /** Left out for a member. */
      readonly request?: EnrollmentRequest
    }

/**
 * The one decision about a token that is shown: it binds one peer, for ever.
 *
 * @param record undefined = there is none of this secret
 */
export function present(record: RegistrationRecord | undefined, shown: Presented): Presentation | Refusal {
  if (record === undefined) return refused('this coordinator made no such registration token, or forgot it')
  const { peer, agent, role, nowMs, isMember } = shown
  if (record.agent !== agent) {
    return refused(`the registration token is for agent ${record.agent}, and this one is ${agent}`, {
      next: `Start the node with AGENT_ID=${record.agent}, or get a token for ${agent}.`,
    })
  }
  if (record.role !== role) {
    return refused(`the registration token is for a ${record.role}, and this node is a ${role}`, {
      next: `Start it with EDGE_RUNTIME_MODE=${record.role}, or get a token for a ${role}.`,
    })
  }
  const { spent, denied } = record
  if (spent !== undefined && spent.peer !== peer) {
    return refused(`the registration token was spent ${at(spent.atMs)} by another key`)
  }
  if (denied !== undefined) return refused(`denied ${at(denied.atMs)}: ${denied.reason}`)
  if (spent !== undefined) return { outcome: 'known' }
  if (record.revokedMs !== undefined)
    return refused(`the registration token was revoked ${at(record.revokedMs)}`)
  if (record.expiresMs <= nowMs) return refused(`the registration token expired ${at(record.expiresMs)}`)
  const spending = { outcome: 'spend', record: { ...record, spent: { peer, atMs: nowMs } } } as const
  if (isMember) return spending
  const { account, hash } = record
  return { ...spending, request: { peer, agent, account, role, token: hash, sinceMs: nowMs } }
}

export type RegistrationState = 'open' | 'spent' | 'denied' | 'revoked' | 'expired'

export function registrationState(record: RegistrationRecord, nowMs: number): RegistrationState {
  if (record.denied !== undefined) return 'denied'
  if (record.spent !== undefined) return 'spent'
  if (record.revokedMs !== undefined) return 'revoked'
  return record.expiresMs <= nowMs ? 'expired' : 'open'
}

function refused(detail: string, more: { readonly next: string } = ANOTHER): Refusal {
  return refusal('registration-refused', detail, more)
}

const ANOTHER = { next: 'Ask who runs the network for another: edgecoder node enroll <agent-id>.' }

function at(ms: number): string {
  return new Date(ms).toISOString()
}
