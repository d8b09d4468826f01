import { invariant } from '../../core/invariant.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Store } from '../../ports/store.js'
import { openCheckpoint, type SignedCheckpoint } from '../../wire/checkpoint.js'
import type { NoteKey } from '../../wire/note-key.js'
import { CHECKPOINT_SPACING, DECODED_TOGETHER, PART_ENTRIES, STAGED_BYTES } from './constants.js'
import { type CheckedEntry, checkEntries, factsOf } from './entry-check.js'
import type { EvidenceReader } from './evidence.js'
import { type LogKeys, logKeys } from './log-keys.js'
import { type Head, headWrites, type OpenedLog, openLog } from './log-open.js'
import { type LogPiece, piecesOf } from './log-pieces.js'
import { type LogEnd, type LogPart, LogReader } from './log-reader.js'
import { LogStaging } from './log-staging.js'
import type { LogTree, TreeGrowth } from './log-tree.js'
import { lookAhead } from './look-ahead.js'

/** Why a part of a log was not taken. State and store are as they were. */
export interface PartRefusal extends Refusal {
  /** The entry that may not stand. */
  readonly index?: number
  /**
   * The log's own key signed a checkpoint over just these entries: with a refused entry they prove that its
   * coordinator broke the rules, unless this node lacks something (`unknown-kind`, `not-final`). Otherwise
   * whoever sent them may have changed them.
   */
  readonly signed: boolean
}

/** A part was checked, and is durable. */
export interface PartTaken {
  readonly outcome: 'taken'
  readonly head: Head
}

export interface FollowOptions {
  /** Ends it between two parts. */
  readonly signal?: AbortSignal
  /** @param progress.size entries that are durable */
  readonly onProgress?: (progress: { readonly size: number }) => void
}

/**
 * A log of another coordinator (or one's own, to be filled again), entry by entry checked as its writer had
 * to: signatures, rules, root. What it holds may be cosigned.
 */
export interface LogMirror {
  readonly key: NoteKey
  readonly reader: LogReader
  readonly state: LedgerView
  readonly head: Head | undefined
  /** Takes the entries that come next. @throws EdgeCoderError of the store: nothing was taken */
  take(part: LogPart): Promise<PartTaken | PartRefusal>
  /**
   * Takes part after part: while the disk is at work on one, the next is decided, and the signatures of the
   * one after it are checked. Each is durable before the next is written, and told of only then.
   *
   * @returns the first refusal; undefined = all were taken, or the signal came
   */
  follow(parts: AsyncIterable<LogPart>, options?: FollowOptions): Promise<PartRefusal | undefined>
}

interface Components {
  readonly store: Store
  readonly evidence: EvidenceReader
}

/** Opens, or begins, a mirror. @throws EdgeCoderError `store-corrupt` */
export async function openLogMirror(
  { store, evidence }: Components,
  init: { readonly key: NoteKey; readonly prefix: string },
): Promise<LogMirror> {
  const keys = logKeys(init.prefix)
  const opened: OpenedLog = await openLog({ store, keys }, init.key)
  return new StoredLogMirror({ store, evidence, keys, key: init.key }, opened)
}

interface Parts extends Components {
  readonly keys: LogKeys
  readonly key: NoteKey
}

/** A piece without its state: read, signatures checked. */
interface CheckedPiece {
  readonly entries: readonly (CheckedEntry | Refusal)[]
  /** Of the first piece of a part: its checkpoint, opened. */
  readonly checkpoint?: SignedCheckpoint | Refusal
}

/** A part that its log has signed, and the tree with it. */
interface SignedPart {
  readonly head: Head
  readonly grown: TreeGrowth
  /** Of its entries. */
  readonly bytes: number
}

class StoredLogMirror implements LogMirror, LogEnd {
  readonly reader: LogReader
  head: Head | undefined
  readonly #parts: Parts
  readonly #staging: LogStaging
  #underWay: LogTree | undefined

  constructor(parts: Parts, { head, tree }: OpenedLog) {
    this.#parts = parts
    this.#staging = new LogStaging(parts, { tree, batchEntries: PART_ENTRIES })
    this.head = head
    this.reader = new LogReader(parts.store, parts.keys, this)
  }

  get key(): NoteKey {
    return this.#parts.key
  }

  get state(): LedgerView {
    return this.#staging.state
  }

  get tree(): LogTree {
    return this.#staging.tree
  }

  async take(part: LogPart): Promise<PartTaken | PartRefusal> {
    const refused = await this.follow(only(part))
    if (refused !== undefined) return refused
    invariant(this.head !== undefined, 'a log that took a part has a head')
    return { outcome: 'taken', head: this.head }
  }

  async follow(parts: AsyncIterable<LogPart>, options: FollowOptions = {}): Promise<PartRefusal | undefined> {
    const { signal, onProgress } = options
    const stopped = (): boolean => signal?.aborted === true
    let signed: SignedPart | undefined
    let writing: { readonly done: Promise<void>; readonly bytes: number } | undefined
    const settle = async (): Promise<void> => {
      const { done } = writing ?? {}
      writing = undefined
      if (done === undefined) return
      await done
      onProgress?.({ size: this.tree.size })
    }
    const pieces = piecesOf(parts, DECODED_TOGETHER)
    try {
      for await (const [piece, checked] of lookAhead(pieces, (each) => this.#check(each))) {
        if (stopped()) break
        if (checked.checkpoint !== undefined) {
          const begun = this.#begin(piece.part, checked.checkpoint)
          if (isRefusal(begun)) {
            await settle()
            return begun
          }
          if (begun.bytes + (writing?.bytes ?? 0) > STAGED_BYTES) await settle()
          signed = begun
        }
        // The disk is at work on the part before.
        const refused = this.#stage(piece.part.from + piece.at, checked.entries)
        if (refused !== undefined || piece.isLast) await settle()
        if (refused !== undefined) return refused
        if (stopped()) break
        if (!piece.isLast || signed === undefined) continue
        const done = this.#commit(signed)
        // Awaited in a moment; nobody is to hear of it before.
        done.catch(() => {})
        writing = { done, bytes: signed.bytes }
      }
      await settle()
      return undefined
    } finally {
      await writing?.done.catch(() => {})
      this.#staging.drop()
    }
  }

  async #check({ part, at, entries }: LogPiece): Promise<CheckedPiece> {
    const checking = checkEntries(entries, this.#parts.evidence)
    if (at > 0) return { entries: await checking }
    const opening = openCheckpoint(part.checkpoint, this.key, [])
    const [opened, checked] = await Promise.all([opening, checking])
    return { checkpoint: opened, entries: checked }
  }

  /** Nothing of a part is looked at by the rules before its log's signature over just these entries was seen. */
  #begin(part: LogPart, checkpoint: SignedCheckpoint | Refusal): SignedPart | PartRefusal {
    const bytes = part.entries.reduce((sum, { length }) => sum + length, 0)
    if (part.entries.length > PART_ENTRIES || bytes > STAGED_BYTES) {
      const most = `at most ${PART_ENTRIES} and ${STAGED_BYTES}`
      const detail = `a part of ${part.entries.length} entries and ${bytes} bytes, ${most}`
      return { ...refusal('frame-too-large', detail), signed: false }
    }
    if (isRefusal(checkpoint)) return { ...checkpoint, signed: false }
    const misplaced = this.#misplaced(part, checkpoint)
    if (misplaced !== undefined) return misplaced
    const grown = this.#tip.append(part.entries)
    if (!sameBytes(grown.tree.root, checkpoint.root)) {
      return {
        ...refusal('malformed', `the entries from ${part.from} are not those of the checkpoint`),
        signed: false,
      }
    }
    const { size, root } = checkpoint
    return { head: { size, root, note: part.checkpoint }, grown, bytes }
  }

  #misplaced({ from, entries }: LogPart, checkpoint: SignedCheckpoint): PartRefusal | undefined {
    const { size, root } = this.#tip
    if (checkpoint.size === size && size > 0 && !sameBytes(checkpoint.root, root)) {
      return {
        ...refusal('log-forked', `${this.key.name} has two roots at size ${size}`, {
          next: 'Keep both checkpoints: together they prove it.',
        }),
        signed: true,
      }
    }
    if (from === size && entries.length > 0 && from + entries.length === checkpoint.size) return undefined
    const detail = `${entries.length} entries from ${from} up to ${checkpoint.size}; here are ${size}`
    return { ...refusal('entry-conflict', detail, { next: 'Ask for what comes next.' }), signed: false }
  }

  #stage(from: number, entries: readonly (CheckedEntry | Refusal)[]): PartRefusal | undefined {
    for (const [at, checked] of entries.entries()) {
      const index = from + at
      const refused = this.#stageOne(index, checked)
      if (refused !== undefined) return { ...refused, index, signed: true }
    }
    return undefined
  }

  #stageOne(index: number, checked: CheckedEntry | Refusal): Refusal | undefined {
    if (isRefusal(checked)) return checked
    const facts = factsOf(checked, index, { view: this.state, key: this.key })
    if (isRefusal(facts)) return facts
    const outcome = this.#staging.stage(facts, checked.encoded)
    if (isRefusal(outcome)) return outcome
    if (outcome.outcome === 'applied') return undefined
    return refusal('entry-conflict', `entry ${index} says again what entry ${outcome.index} says`)
  }

  async #commit({ head, grown }: SignedPart): Promise<void> {
    this.#underWay = grown.tree
    try {
      await this.#write(head, grown)
    } catch (cause) {
      this.#staging.drop()
      throw cause
    } finally {
      this.#underWay = undefined
    }
    this.#staging.committed()
    this.head = head
  }

  /** Not `async`, so that what is written is let go when the store has it. */
  #write(head: Head, grown: TreeGrowth): Promise<void> {
    const { store, keys } = this.#parts
    const batch = this.#staging.take(grown)
    const ends = headWrites(keys, head, batch ?? { from: 0, closesWindow: false }, CHECKPOINT_SPACING)
    return store.commit([...(batch?.writes ?? []), ...ends])
  }

  /** The tree with what is on its way to the disk. */
  get #tip(): LogTree {
    return this.#underWay ?? this.tree
  }
}

async function* only(part: LogPart): AsyncIterable<LogPart> {
  yield part
}
