import { type Frontier, frontierNodes, frontierRoot, grow } from '../../core/ledger/merkle/frontier.js'
import { nodeInTile, TILE_HEIGHT, tilePlace } from '../../core/ledger/merkle/tile.js'
import { HASH_BYTES } from '../../core/ledger/merkle/tree-hash.js'
import { leafHashes, sha256Tree } from '../../wire/tree-hash.js'

const TILE_WIDTH = 2 ** TILE_HEIGHT
const TILE_BYTES = TILE_WIDTH * HASH_BYTES

/** A tile to be stored; in full, or above level 0 as far as it goes. */
export interface TileWrite {
  readonly level: number
  readonly index: number
  readonly hashes: Uint8Array
}

export interface TreeGrowth {
  readonly tree: LogTree
  readonly tiles: readonly TileWrite[]
}

/** What a stored tree is read from when a log is opened. */
export interface TreeSource {
  /** @returns undefined = there is none */
  tile(level: number, index: number): Promise<Uint8Array | undefined>
  /** Leaf hashes of the entries `from` up to `to`, fewer when some are missing. */
  leaves(from: number, to: number): Promise<readonly Uint8Array[]>
}

/**
 * The right edge of a log's tree: all that is needed to append, and the hashes of each level's tile that is
 * not full yet. A value: growing makes another one, so a batch that could not be written is dropped by
 * dropping it.
 */
export class LogTree {
  static readonly EMPTY = new LogTree({ size: 0, hashes: [] }, [])

  readonly #frontier: Frontier
  /** By level of tiles; the bytes are never written to again. */
  readonly #edges: readonly Uint8Array[]
  #root: Uint8Array | undefined

  constructor(frontier: Frontier, edges: readonly Uint8Array[]) {
    this.#frontier = frontier
    this.#edges = edges
  }

  get size(): number {
    return this.#frontier.size
  }

  get root(): Uint8Array {
    this.#root ??= frontierRoot(this.#frontier, sha256Tree)
    return this.#root
  }

  /** Hashes of the tile that grows on this level; empty when its last one is full. */
  edge(level: number): Uint8Array {
    return this.#edges[level] ?? new Uint8Array()
  }

  /** The tree with more entries, each hashed on the way. @param entries as they are written, in log order */
  append(entries: Iterable<Uint8Array>): TreeGrowth {
    return this.grow(leafHashes(entries))
  }

  /** @param leaves leaf hashes, in log order */
  grow(leaves: Iterable<Uint8Array>): TreeGrowth {
    const growing = new Map<number, Uint8Array>()
    const widths = new Map<number, number>()
    const tiles: TileWrite[] = []
    const frontier = grow(this.#frontier, leaves, sha256Tree, (level, index, hash) => {
      if (level % TILE_HEIGHT !== 0) return
      const at = level / TILE_HEIGHT
      let tile = growing.get(at)
      if (tile === undefined) {
        tile = new Uint8Array(TILE_BYTES)
        tile.set(this.edge(at))
        growing.set(at, tile)
      }
      const slot = index % TILE_WIDTH
      tile.set(hash, slot * HASH_BYTES)
      widths.set(at, slot + 1)
      if (slot + 1 < TILE_WIDTH) return
      tiles.push({ level: at, index: Math.floor(index / TILE_WIDTH), hashes: tile })
      growing.set(at, new Uint8Array(TILE_BYTES))
      widths.set(at, 0)
    })
    const edges = [...this.#edges]
    for (const [level, tile] of growing) {
      const hashes = tile.subarray(0, (widths.get(level) ?? 0) * HASH_BYTES)
      edges[level] = hashes
      const index = Math.floor(frontier.size / TILE_WIDTH ** (level + 1))
      // The lowest one is made anew from the entries, so it need not be written with each of them.
      if (level > 0 && hashes.length > 0) tiles.push({ level, index, hashes })
    }
    return { tree: new LogTree(frontier, edges), tiles }
  }
}

/**
 * The tree as it was at a size, from what is stored.
 *
 * @returns undefined when something that must be there is not
 */
export async function loadTree(source: TreeSource, size: number): Promise<LogTree | undefined> {
  const edges: Uint8Array[] = []
  const tail = size % TILE_WIDTH
  const leaves = await source.leaves(size - tail, size)
  if (leaves.length !== tail) return undefined
  const lowest = new Uint8Array(tail * HASH_BYTES)
  for (const [at, leaf] of leaves.entries()) lowest.set(leaf, at * HASH_BYTES)
  edges.push(lowest)
  let count = Math.floor(size / TILE_WIDTH)
  for (let level = 1; count > 0; level++) {
    const width = (count % TILE_WIDTH) * HASH_BYTES
    count = Math.floor(count / TILE_WIDTH)
    const tile = width === 0 ? new Uint8Array() : await source.tile(level, count)
    if (tile === undefined || tile.length < width) return undefined
    edges.push(tile.subarray(0, width))
  }
  const hashes: Uint8Array[] = []
  for (const node of frontierNodes(size)) {
    const place = tilePlace(node)
    const hash = nodeInTile(edges[place.level] ?? new Uint8Array(), place, sha256Tree)
    if (hash === undefined) return undefined
    hashes.push(hash)
  }
  return new LogTree({ size, hashes }, edges)
}
