import { EdgeCoderError } from '../../core/errors.js'
import type { Store } from '../../ports/store.js'
import { openCheckpoint, type SignedCheckpoint } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import type { NoteKey } from '../../wire/note-key.js'

/** One checkpoint note of each log, on the disk and in memory: what was cosigned last, or what is final. */
export class NoteBook {
  readonly #store: Store
  readonly #prefix: string
  readonly #held = new Map<string, { readonly note: Uint8Array; readonly checkpoint: SignedCheckpoint }>()

  /** @param prefix of its keys, such as `ledger|w` */
  constructor(store: Store, prefix: string) {
    this.#store = store
    this.#prefix = prefix
  }

  /** Reads what is on the disk of a log. @throws EdgeCoderError `store-corrupt` */
  async load(key: NoteKey, witnesses: readonly NoteKey[]): Promise<void> {
    const note = await this.#store.get(this.#key(key.name))
    if (note === undefined) return
    const checkpoint = await openCheckpoint(note, key, witnesses)
    if (isMalformed(checkpoint)) {
      throw new EdgeCoderError(
        'store-corrupt',
        `A kept checkpoint of ${key.name} is damaged: ${checkpoint.detail}`,
      )
    }
    this.#held.set(key.name, { note, checkpoint })
  }

  get(origin: string): { readonly note: Uint8Array; readonly checkpoint: SignedCheckpoint } | undefined {
    return this.#held.get(origin)
  }

  size(origin: string): number {
    return this.#held.get(origin)?.checkpoint.size ?? 0
  }

  /** Keeps a note; it counts once it is on the disk. @throws EdgeCoderError of the store */
  async put(origin: string, note: Uint8Array, checkpoint: SignedCheckpoint): Promise<void> {
    await this.#store.commit([{ type: 'put', key: this.#key(origin), value: note }])
    this.#held.set(origin, { note, checkpoint })
  }

  #key(origin: string): string {
    return `${this.#prefix}|${Buffer.from(origin).toString('hex')}`
  }
}
