import { type Refusal, refusal } from '../../core/refusal.js'
import { parseCheckpoint } from '../../wire/checkpoint.js'
import type { RangePiece } from '../../wire/generated/edgecoder/ledger/v1/replication_pb.js'
import { parseNote } from '../../wire/note.js'
import { RANGE_BYTES, RANGE_ENTRIES } from './constants.js'

/** Entries that follow one another, as another coordinator sent them; nothing is checked yet. */
export interface Range {
  readonly from: number
  readonly entries: readonly Uint8Array[]
  /** The note says that it is of the log and ends where the entries do. */
  readonly checkpoint: Uint8Array
  readonly size: number
  /** Inclusion path of the first entry. */
  readonly path: readonly Uint8Array[]
}

/** Puts the pieces of one range together, within bounds. */
export class RangeIntake {
  readonly #origin: string
  readonly #from: number
  readonly #entries: Uint8Array[] = []
  #bytes = 0
  #first:
    | { readonly checkpoint: Uint8Array; readonly size: number; readonly path: readonly Uint8Array[] }
    | undefined

  constructor(origin: string, from: number) {
    this.#origin = origin
    this.#from = from
  }

  /** Entries of the log up to the end of this range, once its first piece is here. */
  get size(): number | undefined {
    return this.#first?.size
  }

  /** @returns the range when it is complete; a refusal when the sender broke the protocol */
  take({ checkpoint, path, entries }: RangePiece): Range | 'more' | Refusal {
    const first = this.#first ?? this.#begin(checkpoint, path)
    if ('refused' in first) return first
    this.#first = first
    for (const entry of entries) {
      this.#entries.push(entry)
      this.#bytes += entry.length
    }
    if (this.#bytes > RANGE_BYTES) return refusal('frame-too-large', `a range of over ${RANGE_BYTES} bytes`)
    const end = this.#from + this.#entries.length
    if (end < first.size) return 'more'
    if (end > first.size) return refusal('protocol-violation', 'more entries than the checkpoint covers')
    return { from: this.#from, entries: this.#entries, ...first }
  }

  #begin(checkpoint: Uint8Array, path: readonly Uint8Array[]) {
    const note = parseNote(checkpoint)
    if ('refused' in note) return note
    const parsed = parseCheckpoint(note.text)
    if ('refused' in parsed) return parsed
    const { origin, size } = parsed
    if (origin !== this.#origin || size <= this.#from || size - this.#from > RANGE_ENTRIES) {
      const asked = `${this.#origin} from ${this.#from}`
      return refusal('protocol-violation', `a range of ${origin} up to ${size} was sent for ${asked}`)
    }
    return { checkpoint, size, path }
  }
}
