import { ENTRY_BYTES } from './limits.js'
import { sha256 } from './sha256.js'

const LEAF_PREFIX = 0x00
const NODE_PREFIX = 0x01
/** What is hashed is put together here: two hashes, or an entry. Making room for each would cost more than the hash. */
const scratch = new Uint8Array(1 + ENTRY_BYTES)
/** Views of it, by their length, at most as many as it has bytes: to make one costs a good part of the hash. */
const views = new Map<number, Uint8Array>()

/** SHA-256 with the prefixes that keep leaves and nodes apart. @see RFC 6962 §2.1 */
export const sha256Tree = {
  /** Root of the tree without leaves: the hash of nothing. */
  empty: sha256(new Uint8Array()),
  leaf(bytes: Uint8Array): Uint8Array {
    const input = roomFor(1 + bytes.length)
    input[0] = LEAF_PREFIX
    input.set(bytes, 1)
    return sha256(input)
  },
  node(left: Uint8Array, right: Uint8Array): Uint8Array {
    const input = roomFor(1 + left.length + right.length)
    input[0] = NODE_PREFIX
    input.set(left, 1)
    input.set(right, 1 + left.length)
    return sha256(input)
  },
} as const

/** Leaf hashes of entries, each made when it is asked for. */
export function* leafHashes(entries: Iterable<Uint8Array>): Iterable<Uint8Array> {
  for (const entry of entries) yield sha256Tree.leaf(entry)
}

function roomFor(length: number): Uint8Array {
  const known = views.get(length)
  if (known !== undefined) return known
  if (length > scratch.length) return new Uint8Array(length)
  const view = scratch.subarray(0, length)
  views.set(length, view)
  return view
}
