/** Bytes of one hash. */
export const HASH_BYTES = 32

/**
 * The hashing of a tree, handed in: the core has no hash function of its own. `wire/tree-hash.ts` is the one
 * that logs use.
 *
 * @see RFC 6962 §2.1
 */
export interface TreeHash {
  /** Root of the tree without leaves. */
  readonly empty: Uint8Array
  leaf(bytes: Uint8Array): Uint8Array
  node(left: Uint8Array, right: Uint8Array): Uint8Array
}

/** A complete subtree: leaves `index · 2^level` up to `(index + 1) · 2^level`, all of them there. */
export interface NodeId {
  readonly level: number
  readonly index: number
}

export interface TreeNode extends NodeId {
  readonly hash: Uint8Array
}

/** Sizes are numbers: a tree has at most 2^53 − 1 leaves. */
export function isTreeSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= 0
}

/** The largest power of two below `count`, for `count` ≥ 2: where RFC 6962 splits a tree. */
export function splitOf(count: number): number {
  let power = 1
  while (power * 2 < count) power *= 2
  return power
}

/**
 * The complete subtrees that leaves `from` up to `to` consist of, left to right; at most one a bit.
 *
 * @param from a multiple of the largest power of two that is not above `to - from`
 */
export function subtreesOf(from: number, to: number): readonly NodeId[] {
  const nodes: NodeId[] = []
  let start = from
  while (start < to) {
    let level = 0
    let width = 1
    while (width * 2 <= to - start) {
      width *= 2
      level++
    }
    nodes.push({ level, index: start / width })
    start += width
  }
  return nodes
}

/** The root over complete subtrees of shrinking size, left to right. */
export function foldSubtrees(hashes: readonly Uint8Array[], tree: TreeHash): Uint8Array {
  let root = hashes.at(-1)
  if (root === undefined) return tree.empty
  for (let i = hashes.length - 2; i >= 0; i--) root = tree.node(hashes[i] as Uint8Array, root)
  return root
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
