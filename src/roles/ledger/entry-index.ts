import { randomBytes } from 'node:crypto'
import { invariant } from '../../core/invariant.js'

/** Hexadecimal digits of an id, and the words of 32 bits that they come to. */
const ID_DIGITS = 32
const WORD_DIGITS = 8
const WORDS = 4
const FIRST_SLOTS = 2 ** 12
const CHUNK = 2 ** 14

/** Keys of one part of the index, in the order in which they came. */
interface Chunk {
  readonly ids: Int32Array
  readonly kinds: Uint8Array
  /** Numbers up to 2^53. */
  readonly indexes: Float64Array
}

/**
 * Where each entry of a log stands, by its key `kind/id`: about 40 bytes each and nothing for the garbage
 * collector to look at, where a map of texts would take three times that and be looked at all the time.
 */
export class EntryIndex {
  readonly #kinds = new Map<string, number>()
  readonly #chunks: Chunk[] = []
  /** Number of a key, from 1; 0 = free. */
  #slots = new Int32Array(FIRST_SLOTS)
  #size = 0
  /** Ids can be chosen; which of them meet cannot. */
  readonly #seed = new Int32Array(new Uint8Array(randomBytes(4)).buffer)[0] ?? 0
  /** The key that is looked for. */
  readonly #words = new Int32Array(WORDS)

  get size(): number {
    return this.#size
  }

  /** @returns undefined = it was never set, as no key of another form was */
  get(key: string): number | undefined {
    const kind = this.#kinds.get(key.slice(0, -ID_DIGITS))
    if (kind === undefined || !this.#read(key)) return undefined
    const number = this.#slots[this.#slotOf(kind)] as number
    return number === 0 ? undefined : this.#indexOf(number - 1)
  }

  set(key: string, index: number): void {
    invariant(this.#read(key), 'an entry is known by its kind and its id')
    const kind = this.#kindOf(key.slice(0, -ID_DIGITS))
    const slot = this.#slotOf(kind)
    const number = this.#slots[slot] as number
    const at = number === 0 ? this.#size++ : number - 1
    if (at === this.#chunks.length * CHUNK) this.#chunks.push(newChunk())
    const chunk = this.#chunks[Math.floor(at / CHUNK)] as Chunk
    chunk.ids.set(this.#words, (at % CHUNK) * WORDS)
    chunk.kinds[at % CHUNK] = kind
    chunk.indexes[at % CHUNK] = index
    this.#slots[slot] = at + 1
    if (2 * this.#size > this.#slots.length) this.#widen()
  }

  #kindOf(kind: string): number {
    const known = this.#kinds.get(kind)
    if (known !== undefined) return known
    this.#kinds.set(kind, this.#kinds.size)
    return this.#kinds.size - 1
  }

  /** @returns false = it does not end in an id */
  #read(key: string): boolean {
    const from = key.length - ID_DIGITS
    if (from < 0) return false
    for (let word = 0; word < WORDS; word++) {
      let bits = 0
      for (let digit = 0; digit < WORD_DIGITS; digit++) {
        const code = key.charCodeAt(from + word * WORD_DIGITS + digit)
        // Lower-case hexadecimal, as `hexOf` writes it.
        const value = code > 57 ? code - 87 : code - 48
        if (value < 0 || value > 15 || (code > 57 && value < 10)) return false
        bits = (bits << 4) | value
      }
      this.#words[word] = bits
    }
    return true
  }

  /** The slot that has the key of {@link EntryIndex.#words}, or the free one where it would stand. */
  #slotOf(kind: number): number {
    const mask = this.#slots.length - 1
    let slot = this.#hash(this.#words, 0, kind) & mask
    for (;;) {
      const number = this.#slots[slot] as number
      if (number === 0 || this.#stands(number - 1, kind)) return slot
      slot = (slot + 1) & mask
    }
  }

  #stands(at: number, kind: number): boolean {
    const chunk = this.#chunks[Math.floor(at / CHUNK)]
    if (chunk === undefined || chunk.kinds[at % CHUNK] !== kind) return false
    const from = (at % CHUNK) * WORDS
    for (let word = 0; word < WORDS; word++) {
      if (chunk.ids[from + word] !== this.#words[word]) return false
    }
    return true
  }

  #indexOf(at: number): number | undefined {
    return this.#chunks[Math.floor(at / CHUNK)]?.indexes[at % CHUNK]
  }

  #hash(words: Int32Array, from: number, kind: number): number {
    let hash = this.#seed ^ kind
    for (let word = 0; word < WORDS; word++) {
      hash = Math.imul(hash ^ (words[from + word] as number), 0x85ebca6b)
      hash ^= hash >>> 15
    }
    return Math.imul(hash, 0x9e3779b1) >>> 8
  }

  #widen(): void {
    this.#slots = new Int32Array(2 * this.#slots.length)
    const mask = this.#slots.length - 1
    for (let at = 0; at < this.#size; at++) {
      const chunk = this.#chunks[Math.floor(at / CHUNK)] as Chunk
      let slot = this.#hash(chunk.ids, (at % CHUNK) * WORDS, chunk.kinds[at % CHUNK] as number) & mask
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
      this.#slots[slot] = at + 1
    }
  }
}

function newChunk(): Chunk {
  return {
    ids: new Int32Array(CHUNK * WORDS),
    kinds: new Uint8Array(CHUNK),
    indexes: new Float64Array(CHUNK),
  }
}
