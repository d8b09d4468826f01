import type { LedgerView } from '../../../src/core/ledger/records.js'
import type { Signer } from '../../../src/ports/signer.js'
import type { Store } from '../../../src/ports/store.js'
import { CHECKPOINT_SPACING } from '../../../src/roles/ledger/constants.js'
import { type LogKeys, logKeys } from '../../../src/roles/ledger/log-keys.js'
import type { LogMirror } from '../../../src/roles/ledger/log-mirror.js'
import { type Head, headWrites } from '../../../src/roles/ledger/log-open.js'
import { type LogEnd, type LogPart, LogReader } from '../../../src/roles/ledger/log-reader.js'
import { LogTree } from '../../../src/roles/ledger/log-tree.js'
import { parseCheckpoint, signCheckpoint } from '../../../src/wire/checkpoint.js'
import { isMalformed } from '../../../src/wire/frame.js'
import { type Entry, encodeEntry } from '../../../src/wire/ledger/entry.js'
import { parseNote } from '../../../src/wire/note.js'
import type { NoteKey } from '../../../src/wire/note-key.js'

/** A log that takes whatever it is given: of a coordinator that lies, or of one that does not look. */
export class RawLog implements LogEnd {
  readonly key: NoteKey
  readonly reader: LogReader
  readonly closed = undefined
  /** Rules are what it does not keep, so it has no state. */
  readonly state: LedgerView = { get: () => undefined }
  head: Head | undefined
  tree = LogTree.EMPTY
  readonly #store: Store
  readonly #keys: LogKeys

  constructor(store: Store, key: NoteKey, prefix: string) {
    this.key = key
    this.#store = store
    this.#keys = logKeys(prefix)
    this.reader = new LogReader(store, this.#keys, this)
  }

  /** Signs over whatever the entries are. */
  async write(entries: readonly Entry[], signer: Signer): Promise<void> {
    const encoded = entries.map(encodeEntry)
    const { size, root } = this.tree.append(encoded).tree
    const note = signCheckpoint({ origin: this.key.name, size, root, extensions: [] }, this.key, signer)
    await this.#put(encoded, { size, root, note })
  }

  async #put(encoded: readonly Uint8Array[], head: Head): Promise<void> {
    const from = this.tree.size
    const { tree, tiles } = this.tree.append(encoded)
    await this.#store.commit([
      ...encoded.map((value, at) => ({ type: 'put' as const, key: this.#keys.entry(from + at), value })),
      ...tiles.map(({ level, index, hashes }) => {
        return { type: 'put' as const, key: this.#keys.tile(level, index), value: hashes }
      }),
      ...headWrites(this.#keys, head, { from, closesWindow: false }, CHECKPOINT_SPACING),
    ])
    this.tree = tree
    this.head = head
  }

  /** As a mirror that believes what it is sent. It forgets all when its process ends. */
  asMirror(): LogMirror {
    const log = this
    const { state } = this
    const take = async (part: LogPart) => {
      const note = parseNote(part.checkpoint)
      const checkpoint = isMalformed(note) ? note : parseCheckpoint(note.text)
      if (isMalformed(checkpoint)) return { ...checkpoint, signed: false }
      const head = { size: checkpoint.size, root: checkpoint.root, note: part.checkpoint }
      await log.#put(part.entries, head)
      return { outcome: 'taken' as const, head }
    }
    return {
      key: log.key,
      reader: log.reader,
      state,
      get head() {
        return log.head
      },
      take,
      async follow(parts, options = {}) {
        for await (const part of parts) {
          const taken = await take(part)
          if ('refused' in taken) return taken
          options.onProgress?.({ size: taken.head.size })
        }
        return undefined
      },
    }
  }
}
