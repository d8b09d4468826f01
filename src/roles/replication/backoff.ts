import type { Clock } from '../../ports/clock.js'
import type { Random } from '../../ports/random.js'
import { LEAST_BACKOFF_MS, MOST_BACKOFF_MS } from './constants.js'

/** How long to leave somebody alone who failed: longer with each time, and never in step with others. */
export class Backoff {
  readonly #components: { readonly clock: Clock; readonly random: Random }
  readonly #mostMs: number
  #failures = 0
  /** Monotonic; in the past = now. */
  untilMs = 0

  constructor(
    components: { readonly clock: Clock; readonly random: Random },
    mostMs: number = MOST_BACKOFF_MS,
  ) {
    this.#components = components
    this.#mostMs = mostMs
  }

  /** @returns how long to wait */
  failed(): number {
    const { clock, random } = this.#components
    const mostMs = Math.min(this.#mostMs, LEAST_BACKOFF_MS * 2 ** Math.min(this.#failures++, 16))
    const waitMs = mostMs * (0.5 + random.fraction() / 2)
    this.untilMs = clock.monotonicMs() + waitMs
    return waitMs
  }

  succeeded(): void {
    this.#failures = 0
    this.untilMs = 0
  }
}
