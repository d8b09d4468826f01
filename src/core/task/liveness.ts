/** quiet = beats are missing; unknown = so many that nothing new is given to it; lost = its leases are taken back. */
export type Liveness = 'live' | 'quiet' | 'unknown' | 'lost'

export interface LivenessBounds {
  readonly heartbeatMs: number
  /** Silence after which a worker is quiet: two missed beats. */
  readonly quietMs: number
  /** Four missed beats. */
  readonly unknownMs: number
  /** Silence on an open link after which it is lost. With the sweep and a lease, re-assigned in 15 s. */
  readonly lostMs: number
  /** How long a closed link may stay closed: a reconnect takes less, and re-assignment must be within 2 s. */
  readonly closedGraceMs: number
}

export const DEFAULT_LIVENESS: LivenessBounds = {
  heartbeatMs: 2_000,
  quietMs: 4_000,
  unknownMs: 8_000,
  lostMs: 12_000,
  closedGraceMs: 1_500,
}

/** What is known of a worker's link; times of a clock that never goes back. */
export interface Contact {
  readonly lastHeardMs: number
  /** Set while its link is closed. */
  readonly closedMs?: number
}

/** @returns the state now, and when it changes next if nothing more is heard (undefined = never: lost) */
export function judgeLiveness(
  contact: Contact,
  bounds: LivenessBounds,
  nowMs: number,
): { readonly liveness: Liveness; readonly nextMs?: number } {
  const silentAtMs = contact.lastHeardMs + bounds.lostMs
  const lostAtMs =
    contact.closedMs === undefined
      ? silentAtMs
      : Math.min(silentAtMs, contact.closedMs + bounds.closedGraceMs)
  if (nowMs >= lostAtMs) return { liveness: 'lost' }
  const unknownAtMs = contact.lastHeardMs + bounds.unknownMs
  if (nowMs >= unknownAtMs) return { liveness: 'unknown', nextMs: lostAtMs }
  const quietAtMs = contact.closedMs ?? contact.lastHeardMs + bounds.quietMs
  if (nowMs >= quietAtMs) return { liveness: 'quiet', nextMs: Math.min(unknownAtMs, lostAtMs) }
  return { liveness: 'live', nextMs: Math.min(quietAtMs, lostAtMs) }
}
