import { invariant } from '../../invariant.js'
import { foldSubtrees, isTreeSize, type NodeId, subtreesOf, type TreeHash } from './tree-hash.js'

/** All that appending needs of a tree: its largest complete subtrees, at most 53 hashes whatever its size. */
export interface Frontier {
  readonly size: number
  /** Left to right, one for each bit set in `size`. */
  readonly hashes: readonly Uint8Array[]
}

export const EMPTY_FRONTIER: Frontier = { size: 0, hashes: [] }

/**
 * Appends leaves: one node hash a leaf on average. Nothing is changed, so a batch that could not be written
 * is dropped by dropping its frontier.
 *
 * @param leaves leaf hashes, in log order; each is asked for when the one before is done with, so that
 *   hashes need not all be in memory
 * @param completed hears of every subtree that became complete, leaves among them, in the order in which they
 *   did. Stored once, they never change.
 */
export function grow(
  frontier: Frontier,
  leaves: Iterable<Uint8Array>,
  tree: TreeHash,
  completed: (level: number, index: number, hash: Uint8Array) => void = () => {},
): Frontier {
  const hashes = [...frontier.hashes]
  let { size } = frontier
  for (const leaf of leaves) {
    let hash = leaf
    let level = 0
    let index = size
    completed(level, index, hash)
    // As in binary counting: each trailing one of the size is a complete left sibling to join with.
    while (index % 2 === 1) {
      hash = tree.node(hashes.pop() as Uint8Array, hash)
      level++
      index = (index - 1) / 2
      completed(level, index, hash)
    }
    hashes.push(hash)
    size++
  }
  invariant(isTreeSize(size), 'a tree outgrew its largest size')
  return { size, hashes }
}

export function frontierRoot(frontier: Frontier, tree: TreeHash): Uint8Array {
  return foldSubtrees(frontier.hashes, tree)
}

/**
 * Which stored nodes make up the frontier of a tree of this size: read them, in this order, to start again.
 */
export function frontierNodes(size: number): readonly NodeId[] {
  return subtreesOf(0, size)
}
