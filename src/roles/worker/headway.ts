import type { Clock } from '../../ports/clock.js'

export type Stage = 'starting' | 'prompt' | 'generating' | 'testing' | 'delivering'

/**
 * Shows that an attempt gets on: a counter that grows with tokens, sandbox output and delivered bytes. A wait
 * that is bounded by itself (a model before its first token, a quiet test run) counts as headway until its
 * bound.
 */
export class Headway {
  readonly #clock: Clock
  readonly #moved: () => void
  #work = 0
  #tokens = 0
  #stage: Stage = 'starting'
  #patientUntilMs = 0

  /** @param moved called when the stage changes */
  constructor(clock: Clock, moved: () => void) {
    this.#clock = clock
    this.#moved = moved
  }

  get stage(): Stage {
    return this.#stage
  }

  get tokens(): number {
    return this.#tokens
  }

  /** @param patienceMs how long the stage may go on without other signs */
  enter(stage: Stage, patienceMs = 0): void {
    this.#patientUntilMs = this.#clock.monotonicMs() + patienceMs
    if (stage === this.#stage) return
    this.#stage = stage
    this.#work++
    this.#moved()
  }

  add(work: number): void {
    this.#work += work
  }

  addTokens(tokens: number): void {
    this.#tokens += tokens
    this.#work += tokens
  }

  /** @returns the counter, as it is to be told now */
  reading(): bigint {
    if (this.#clock.monotonicMs() < this.#patientUntilMs) this.#work++
    return BigInt(this.#work)
  }
}
