import { invariant } from '../../invariant.js'
import { foldSubtrees, isTreeSize, type NodeId, splitOf, subtreesOf, type TreeHash } from './tree-hash.js'

/**
 * Which stored nodes a proof is made of. Each hash of the proof stands for one group: a single complete
 * subtree, or, at the ragged right edge of the tree, several to be folded. Data, so that a store can read
 * all of them at once; at most 2 · 53 nodes whatever the size.
 */
export type ProofPlan = readonly (readonly NodeId[])[]

/**
 * The plan of the proof that the leaf at `index` is in the tree of `size` leaves.
 *
 * @param index 0 ≤ index < size @see RFC 6962 §2.1.1
 */
export function planInclusion(index: number, size: number): ProofPlan {
  invariant(isTreeSize(size) && isTreeSize(index) && index < size, `no leaf ${index} in ${size}`)
  const groups: (readonly NodeId[])[] = []
  let from = 0
  let to = size
  while (to - from > 1) {
    const middle = from + splitOf(to - from)
    if (index < middle) {
      groups.push(subtreesOf(middle, to))
      to = middle
    } else {
      groups.push(subtreesOf(from, middle))
      from = middle
    }
  }
  return groups.reverse()
}

/**
 * The plan of the proof that the tree of `older` leaves is how the tree of `newer` leaves began.
 *
 * @param older 0 ≤ older ≤ newer; from nothing, and to itself, the proof is empty @see RFC 6962 §2.1.2
 */
export function planConsistency(older: number, newer: number): ProofPlan {
  invariant(isTreeSize(older) && isTreeSize(newer) && older <= newer, `${older} is not within ${newer}`)
  if (older === 0) return []
  const groups: (readonly NodeId[])[] = []
  let from = 0
  let to = newer
  while (older < to) {
    const middle = from + splitOf(to - from)
    if (older <= middle) {
      groups.push(subtreesOf(middle, to))
      to = middle
    } else {
      groups.push(subtreesOf(from, middle))
      from = middle
    }
  }
  // The whole older tree, when it is a subtree of its own, is known to who checks; else its last part is not.
  if (from > 0) groups.push(subtreesOf(from, older))
  return groups.reverse()
}

/**
 * Makes the proof from the nodes that were read.
 *
 * @param nodeHash the stored hash of a complete subtree; undefined = the store lacks it
 * @returns undefined when a node is missing: the store is damaged or shorter than it said
 */
export function proofOf(
  plan: ProofPlan,
  nodeHash: (node: NodeId) => Uint8Array | undefined,
  tree: TreeHash,
): readonly Uint8Array[] | undefined {
  const proof: Uint8Array[] = []
  for (const group of plan) {
    const hashes: Uint8Array[] = []
    for (const node of group) {
      const hash = nodeHash(node)
      if (hash === undefined) return undefined
      hashes.push(hash)
    }
    proof.push(foldSubtrees(hashes, tree))
  }
  return proof
}
