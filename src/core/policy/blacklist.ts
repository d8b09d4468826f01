import { type Refusal, refusal } from '../refusal.js'
import type { BlacklistEntry } from './policy-records.js'

/** Whom policy keeps out at a moment, for whatever they want. */
export interface Blacklist {
  /** @returns why; undefined = neither the peer nor its key nor its owner's account is on it */
  peer(peerId: string): Refusal | undefined
  account(account: string): Refusal | undefined
}

/** Does an entry stand at a moment? It ends by itself, on every node at the same time. */
export function stands(entry: BlacklistEntry | undefined, nowMs: number): entry is BlacklistEntry {
  return entry !== undefined && (entry.expiresMs === 0 || entry.expiresMs > nowMs)
}

/** What who is on the blacklist is told. @param subject as in the entry, such as `account:ann` */
export function blacklisted(subject: string, { reason, expiresMs, sequence }: BlacklistEntry): Refusal {
  const until = expiresMs === 0 ? '' : ` until ${new Date(expiresMs).toISOString()}`
  return refusal('blacklisted', `${subject} is on the blacklist${until}, for ${reason}`, {
    next: `Ask who runs the network about policy message ${sequence}, which names the evidence.`,
  })
}
