import { invariant } from '../../invariant.js'
import { foldSubtrees, HASH_BYTES, type NodeId, type TreeHash } from './tree-hash.js'

/** Levels of the tree in one tile. @see https://c2sp.org/tlog-tiles */
export const TILE_HEIGHT = 8
/** Hashes in a full tile. */
const TILE_WIDTH = 256

/** Where a node's hash is found, or can be computed from: `width` hashes of a tile, from `start`. */
export interface TilePlace {
  /** Level of the tile; its lowest hashes are of tree level `8 · level`. */
  readonly level: number
  readonly index: number
  readonly start: number
  readonly width: number
}

/** Tiles keep every eighth level of the tree; what lies between is computed from at most 256 hashes. */
export function tilePlace(node: NodeId): TilePlace {
  const level = Math.floor(node.level / TILE_HEIGHT)
  const width = 2 ** (node.level % TILE_HEIGHT)
  const first = node.index * width
  const index = Math.floor(first / TILE_WIDTH)
  return { level, index, start: first - index * TILE_WIDTH, width }
}

/**
 * A node's hash out of its tile.
 *
 * @param tile the tile's hashes one after the other; at the log's right edge fewer than 256
 * @returns undefined when the tile ends before it
 */
export function nodeInTile(tile: Uint8Array, place: TilePlace, tree: TreeHash): Uint8Array | undefined {
  const end = (place.start + place.width) * HASH_BYTES
  if (tile.length < end) return undefined
  let row: Uint8Array[] = []
  for (let at = place.start * HASH_BYTES; at < end; at += HASH_BYTES)
    row.push(tile.subarray(at, at + HASH_BYTES))
  while (row.length > 1) {
    const above: Uint8Array[] = []
    for (let i = 0; i < row.length; i += 2) above.push(foldSubtrees(row.slice(i, i + 2), tree))
    row = above
  }
  return row[0]
}

/** The tile's path, as readers of tlog-tiles ask for it. @param width 1–256; 256 = a full tile */
export function tilePath(level: number, index: number, width: number): string {
  invariant(width >= 1 && width <= TILE_WIDTH, `a tile of ${width} hashes`)
  const digits = String(index)
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0')
  const parts = padded.match(/\d{3}/g) ?? []
  const named = parts.map((part, at) => (at === parts.length - 1 ? part : `x${part}`)).join('/')
  return `tile/${level}/${named}${width === TILE_WIDTH ? '' : `.p/${width}`}`
}
