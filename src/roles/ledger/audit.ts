import { EdgeCoderError } from '../../core/errors.js'
import { mayBeNegative } from '../../core/ledger/account-name.js'
import { apply } from '../../core/ledger/apply.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import { isRefusal, type Refusal } from '../../core/refusal.js'
import { openCheckpoint, type SignedCheckpoint } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import type { EntryKind } from '../../wire/ledger/entry.js'
import type { Malformed } from '../../wire/malformed.js'
import type { NoteKey } from '../../wire/note-key.js'
import { AuditState } from './audit-state.js'
import { DECODED_TOGETHER, TOLD_MISMATCHES } from './constants.js'
import { type CheckedEntry, checkEntries, factsOf } from './entry-check.js'
import type { EvidenceReader } from './evidence.js'
import { type EarlierLogs, readGenesis, replayLine } from './log-line.js'
import { type LogPiece, piecesOf } from './log-pieces.js'
import type { LogPart } from './log-reader.js'
import { LogTree } from './log-tree.js'
import { lookAhead } from './look-ahead.js'

/** Something that is not as it has to be. */
export interface Mismatch {
  /**
   * `entry`: it may not stand; `checkpoint`: its signature or root; `state`: a stored record; `log`:
   * unreadable.
   */
  readonly where: 'entry' | 'checkpoint' | 'state' | 'log'
  /** Of an entry: its index. Of a checkpoint: its size. Else the size that was reached. */
  readonly at: number
  readonly code: Refusal['code']
  readonly detail: string
}

/** What an audit found. All is well when it is complete and there is no mismatch. */
export interface AuditReport {
  readonly origin: string
  /** It came to the end; false when it was interrupted, or could read no further. */
  readonly complete: boolean
  /** Entries read again, and the root over them. */
  readonly size: number
  readonly root: Uint8Array
  readonly kinds: Readonly<Partial<Record<EntryKind, number>>>
  readonly checkpoints: number
  readonly signatures: number
  /** Accounts with credits, of whatever sort. */
  readonly balances: number
  /** Stored records compared with what follows from the entries; 0 when there is no store to compare with. */
  readonly records: number
  /** The first of them. */
  readonly mismatches: readonly Mismatch[]
  readonly mismatchCount: number
}

export interface AuditProgress {
  /** Entries read again so far. */
  readonly size: number
  readonly mismatchCount: number
}

export interface AuditOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: AuditProgress) => void
  /**
   * Lets others have their turn, every {@link DECODED_TOGETHER} entries: where tasks go on meanwhile. Left
   * out = as fast as it goes.
   */
  readonly breathe?: () => Promise<void>
}

/** Signs of an audit under way; the report is made from it. */
export class AuditRun {
  readonly state = new AuditState()
  readonly #key: NoteKey
  readonly #evidence: EvidenceReader
  readonly #earlier: EarlierLogs
  readonly #signaturesBefore: number
  readonly #kinds: Partial<Record<EntryKind, number>> = {}
  readonly #mismatches: Mismatch[] = []
  #tree = LogTree.EMPTY
  #checkpoints = 0
  #mismatchCount = 0

  /** @param earlier the logs that one of a later epoch goes on from */
  constructor(key: NoteKey, evidence: EvidenceReader, earlier: EarlierLogs = () => undefined) {
    this.#key = key
    this.#evidence = evidence
    this.#earlier = earlier
    this.#signaturesBefore = evidence.signatures
  }

  get size(): number {
    return this.#tree.size
  }

  get progress(): AuditProgress {
    return { size: this.size, mismatchCount: this.#mismatchCount }
  }

  /**
   * Reads a log from its start: every hash, signature and rule.
   *
   * @returns whether it came to the end
   */
  async replay(parts: AsyncIterable<LogPart>, options: AuditOptions): Promise<boolean> {
    const { signal, onProgress, breathe } = options
    try {
      for await (const [piece, checked] of lookAhead(piecesOf(parts, DECODED_TOGETHER), (each) =>
        this.#check(each),
      )) {
        if (this.size === 0 && !(await this.#goOn(piece.entries[0], breathe))) return false
        if (signal?.aborted === true) return false
        this.enter(piece.entries, checked.entries)
        await breathe?.()
        if (checked.checkpoint === undefined) continue
        this.#compareCheckpoint(checked.checkpoint, piece.part)
        onProgress?.(this.progress)
      }
    } catch (cause) {
      if (!(cause instanceof EdgeCoderError)) throw cause
      this.mismatch({ where: 'log', at: this.size, code: cause.code, detail: cause.message })
      return false
    }
    return true
  }

  /** Applies entries that come next, whatever a checkpoint says of them. */
  enter(encoded: readonly Uint8Array[], entries: readonly (CheckedEntry | Refusal)[]): void {
    for (const [at, checked] of entries.entries()) {
      const index = this.size + at
      const refused = isRefusal(checked) ? checked : this.#apply(checked, index)
      if (refused === undefined) continue
      this.mismatch({ where: 'entry', at: index, code: refused.code, detail: refused.detail })
      this.state.skip()
    }
    this.#tree = this.#tree.append(encoded).tree
  }

  mismatch(what: Mismatch): void {
    this.#mismatchCount++
    if (this.#mismatches.length < TOLD_MISMATCHES) this.#mismatches.push(what)
  }

  /** @param records compared with a store @param complete whether all was read */
  report(complete: boolean, records: number): AuditReport {
    let sum = 0n
    for (const [account, balance] of this.state.balances()) {
      sum += balance
      if (balance < 0n && !mayBeNegative(account))
        this.#wrongBalance(`${account} has ${balance} microcredits`)
    }
    if (sum !== 0n) this.#wrongBalance(`all balances sum to ${sum} microcredits`)
    return {
      origin: this.#key.name,
      complete,
      size: this.size,
      root: this.#tree.root,
      kinds: this.#kinds,
      checkpoints: this.#checkpoints,
      signatures: this.#evidence.signatures - this.#signaturesBefore,
      balances: this.state.count('balance'),
      records,
      mismatches: this.#mismatches,
      mismatchCount: this.#mismatchCount,
    }
  }

  /** A log of a later epoch begins with the state that follows from those before it; they are read, not audited. */
  async #goOn(first: Uint8Array | undefined, breathe: AuditOptions['breathe']): Promise<boolean> {
    const parts = { earlier: this.#earlier, evidence: this.#evidence }
    const state = { view: this.state, absorb: this.state.absorb.bind(this.state) }
    const refused = await replayLine(readGenesis(first)?.continues, parts, state, () => breathe?.())
    if (refused === undefined) return true
    const detail = `the logs that it goes on from cannot be read: ${refused.detail}`
    this.mismatch({ where: 'log', at: 0, code: refused.code, detail })
    return false
  }

  async #check({ part, entries, isLast }: LogPiece) {
    const [checkpoint, checked] = await Promise.all([
      isLast ? openCheckpoint(part.checkpoint, this.#key, []) : undefined,
      checkEntries(entries, this.#evidence),
    ])
    return { checkpoint, entries: checked }
  }

  #apply(checked: CheckedEntry, index: number): Refusal | undefined {
    const { kind } = checked.entry
    this.#kinds[kind] = (this.#kinds[kind] ?? 0) + 1
    const facts = factsOf(checked, index, { view: this.state, key: this.#key })
    if (isRefusal(facts)) return facts
    const outcome = apply(this.state, facts)
    if (isRefusal(outcome)) return outcome
    if (outcome.outcome === 'existed') {
      return {
        refused: true,
        code: 'entry-conflict',
        detail: `it says again what entry ${outcome.index} says`,
      }
    }
    this.state.absorb(outcome.changes)
    return undefined
  }

  #compareCheckpoint(checkpoint: SignedCheckpoint | Malformed, part: LogPart): void {
    this.#checkpoints++
    const at = this.size
    if (isMalformed(checkpoint)) {
      this.mismatch({ where: 'checkpoint', at, code: checkpoint.code, detail: checkpoint.detail })
    } else if (part.from + part.entries.length !== at || checkpoint.size !== at) {
      const detail = `it is of size ${checkpoint.size}, and ${at} entries were read`
      this.mismatch({ where: 'checkpoint', at, code: 'malformed', detail })
    } else if (!sameBytes(checkpoint.root, this.#tree.root)) {
      const detail = `its root is not that of the ${at} entries`
      this.mismatch({ where: 'checkpoint', at, code: 'log-forked', detail })
    }
  }

  #wrongBalance(detail: string): void {
    this.mismatch({ where: 'state', at: this.size, code: 'wrong-amount', detail })
  }
}
