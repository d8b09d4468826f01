/** Bits of the filter: at a million keys one in seventy is asked for in vain, at four millions one in six. */
const BITS = 2 ** 24
const MULTIPLIERS = [0x01000193, 0x85ebca6b] as const

/**
 * Which keys may be in a table: a Bloom filter of 2 MiB. Each entry asks whether its id is new, which it
 * nearly always is; the store would take longer to say so than the rules take for the rest.
 */
export class KnownIds {
  readonly #bits = new Uint32Array(BITS / 32)

  add(key: string): void {
    for (const multiplier of MULTIPLIERS) {
      const bit = placeOf(key, multiplier)
      this.#bits[bit >>> 5] = (this.#bits[bit >>> 5] ?? 0) | (1 << (bit & 31))
    }
  }

  /** @returns false = it was never added; true = it may have been */
  has(key: string): boolean {
    for (const multiplier of MULTIPLIERS) {
      const bit = placeOf(key, multiplier)
      if (((this.#bits[bit >>> 5] ?? 0) & (1 << (bit & 31))) === 0) return false
    }
    return true
  }
}

function placeOf(key: string, multiplier: number): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), multiplier)
  // The upper bits have seen all characters.
  return (hash ^ (hash >>> 15)) >>> 8
}
