import type { Offence } from '../../ports/network.js'

/**
 * What one offence counts. Four plain ones at once, or two that no honest peer makes, reach the threshold.
 */
const WEIGHTS: Record<Offence, number> = {
  'malformed-frame': 25,
  flood: 25,
  'wrong-network': 25,
  'protocol-violation': 25,
  // A policy change in flight makes honest peers commit it.
  'not-admitted': 10,
  'bad-signature': 50,
}
/** A little under four times 25: the first has faded a little when the fourth comes. */
const THRESHOLD = 95
const HALF_LIFE_MS = 10 * 60_000
const DENIED_MS = 15 * 60_000
/** Peers remembered; the one longest without an offence is forgotten first. */
const REMEMBERED = 4096

interface Score {
  points: number
  atMs: number
  deniedUntilMs: number
}

/** Offences of peers, forgotten by half every ten minutes. */
export interface PeerScores {
  /** @returns true when the peer has reached the threshold: it is denied for the next 15 minutes */
  penalise(peerId: string, offence: Offence): boolean
  denied(peerId: string): boolean
}

export function createPeerScores(clock: { monotonicMs(): number }): PeerScores {
  const scores = new Map<string, Score>()

  return {
    penalise(peerId, offence) {
      const nowMs = clock.monotonicMs()
      const before = scores.get(peerId) ?? { points: 0, atMs: nowMs, deniedUntilMs: 0 }
      const points = before.points * 0.5 ** ((nowMs - before.atMs) / HALF_LIFE_MS) + WEIGHTS[offence]
      const reached = points >= THRESHOLD
      const deniedUntilMs = reached ? nowMs + DENIED_MS : before.deniedUntilMs
      scores.delete(peerId)
      scores.set(peerId, { points, atMs: nowMs, deniedUntilMs })
      for (const oldest of scores.keys()) {
        if (scores.size <= REMEMBERED) break
        scores.delete(oldest)
      }
      return reached
    },
    denied: (peerId) => (scores.get(peerId)?.deniedUntilMs ?? 0) > clock.monotonicMs(),
  }
}
