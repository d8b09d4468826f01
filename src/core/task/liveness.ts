/**
 * quiet = beats are missing; unknown = so many that nothing new is given to it; lost = its leases are taken
 * back.
 */
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

/**
 * How alive a worker is.
 *
 * @param notLostBeforeMs it is excused until then, because the silence may be ours
 */
export function judgeLiveness(
  contact: Contact,
  bounds: LivenessBounds,
  nowMs: number,
  notLostBeforeMs = Number.NEGATIVE_INFINITY,
): Liveness {
  const silentMs = nowMs - contact.lastHeardMs
  const closedMs = contact.closedMs === undefined ? 0 : nowMs - contact.closedMs
  const away = contact.closedMs !== undefined
  if (silentMs >= bounds.lostMs || (away && closedMs >= bounds.closedGraceMs))
    return nowMs >= notLostBeforeMs ? 'lost' : 'unknown'
  if (silentMs >= bounds.unknownMs) return 'unknown'
  return away || silentMs >= bounds.quietMs ? 'quiet' : 'live'
}
