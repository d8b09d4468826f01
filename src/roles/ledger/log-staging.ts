import { invariant } from '../../core/invariant.js'
import { type Applied, apply, type Existed } from '../../core/ledger/apply.js'
import type { Facts } from '../../core/ledger/facts.js'
import { Overlay } from '../../core/ledger/overlay.js'
import type { Change, LedgerView } from '../../core/ledger/records.js'
import { type WalletRow, walletRows } from '../../core/ledger/wallet-rows.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Store, Write } from '../../ports/store.js'
import { sha256Tree } from '../../wire/tree-hash.js'
import { STAGED_BYTES, STAGED_ENTRIES } from './constants.js'
import type { LogKeys } from './log-keys.js'
import { LogState } from './log-state.js'
import type { LogTree, TreeGrowth } from './log-tree.js'
import { walletMarkWrite, walletRowWrite } from './wallet-index.js'

/** An entry that is in memory, and not yet on the disk. */
interface StagedEntry {
  readonly encoded: Uint8Array
  readonly changes: readonly Change[]
  readonly rows: readonly WalletRow[]
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

interface Taken extends Batch {
  readonly changes: readonly Change[]
}

/**
 * Entries of one log on their way to the disk, in order. A batch that failed is taken again with what came
 * after it: nothing is ever left out or put in another order, so all roots that were ever signed agree.
 */
export class LogStaging {
  readonly #keys: LogKeys
  readonly #state: LogState
  #tree: LogTree
  #staged: StagedEntry[] = []
  #bytes = 0
  #taken: Taken | undefined

  constructor(store: Store, keys: LogKeys, tree: LogTree) {
    this.#keys = keys
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
    return this.#tree.size + this.#staged.length
  }

  /** A batch was taken, and nobody said yet what became of it. */
  get underWay(): boolean {
    return this.#taken !== undefined
  }

  /** Applies one entry; a refusal changes nothing. @param facts of index {@link LogStaging.size} */
  stage(facts: Facts, encoded: Uint8Array): Appended | Existed | Refusal {
    if (this.#staged.length >= STAGED_ENTRIES || this.#bytes + encoded.length > STAGED_BYTES) {
      return refusal('store-failed', `${this.#staged.length} ledger entries wait for the disk already`, {
        next: 'Check the disk; the ledger goes on by itself.',
        retryAfterMs: 1_000,
      })
    }
    const outcome = apply(this.#state, facts)
    if (isRefusal(outcome) || outcome.outcome === 'existed') return outcome
    this.#staged.push({ encoded, changes: outcome.changes, rows: walletRows(outcome) })
    this.#bytes += encoded.length
    this.#state.stage(outcome.changes, facts.index)
    return { ...outcome, index: facts.index }
  }

  /**
   * @param most entries
   * @param grown the tree with just these, where the caller has made it already
   * @returns undefined when nothing is staged
   */
  take(most: number, grown?: TreeGrowth): Batch | undefined {
    const entries = this.#staged.slice(0, most)
    if (entries.length === 0) return undefined
    const from = this.#tree.size
    const { tree, tiles } = grown ?? this.#tree.grow(entries.map(({ encoded }) => sha256Tree.leaf(encoded)))
    invariant(tree.size === from + entries.length, 'a tree grows by what is taken')
    const merged = new Overlay({ get: () => undefined })
    for (const { changes } of entries) merged.absorb(changes)
    const changes = merged.changes()
    const writes = this.#state.writes(changes)
    if (from === 0) writes.push(walletMarkWrite(this.#keys))
    for (const [at, { encoded, rows }] of entries.entries()) {
      writes.push({ type: 'put', key: this.#keys.entry(from + at), value: encoded })
      for (const row of rows) writes.push(walletRowWrite(this.#keys, from + at, row))
    }
    for (const { level, index, hashes } of tiles) {
      writes.push({ type: 'put', key: this.#keys.tile(level, index), value: hashes })
    }
    const closesWindow = changes.some(({ table }) => table === 'work' || table === 'issuance')
    this.#taken = { from, tree, writes, changes, closesWindow }
    return this.#taken
  }

  /** What was taken is durable. */
  committed(): void {
    const taken = this.#taken
    if (taken === undefined) return
    for (const { encoded } of this.#staged.splice(0, taken.tree.size - taken.from)) {
      this.#bytes -= encoded.length
    }
    this.#tree = taken.tree
    this.#state.committed(taken.changes, taken.tree.size)
    this.#taken = undefined
  }

  /** What was taken is not on the disk, and stays staged. */
  failed(): void {
    this.#taken = undefined
  }

  /** Forgets all that is staged: for entries of others that turned out to be wrong. */
  drop(): void {
    this.#staged = []
    this.#bytes = 0
    this.#taken = undefined
    this.#state.drop()
  }
}
