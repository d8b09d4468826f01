/**
 * quiet = beats are missing; unknown = so many that nothing new is given to it; lost = its leases are taken
 * back.
 */
export type Liveness = 'live' | 'quiet' | 'unknown' | 'lost'

/** How much silence means what. */
export interface SilenceBounds {
  /** How often a worker shows a sign of life. */
  readonly heartbeatMs: number
  /** Silence after which a worker is quiet. */
  readonly quietMs: number
  readonly unknownMs: number
  /** Silence on an open link after which it is lost. */
  readonly lostMs: number
}

/** Of workers that run leases; `idle` of those that run none. */
export interface LivenessBounds extends SilenceBounds {
  /** How long a closed link may stay closed: a reconnect takes less, and re-assignment must be within 2 s. */
  readonly closedGraceMs: number
  readonly idle: SilenceBounds
}

export const DEFAULT_LIVENESS: LivenessBounds = {
  heartbeatMs: 2_000,
  // Two missed beats, and four.
  quietMs: 4_000,
  unknownMs: 8_000,
  // With the sweep and a lease, re-assigned in 15 s.
  lostMs: 12_000,
  closedGraceMs: 1_500,
  // Nothing waits for who is idle, and there are many of them. They must still be seen to be quiet before a
  // worker that was heard a heartbeat before the same cut is lost (at 10 s): only together are they a storm.
  idle: { heartbeatMs: 5_000, quietMs: 8_000, unknownMs: 11_000, lostMs: 15_000 },
}

/** What is known of a worker's link; times of a clock that never goes back. */
export interface Contact {
  readonly lastHeardMs: number
  /** Set while its link is closed. */
  readonly closedMs?: number | undefined
  /** Set while it runs leases: since when. From then on it is to be heard of more often. */
  readonly leasedMs?: number | undefined
}

/** What its silence is judged by now. */
export function boundsOf({ leasedMs }: Contact, bounds: LivenessBounds): SilenceBounds {
  return leasedMs === undefined ? bounds.idle : bounds
}

/** From when on nothing was heard that should have been. */
export function silentSinceMs({ lastHeardMs, leasedMs }: Contact): number {
  return leasedMs === undefined ? lastHeardMs : Math.max(lastHeardMs, leasedMs)
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
  const { quietMs, unknownMs, lostMs } = boundsOf(contact, bounds)
  const silentMs = nowMs - silentSinceMs(contact)
  const closedMs = contact.closedMs === undefined ? 0 : nowMs - contact.closedMs
  const away = contact.closedMs !== undefined
  if (silentMs >= lostMs || (away && closedMs >= bounds.closedGraceMs))
    return nowMs >= notLostBeforeMs ? 'lost' : 'unknown'
  if (silentMs >= unknownMs) return 'unknown'
  return away || silentMs >= quietMs ? 'quiet' : 'live'
}
