import { type Refusal, refusal } from '../core/refusal.js'

export interface BodyLimits {
  readonly perKey: number
  readonly total: number
}

/** Bytes of bodies that are being read, by key and in all: a client may stop in the middle of each of many. */
export class BodyBudget {
  readonly #limits: BodyLimits
  readonly #byKey = new Map<string, number>()
  #total = 0

  constructor(limits: BodyLimits) {
    this.#limits = limits
  }

  open(keyId: string): BodyShare {
    return new BodyShare((bytes) => this.#take(keyId, bytes))
  }

  /** @param bytes negative to give them back, which is never refused */
  #take(keyId: string, bytes: number): Refusal | undefined {
    const held = (this.#byKey.get(keyId) ?? 0) + bytes
    if (bytes > 0 && (held > this.#limits.perKey || this.#total + bytes > this.#limits.total)) {
      return refusal('rate-limited', 'too many large requests are being sent at once', {
        next: 'Send them one after the other.',
        retryAfterMs: 1_000,
      })
    }
    this.#total += bytes
    if (held === 0) this.#byKey.delete(keyId)
    else this.#byKey.set(keyId, held)
    return undefined
  }
}

/** What one body holds of the budget. */
export class BodyShare {
  readonly #take: (bytes: number) => Refusal | undefined
  #held = 0

  constructor(take: (bytes: number) => Refusal | undefined) {
    this.#take = take
  }

  /** Refuses `rate-limited`. */
  grow(bytes: number): Refusal | undefined {
    const no = this.#take(bytes)
    if (no === undefined) this.#held += bytes
    return no
  }

  /** Gives all back. */
  end(): void {
    this.#take(-this.#held)
    this.#held = 0
  }
}
