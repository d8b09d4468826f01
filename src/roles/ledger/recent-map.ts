/**
 * A map that keeps what was asked for lately: two generations, of which the older is dropped whole when the
 * younger is full. Costs one or two look-ups, where an exact order of use would cost a list.
 */
export class RecentMap<K, V> {
  readonly #most: number
  #young = new Map<K, V>()
  #old = new Map<K, V>()

  /** @param most entries in one generation, so at most twice as many in all */
  constructor(most: number) {
    this.#most = most
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  set(key: K, value: V): void {
    if (this.#young.size >= this.#most && !this.#young.has(key)) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, value)
  }

  /** All that is kept; asking for it counts as no use. */
  *entries(): Iterable<readonly [K, V]> {
    yield* this.#young
    for (const [key, value] of this.#old) if (!this.#young.has(key)) yield [key, value]
  }

  delete(key: K): void {
    this.#young.delete(key)
    this.#old.delete(key)
  }
}
