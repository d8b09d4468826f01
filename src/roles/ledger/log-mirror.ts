import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Store, Write } from '../../ports/store.js'
import { openCheckpoint, type SignedCheckpoint } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import type { NoteKey } from '../../wire/note-key.js'
import { sha256Tree } from '../../wire/tree-hash.js'
import { CHECKPOINT_SPACING, PART_ENTRIES, STAGED_BYTES } from './constants.js'
import { type CheckedEntry, checkEntries, factsOf } from './entry-check.js'
import type { EvidenceReader } from './evidence.js'
import { type LogKeys, logKeys } from './log-keys.js'
import { type Head, headWrites, type OpenedLog, openLog } from './log-open.js'
import { type LogEnd, type LogPart, LogReader } from './log-reader.js'
import { LogStaging } from './log-staging.js'
import type { LogTree } from './log-tree.js'
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
   * Takes part after part, signatures of the next one being checked meanwhile; each is durable before the
   * next.
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

/** A part without its state: read, signatures checked, its checkpoint opened. */
interface CheckedPart {
  readonly checkpoint: SignedCheckpoint | Refusal
  readonly entries: readonly (CheckedEntry | Refusal)[]
}

class StoredLogMirror implements LogMirror, LogEnd {
  readonly reader: LogReader
  head: Head | undefined
  readonly #parts: Parts
  readonly #staging: LogStaging

  constructor(parts: Parts, { head, tree }: OpenedLog) {
    this.#parts = parts
    this.#staging = new LogStaging(parts.store, parts.keys, tree)
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
    return this.#take(part, await this.#check(part))
  }

  async follow(parts: AsyncIterable<LogPart>, options: FollowOptions = {}): Promise<PartRefusal | undefined> {
    for await (const [part, checked] of lookAhead(parts, (each) => this.#check(each))) {
      if (options.signal?.aborted === true) return undefined
      const outcome = await this.#take(part, checked)
      if (isRefusal(outcome)) return outcome
      options.onProgress?.({ size: this.tree.size })
    }
    return undefined
  }

  async #check({ entries, checkpoint }: LogPart): Promise<CheckedPart> {
    const bytes = entries.reduce((sum, { length }) => sum + length, 0)
    if (entries.length > PART_ENTRIES || bytes > STAGED_BYTES) {
      const most = `at most ${PART_ENTRIES} and ${STAGED_BYTES}`
      const detail = `a part of ${entries.length} entries and ${bytes} bytes, ${most}`
      return { checkpoint: refusal('frame-too-large', detail), entries: [] }
    }
    const [opened, checked] = await Promise.all([
      openCheckpoint(checkpoint, this.key, []),
      checkEntries(entries, this.#parts.evidence),
    ])
    return { checkpoint: opened, entries: checked }
  }

  async #take(part: LogPart, checked: CheckedPart): Promise<PartTaken | PartRefusal> {
    const { checkpoint } = checked
    if (isMalformed(checkpoint) || isRefusal(checkpoint)) return { ...checkpoint, signed: false }
    const misplaced = this.#misplaced(part, checkpoint)
    if (misplaced !== undefined) return misplaced
    const leaves = part.entries.map((each) => sha256Tree.leaf(each))
    if (!sameBytes(this.tree.grow(leaves).tree.root, checkpoint.root)) {
      return {
        ...refusal('malformed', `the entries from ${part.from} are not those of the checkpoint`),
        signed: false,
      }
    }
    const refused = this.#stage(part.from, checked.entries)
    if (refused !== undefined) {
      this.#staging.drop()
      return refused
    }
    return this.#commit(checkpoint, part.checkpoint)
  }

  #misplaced({ from, entries }: LogPart, checkpoint: SignedCheckpoint): PartRefusal | undefined {
    const { size, root } = this.tree
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

  async #commit(checkpoint: SignedCheckpoint, note: Uint8Array): Promise<PartTaken> {
    const { store, keys } = this.#parts
    const batch = this.#staging.take(PART_ENTRIES)
    const head: Head = { size: checkpoint.size, root: checkpoint.root, note }
    const writes: readonly Write[] = [
      ...(batch?.writes ?? []),
      ...headWrites(keys, head, batch ?? { from: 0, closesWindow: false }, CHECKPOINT_SPACING),
    ]
    try {
      await store.commit(writes)
    } catch (cause) {
      this.#staging.drop()
      throw cause
    }
    this.#staging.committed()
    this.head = head
    return { outcome: 'taken', head }
  }
}
