import { invariant } from '../../core/invariant.js'
import type { Existed } from '../../core/ledger/apply.js'
import type { Evidence, Facts } from '../../core/ledger/facts.js'
import { FIRST_EPOCH } from '../../core/ledger/line.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Metrics } from '../../ports/metrics.js'
import type { Signer } from '../../ports/signer.js'
import type { Store, Write } from '../../ports/store.js'
import { readLogOrigin, signCheckpoint } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import {
  contentDigest,
  decodeEntry,
  type EntryKind,
  type EntryOf,
  encodeEntry,
} from '../../wire/ledger/entry.js'
import { type NoteKey, noteKey } from '../../wire/note-key.js'
import { CHECKPOINT_SPACING, COMMIT_ENTRIES } from './constants.js'
import { misnamedLog } from './entry-check.js'
import { isContinued } from './log-continuation.js'
import { flagFault, flagRefusal, flagWrite, type LogFlag, readFlag } from './log-flag.js'
import { type LogKeys, logKeys } from './log-keys.js'
import { createLogMeter, type LogMeter } from './log-meter.js'
import { type Head, headWrites, type OpenedLog, openLog, treeSource } from './log-open.js'
import { type LogEnd, LogReader } from './log-reader.js'
import { type Appended, LogStaging } from './log-staging.js'
import { type LogTree, loadTree } from './log-tree.js'

/** An entry that somebody wants written, with what its statements say. */
export type Wish = {
  readonly [Kind in EntryKind]: {
    readonly kind: Kind
    readonly entry: EntryOf<Kind>
    /** Checked before: signatures, signers and their powers. */
    readonly evidence: Evidence[Kind]
  }
}[EntryKind]

/**
 * The one writer of one log. Appending is a decision in memory, at once; what was decided becomes durable by
 * a commit that the caller makes, together with writes of its own. One commit at a time:
 *
 * `const writes = log.writes(); await store.commit([...writes, ...own]).then(log.committed, log.failed)`
 *
 * Nothing may be told of an entry before the commit that holds it: `head` is always what is durable.
 */
export interface LogWriter {
  readonly key: NoteKey
  /** What is durable, with proofs. */
  readonly reader: LogReader
  /** State with all that was appended, durable or not: what to decide by. */
  readonly state: LedgerView
  /** Entries with those not yet durable. */
  readonly size: number
  /** The latest checkpoint that is durable with its entries. */
  readonly head: Head | undefined
  /** More is signed already, and on its way to the disk. */
  readonly signing: boolean
  /** Why nothing can be appended; undefined = it can. */
  readonly closed: Refusal | undefined
  /**
   * Decides on one entry.
   *
   * @returns the entry's index, and how balances move; or that the log has it already (durable once `head` is
   *   past it); or a refusal, and nothing has changed
   * @throws EdgeCoderError `store-failed`, `store-corrupt` when state cannot be read; nothing has changed
   */
  append(wish: Wish): Appended | Existed | Refusal
  /**
   * Writes of the oldest entries that are not durable, at most 1,024, with one signed checkpoint; none when
   * there are none. Must be followed by `committed` or `failed` before it is called again.
   *
   * @throws EdgeCoderError `log-unconfirmed`: entries wait, and may not be signed since {@link suspend}
   */
  writes(): readonly Write[]
  /** @returns whether more is waiting */
  committed(): boolean
  /**
   * The entries stay, and go with the next commit. Harmless when nothing is under way: a journal that tries
   * again without a word calls it before `writes`.
   */
  failed(): void
  /**
   * The others hold more of this log, or something else: nothing more is appended, and nothing that waits is
   * signed, which would be a fork; neither after a restart, until {@link confirm}.
   *
   * @throws EdgeCoderError of the store: it holds until the restart only
   */
  suspend(): Promise<void>
  /**
   * Opens a restored log for appending: the others hold nothing of it beyond this checkpoint of its own.
   *
   * @param known the largest that they have
   * @returns `log-unconfirmed` when they have more: pull it first; `log-forked` when they have something else
   */
  confirm(known: { readonly size: number; readonly root: Uint8Array }): Promise<Refusal | undefined>
}

interface Components {
  readonly store: Store
  readonly signer: Signer
  readonly clock: Clock
  readonly metrics: Metrics
}

/**
 * Opens, or begins, one's own log. Everything that was written since the last time is checked first.
 *
 * @param init.origin of the log: `logOrigin(network, home, epoch)` @param init.prefix of its keys in the
 *   store
 * @throws EdgeCoderError `store-corrupt`: what is stored is not what was signed; nothing is signed then;
 *   `log-unconfirmed`: a restore was interrupted, or it is of a later epoch, and not prepared by
 * `continueLog`
 */
export async function openLogWriter(
  { store, signer, clock, metrics }: Components,
  init: { readonly origin: string; readonly prefix: string },
): Promise<LogWriter> {
  const key = noteKey('note', init.origin, signer.publicKey)
  const keys = logKeys(init.prefix)
  const flag = await readFlag(store, keys)
  if (flag === 'restoring' || flag === 'continuing') throw flagFault(flag, key.name)
  const opened: OpenedLog = await openLog({ store, keys }, key)
  const isLater = (readLogOrigin(init.origin)?.epoch ?? FIRST_EPOCH) > FIRST_EPOCH
  if (isLater && opened.head === undefined && !(await isContinued(store, keys))) {
    throw flagFault('continuing', key.name)
  }
  return new StoredLogWriter(
    { store, signer, keys, key, meter: createLogMeter(clock, metrics) },
    opened,
    flag,
  )
}

interface Parts {
  readonly store: Store
  readonly signer: Signer
  readonly keys: LogKeys
  readonly key: NoteKey
  readonly meter: LogMeter
}

class StoredLogWriter implements LogWriter, LogEnd {
  readonly reader: LogReader
  head: Head | undefined
  readonly #parts: Parts
  readonly #staging: LogStaging
  #flag: LogFlag | undefined
  #next: Head | undefined

  constructor(parts: Parts, { head, tree }: OpenedLog, flag: LogFlag | undefined) {
    this.#parts = parts
    this.#staging = new LogStaging(parts, { tree, batchEntries: COMMIT_ENTRIES })
    this.#flag = flag
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

  get size(): number {
    return this.#staging.size
  }

  get signing(): boolean {
    return this.#next !== undefined
  }

  get closed(): Refusal | undefined {
    return this.#flag === undefined ? undefined : flagRefusal(this.#flag)
  }

  append(wish: Wish): Appended | Existed | Refusal {
    if (this.#flag !== undefined) return flagRefusal(this.#flag)
    const encoded = encodeEntry(wish.entry)
    // Read back as others will: what they would refuse is not written, and fields are what the bytes say.
    const entry = decodeEntry(encoded)
    if (isMalformed(entry)) return entry
    const misnamed = misnamedLog(entry, this.key)
    if (misnamed !== undefined) return misnamed
    const digest = contentDigest(entry, encoded)
    // Of the wish's kind: it was encoded from it.
    const facts = { kind: wish.kind, entry, index: this.size, digest, evidence: wish.evidence } as Facts
    const outcome = this.#staging.stage(facts, encoded)
    if ('changes' in outcome) this.#parts.meter.appended()
    return outcome
  }

  writes(): readonly Write[] {
    invariant(!this.#staging.underWay, 'one commit of a log at a time')
    const { keys, key, signer } = this.#parts
    if (this.#flag !== undefined && this.size > this.tree.size) throw flagFault(this.#flag, key.name)
    const batch = this.#staging.take()
    if (batch === undefined) return []
    const { size, root } = batch.tree
    const note = signCheckpoint({ origin: key.name, size, root, extensions: [] }, key, signer)
    this.#next = { size, root, note }
    return [...batch.writes, ...headWrites(keys, this.#next, batch, CHECKPOINT_SPACING)]
  }

  committed(): boolean {
    if (this.#next !== undefined) {
      const before = this.#staging.tree.size
      this.#staging.committed()
      this.head = this.#next
      this.#next = undefined
      this.#parts.meter.committed(this.head.size - before)
    }
    return this.size > this.tree.size
  }

  failed(): void {
    this.#next = undefined
    this.#staging.failed()
  }

  async suspend(): Promise<void> {
    if (this.#flag !== undefined) return
    this.#flag = 'unconfirmed'
    await this.#parts.store.commit([flagWrite(this.#parts.keys, this.#flag)])
  }

  async confirm(known: { readonly size: number; readonly root: Uint8Array }): Promise<Refusal | undefined> {
    const size = this.head?.size ?? 0
    if (known.size > size) {
      return refusal('log-unconfirmed', `others hold ${known.size} entries of this log, here are ${size}`, {
        next: 'Pull the missing entries from them first.',
      })
    }
    const { store, keys } = this.#parts
    const then = known.size === size ? this.tree : await loadTree(treeSource({ store, keys }), known.size)
    if (then === undefined || !sameBytes(known.root, then.root)) {
      return refusal(
        'log-forked',
        `others hold another root of this log at size ${known.size} than is here`,
        {
          next: 'Keep both: an admin has to decide which one is to go on.',
        },
      )
    }
    await store.commit([flagWrite(keys, undefined)])
    this.#flag = undefined
    return undefined
  }
}
