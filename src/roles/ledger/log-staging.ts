import { invariant } from '../../core/invariant.js'
import { type Applied, apply, type Existed } from '../../core/ledger/apply.js'
import type { Facts } from '../../core/ledger/facts.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { walletRows } from '../../core/ledger/wallet-rows.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Store, Write } from '../../ports/store.js'
import { STAGED_BYTES, STAGED_ENTRIES } from './constants.js'
import type { LogKeys } from './log-keys.js'
import { LogState } from './log-state.js'
import type { LogTree, TreeGrowth } from './log-tree.js'
import { type IndexedRow, walletMarkWrite, walletRowWrite } from './wallet-index.js'

/** Entries that go to the disk together; what they change lies in the state, as a batch of the same entries. */
interface StagedBatch {
  readonly encoded: Uint8Array[]
  readonly rows: IndexedRow[]
}

/** An entry was taken: it counts from now on, and may be told of once it is durable. */
export interface Appended extends Applied {
  readonly index: number
}

/** What goes to the disk at once, all of it or nothing; without the checkpoint over it. */
export interface Batch {
  readonly from: number
  readonly tree: LogTree
  readonly writes: Write[]
  /** It has a window in it that other logs build on. */
  readonly closesWindow: boolean
}

/**
 * Entries of one log on their way to the disk, in order. A batch that failed is taken again with what came
 * after it: nothing is ever left out or put in another order, so all roots that were ever signed agree.
 */
export class LogStaging {
  readonly #keys: LogKeys
  readonly #state: LogState
  #tree: LogTree
  readonly #batchEntries: number
  /** Oldest first. */
  #batches: StagedBatch[] = []
  #growing: StagedBatch | undefined
  #entries = 0
  #bytes = 0
  /** The tree with the batch that was taken. */
  #taken: LogTree | undefined

  /** @param init.batchEntries that go to the disk at once, at most */
  constructor(
    { store, keys }: { readonly store: Store; readonly keys: LogKeys },
    { tree, batchEntries }: { readonly tree: LogTree; readonly batchEntries: number },
  ) {
    this.#keys = keys
    this.#batchEntries = batchEntries
    this.#state = new LogState(store, keys)
    this.#tree = tree
  }

  /** State with all that is staged. */
  get state(): LedgerView {
    return this.#state
  }

  /** The tree that is durable. */
  get tree(): LogTree {
    return this.#tree
  }

  /** Index of the next entry. */
  get size(): number {
    return this.#tree.size + this.#entries
  }

  /** A batch was taken, and nobody said yet what became of it. */
  get underWay(): boolean {
    return this.#taken !== undefined
  }

  /** Applies one entry; a refusal changes nothing. @param facts of index {@link LogStaging.size} */
  stage(facts: Facts, encoded: Uint8Array): Appended | Existed | Refusal {
    if (this.#entries >= STAGED_ENTRIES || this.#bytes + encoded.length > STAGED_BYTES) {
      return refusal('store-failed', `${this.#entries} ledger entries wait for the disk already`, {
        next: 'Check the disk; the ledger goes on by itself.',
        retryAfterMs: 1_000,
      })
    }
    const outcome = apply(this.#state, facts)
    if (isRefusal(outcome) || outcome.outcome === 'existed') return outcome
    const { encoded: all, rows } = this.#open()
    this.#state.stage(outcome.changes, facts.index)
    all.push(encoded)
    for (const row of walletRows(outcome)) rows.push({ ...row, index: facts.index })
    this.#entries++
    this.#bytes += encoded.length
    return { ...outcome, index: facts.index }
  }

  /**
   * The oldest batch, which grows no more; all that is staged, unless that is more than one may be.
   *
   * @param grown the tree with just its entries, where the caller has made it already
   * @returns undefined when nothing is staged
   */
  take(grown?: TreeGrowth): Batch | undefined {
    const batch = this.#oldest()
    if (batch === undefined) return undefined
    const { encoded, rows } = batch
    const from = this.#tree.size
    const { tree, tiles } = grown ?? this.#tree.append(encoded)
    invariant(tree.size === from + encoded.length, 'a tree grows by what is taken')
    const writes = this.#state.writes()
    if (from === 0) writes.push(walletMarkWrite(this.#keys))
    for (const [at, value] of encoded.entries()) {
      writes.push({ type: 'put', key: this.#keys.entry(from + at), value })
    }
    for (const row of rows) writes.push(walletRowWrite(this.#keys, row))
    for (const { level, index, hashes } of tiles) {
      writes.push({ type: 'put', key: this.#keys.tile(level, index), value: hashes })
    }
    const closesWindow = this.#state.changes('work') || this.#state.changes('issuance')
    this.#taken = tree
    return { from, tree, writes, closesWindow }
  }

  /** What was taken is durable. */
  committed(): void {
    if (this.#taken === undefined) return
    for (const { length } of this.#batches.shift()?.encoded ?? []) {
      this.#entries--
      this.#bytes -= length
    }
    this.#tree = this.#taken
    this.#state.committed()
    this.#taken = undefined
  }

  /** What was taken is not on the disk, and stays staged. */
  failed(): void {
    this.#taken = undefined
  }

  /** Forgets all that is staged: for entries of others that turned out to be wrong. */
  drop(): void {
    this.#batches = []
    this.#growing = undefined
    this.#entries = 0
    this.#bytes = 0
    this.#taken = undefined
    this.#state.drop()
  }

  /** With what came after it while it was on its way in vain. */
  #oldest(): StagedBatch | undefined {
    const [oldest] = this.#batches
    for (let next = this.#batches[1]; oldest && next; next = this.#batches[1]) {
      if (oldest.encoded.length + next.encoded.length > this.#batchEntries) break
      oldest.encoded.push(...next.encoded)
      oldest.rows.push(...next.rows)
      this.#state.join()
      this.#batches.splice(1, 1)
    }
    if (this.#batches.length === 1) this.#growing = undefined
    return oldest
  }

  /** The batch that grows; the state's grows with it. */
  #open(): StagedBatch {
    const growing = this.#growing
    if (growing !== undefined && growing.encoded.length < this.#batchEntries) return growing
    this.#state.split()
    const begun = { encoded: [], rows: [] }
    this.#batches.push(begun)
    this.#growing = begun
    return begun
  }
}
