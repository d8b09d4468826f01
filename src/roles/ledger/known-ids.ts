/** Bits of the filter: at a million keys one in seventy is asked for in vain, at four millions one in six. */
const BITS = 2 ** 24
/** What spreads one hash over both places of a key. */
const MULTIPLIERS = [0x9e3779b1, 0x85ebca6b] as const

/**
 * Which keys may be in a table: a Bloom filter of 2 MiB. Each entry asks whether its id is new, which it
 * nearly always is; the store would take longer to say so than the rules take for the rest.
 */
export class KnownIds {
  readonly #bits = new Uint32Array(BITS / 32)

  add(key: string): void {
    const hash = hashOf(key)
    for (const multiplier of MULTIPLIERS) {
      const bit = placeOf(hash, multiplier)
      this.#bits[bit >>> 5] = (this.#bits[bit >>> 5] ?? 0) | (1 << (bit & 31))
    }
  }

  /** @returns false = it was never added; true = it may have been */
  has(key: string): boolean {
    const hash = hashOf(key)
    for (const multiplier of MULTIPLIERS) {
      const bit = placeOf(hash, multiplier)
      if (((this.#bits[bit >>> 5] ?? 0) & (1 << (bit & 31))) === 0) return false
    }
    return true
  }
}

/** FNV-1a. Two keys in 2^32 have the same one, and then both places; that is rarer than what the bits mistake. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  return hash
}

function placeOf(hash: number, multiplier: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 16), multiplier)
  // The upper bits have seen all others.
  return (mixed ^ (mixed >>> 15)) >>> 8
}
