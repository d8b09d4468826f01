import { EdgeCoderError } from '../../core/errors.js'
import { frontierNodes } from '../../core/ledger/merkle/frontier.js'
import {
  type ProofPlan,
  planConsistency,
  planInclusion,
  proofOf,
} from '../../core/ledger/merkle/proof-plan.js'
import { nodeInTile, type TilePlace, tilePlace } from '../../core/ledger/merkle/tile.js'
import type { NodeId } from '../../core/ledger/merkle/tree-hash.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { Store } from '../../ports/store.js'
import { formatTlogProof } from '../../wire/tlog-proof.js'
import { sha256Tree } from '../../wire/tree-hash.js'
import { CACHED_TILES } from './constants.js'
import type { LogKeys } from './log-keys.js'
import { type Head, treeSource } from './log-open.js'
import { LogSnapshot } from './log-snapshot.js'
import { type LogTree, loadTree } from './log-tree.js'
import { RecentMap } from './recent-map.js'
import { type IndexedRow, readWalletRow } from './wallet-index.js'

/** Entries that follow one another, and the signed checkpoint at their end. */
export interface LogPart {
  /** Index of the first. */
  readonly from: number
  /** As they were written. */
  readonly entries: readonly Uint8Array[]
  /** The checkpoint note whose size is `from + entries.length`. */
  readonly checkpoint: Uint8Array
}

/** What a reader needs of a log that grows meanwhile. */
export interface LogEnd {
  readonly head: Head | undefined
  /** The tree that `head` is the root of. */
  readonly tree: LogTree
}

/**
 * Reads what is durable of one log. Consistent while it is appended to: nothing that is read ever changes.
 */
export class LogReader {
  readonly #store: Store
  readonly #keys: LogKeys
  readonly #end: LogEnd
  readonly #tiles = new RecentMap<string, Uint8Array>(CACHED_TILES / 2)

  constructor(store: Store, keys: LogKeys, end: LogEnd) {
    this.#store = store
    this.#keys = keys
    this.#end = end
  }

  get head(): Head | undefined {
    return this.#end.head
  }

  get size(): number {
    return this.#end.head?.size ?? 0
  }

  entry(index: number): Promise<Uint8Array | undefined> {
    return this.#store.get(this.#keys.entry(index))
  }

  /**
   * What entries below `before` did to one account, newest first, at most `limit`.
   *
   * @param account an owner's, or a slice of one
   * @throws EdgeCoderError `store-corrupt`
   */
  async walletRows(account: string, before: number, limit: number): Promise<readonly IndexedRow[]> {
    const rows: IndexedRow[] = []
    const range = { ...this.#keys.walletRowsBefore(account, before), reverse: true, limit }
    for await (const [key, value] of this.#store.range(range)) {
      rows.push(readWalletRow(this.#keys, account, key, value))
    }
    return rows
  }

  /**
   * Entries `from` up to `to`, in order.
   *
   * @throws EdgeCoderError `store-corrupt` at a hole
   */
  async *entries(from: number, to: number): AsyncIterable<Uint8Array> {
    let next = from
    for await (const [key, entry] of this.#store.range(this.#keys.entriesWithin(from, to))) {
      if (this.#keys.numberIn(key) !== next) break
      next++
      yield entry
    }
    if (next < to) throw missing(`entry ${next}`)
  }

  /**
   * The log from an entry on to its head as it is at the first read, in parts that each end in a checkpoint:
   * what mirrors and backups are made of. A part has at most about 2,000 entries.
   */
  async *parts(from: number, head: Head | undefined = this.#end.head): AsyncIterable<LogPart> {
    if (head === undefined) return
    let at = from
    const kept = this.#keys.checkpointsWithin(from + 1, head.size + 1)
    for await (const [key, checkpoint] of this.#store.range(kept)) {
      const size = this.#keys.numberIn(key)
      yield { from: at, entries: await this.#list(at, size), checkpoint }
      at = size
    }
    if (at >= head.size) return
    yield { from: at, entries: await this.#list(at, head.size), checkpoint: head.note }
  }

  /**
   * The proof that an entry is in the log, as a file that anybody checks offline: c2sp.org/tlog-proof, with
   * the entry in its extra line.
   *
   * @param head a checkpoint to prove it against, such as a cosigned one; by default the latest
   * @returns `not-found` when the entry is not yet under that checkpoint
   */
  async prove(index: number, head: Head | undefined = this.#end.head): Promise<Uint8Array | Refusal> {
    if (head === undefined || !Number.isSafeInteger(index) || index < 0 || index >= head.size) {
      return refusal('not-found', `the checkpoint covers ${head?.size ?? 0} entries, not entry ${index}`)
    }
    const [path, extra] = await Promise.all([this.inclusion(index, head.size), this.entry(index)])
    if (extra === undefined) throw missing(`entry ${index}`)
    return formatTlogProof({ index, path, checkpoint: head.note, extra })
  }

  /** @param size of the tree it is proven to be in, index < size ≤ this size */
  inclusion(index: number, size: number): Promise<readonly Uint8Array[]> {
    return this.#proof(planInclusion(index, size))
  }

  /** That the tree of `older` entries is how that of `newer` began. @param newer at most this size */
  consistency(older: number, newer: number): Promise<readonly Uint8Array[]> {
    return this.#proof(planConsistency(older, newer))
  }

  /** The largest complete subtrees of the first `size` entries, left to right. @param size at most this size */
  frontier(size: number): Promise<readonly Uint8Array[]> {
    return this.#proof(frontierNodes(size).map((node) => [node]))
  }

  /** Head and state as they are on the disk now; to be closed. @throws EdgeCoderError `store-failed` */
  snapshot(): LogSnapshot {
    return new LogSnapshot(this.#store.snapshot(), this.#keys)
  }

  /** The root over its first entries. @param size up to its own @returns undefined = a tile is missing */
  async rootAt(size: number): Promise<Uint8Array | undefined> {
    const { tree } = this.#end
    if (size === tree.size) return tree.root
    return (await loadTree(treeSource({ store: this.#store, keys: this.#keys }), size))?.root
  }

  async #list(from: number, to: number): Promise<readonly Uint8Array[]> {
    const entries: Uint8Array[] = []
    for await (const [key, entry] of this.#store.range(this.#keys.entriesWithin(from, to))) {
      if (this.#keys.numberIn(key) !== from + entries.length) break
      entries.push(entry)
    }
    if (from + entries.length < to) throw missing(`entry ${from + entries.length}`)
    return entries
  }

  async #proof(plan: ProofPlan): Promise<readonly Uint8Array[]> {
    const { tree } = this.#end
    const tiles = new Map<string, Uint8Array>()
    for (const node of plan.flat()) {
      const place = tilePlace(node)
      const key = this.#keys.tile(place.level, place.index)
      if (!tiles.has(key)) tiles.set(key, (await this.#tile(key, place, tree)) ?? new Uint8Array())
    }
    const hashOf = (node: NodeId) => {
      const place = tilePlace(node)
      const tile = tiles.get(this.#keys.tile(place.level, place.index))
      return tile === undefined ? undefined : nodeInTile(tile, place, sha256Tree)
    }
    const proof = proofOf(plan, hashOf, sha256Tree)
    if (proof === undefined) throw missing('a tile of its tree')
    return proof
  }

  async #tile(key: string, place: TilePlace, tree: LogTree): Promise<Uint8Array | undefined> {
    // Full tiles are stored and never change; the ones that grow are in memory.
    const full = Math.floor(tree.size / 256 ** (place.level + 1))
    if (place.index >= full) return tree.edge(place.level)
    const known = this.#tiles.get(key)
    if (known !== undefined) return known
    const tile = await this.#store.get(key)
    if (tile !== undefined) this.#tiles.set(key, tile)
    return tile
  }
}

function missing(what: string): EdgeCoderError {
  return new EdgeCoderError('store-corrupt', `The ledger is damaged: ${what} is missing.`, {
    next: 'Stop the node and start it again: what is damaged is named then, with what to do.',
  })
}
