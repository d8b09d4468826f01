import { type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import { MINUTE_MS, WRONG_A_MINUTE, WRONG_PEERS } from './constants.js'

interface Tries {
  count: number
  readonly sinceMs: number
}

/** How often each peer showed a token in vain of late. */
export class WrongTokens {
  readonly #clock: Clock
  readonly #tries = new Map<string, Tries>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  note(peer: string): void {
    const tries = this.#of(peer) ?? { count: 0, sinceMs: this.#clock.monotonicMs() }
    tries.count++
    this.#tries.delete(peer)
    this.#tries.set(peer, tries)
    const [oldest] = this.#tries.keys()
    if (this.#tries.size > WRONG_PEERS && oldest !== undefined) this.#tries.delete(oldest)
  }

  /** @returns undefined = it may show one */
  refusalFor(peer: string): Refusal | undefined {
    if ((this.#of(peer)?.count ?? 0) < WRONG_A_MINUTE) return undefined
    return refusal('rate-limited', 'too many registration tokens that are not good', {
      next: 'Get a new one; this peer is heard again in a minute.',
      retryAfterMs: MINUTE_MS,
    })
  }

  #of(peer: string): Tries | undefined {
    const tries = this.#tries.get(peer)
    return tries !== undefined && this.#clock.monotonicMs() - tries.sinceMs < MINUTE_MS ? tries : undefined
  }
}
