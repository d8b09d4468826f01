import type { Frontier } from './frontier.js'
import { HASH_BYTES, isTreeSize, sameBytes, type TreeHash } from './tree-hash.js'

/** A proof has at most one hash a level. */
const MAX_PROOF_HASHES = 64

/**
 * Is the leaf in the tree, at this place? For any input from anywhere: what makes no sense is a no.
 *
 * @param leaf its leaf hash
 * @see RFC 9162 §2.1.3.2
 */
export function includes(
  tree: TreeHash,
  index: number,
  size: number,
  leaf: Uint8Array,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!isTreeSize(index) || !isTreeSize(size) || index >= size) return false
  if (!areHashes([leaf, root, ...proof])) return false
  const walk = new Walk(index, size - 1)
  let hash = leaf
  for (const sibling of proof) {
    if (walk.atRoot) return false
    hash = walk.siblingIsLeft() ? tree.node(sibling, hash) : tree.node(hash, sibling)
  }
  return walk.atRoot && sameBytes(hash, root)
}

/**
 * The complete subtrees of all leaves before `index`, left to right, which are the hashes from the left in
 * the inclusion path of that leaf. Their root is a consistency proof, and, unlike that of RFC 6962, one
 * that shows the other root where two trees differ.
 *
 * @param proof for which {@link includes} holds
 */
export function frontierBefore(index: number, size: number, proof: readonly Uint8Array[]): Frontier {
  const walk = new Walk(index, size - 1)
  const hashes: Uint8Array[] = []
  for (const sibling of proof) if (walk.siblingIsLeft()) hashes.unshift(sibling)
  return { size: index, hashes }
}

/**
 * Is the older tree how the newer one began? For any input from anywhere.
 *
 * @see RFC 9162 §2.1.4.2
 */
export function isConsistent(
  tree: TreeHash,
  older: { readonly size: number; readonly root: Uint8Array },
  newer: { readonly size: number; readonly root: Uint8Array },
  proof: readonly Uint8Array[],
): boolean {
  if (!isTreeSize(older.size) || !isTreeSize(newer.size) || older.size > newer.size) return false
  if (!areHashes([older.root, newer.root, ...proof])) return false
  if (older.size === newer.size) return proof.length === 0 && sameBytes(older.root, newer.root)
  if (older.size === 0) return proof.length === 0 && sameBytes(older.root, tree.empty)
  const walk = new Walk(older.size - 1, newer.size - 1)
  walk.skipComplete()
  // An older tree that is one complete subtree is where the walk begins; else the proof says where.
  const [start, ...rest] = walk.place === 0 ? [older.root, ...proof] : proof
  if (start === undefined) return false
  let past = start
  let present = start
  for (const sibling of rest) {
    if (walk.atRoot) return false
    if (walk.siblingIsLeft()) {
      past = tree.node(sibling, past)
      present = tree.node(sibling, present)
    } else {
      present = tree.node(present, sibling)
    }
  }
  return walk.atRoot && sameBytes(past, older.root) && sameBytes(present, newer.root)
}

/** The way up from a node to the root, beside the tree's right edge; `fn` and `sn` of RFC 9162. */
class Walk {
  #place: number
  #edge: number

  constructor(place: number, edge: number) {
    this.#place = place
    this.#edge = edge
  }

  get place(): number {
    return this.#place
  }

  get atRoot(): boolean {
    return this.#edge === 0
  }

  skipComplete(): void {
    while (this.#place % 2 === 1) this.#up()
  }

  /** Goes up past one sibling, and says on which side it was. */
  siblingIsLeft(): boolean {
    const left = this.#place % 2 === 1 || this.#place === this.#edge
    // At the right edge, levels without a sibling are passed over.
    if (left) while (this.#place % 2 === 0 && this.#place !== 0) this.#up()
    this.#up()
    return left
  }

  #up(): void {
    this.#place = Math.floor(this.#place / 2)
    this.#edge = Math.floor(this.#edge / 2)
  }
}

function areHashes(all: readonly Uint8Array[]): boolean {
  return all.length <= MAX_PROOF_HASHES + 2 && all.every((each) => each.length === HASH_BYTES)
}
