import { hash } from 'node:crypto'

const LEAF_PREFIX = 0x00
const NODE_PREFIX = 0x01

function sha256(bytes: Uint8Array): Uint8Array {
  const digest = hash('sha256', bytes, 'buffer')
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.length)
}

/** SHA-256 with the prefixes that keep leaves and nodes apart. @see RFC 6962 §2.1 */
export const sha256Tree = {
  /** Root of the tree without leaves: the hash of nothing. */
  empty: sha256(new Uint8Array()),
  leaf(bytes: Uint8Array): Uint8Array {
    const input = new Uint8Array(1 + bytes.length)
    input[0] = LEAF_PREFIX
    input.set(bytes, 1)
    return sha256(input)
  },
  node(left: Uint8Array, right: Uint8Array): Uint8Array {
    const input = new Uint8Array(1 + left.length + right.length)
    input[0] = NODE_PREFIX
    input.set(left, 1)
    input.set(right, 1 + left.length)
    return sha256(input)
  },
} as const
