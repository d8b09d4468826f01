import { createHash } from 'node:crypto'

/** RFC 6962 §2.1 word for word, over whole lists of leaves: slow, and nothing shared with the product. */
export function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [first] = leaves
  if (first === undefined) return createHash('sha256').digest()
  if (leaves.length === 1) return createHash('sha256').update(Uint8Array.of(0)).update(first).digest()
  const k = naiveSplit(leaves.length)
  const left = naiveRoot(leaves.slice(0, k))
  return createHash('sha256')
    .update(Uint8Array.of(1))
    .update(left)
    .update(naiveRoot(leaves.slice(k)))
    .digest()
}

export function naivePath(m: number, leaves: readonly Uint8Array[]): readonly Uint8Array[] {
  if (leaves.length <= 1) return []
  const k = naiveSplit(leaves.length)
  return m < k
    ? [...naivePath(m, leaves.slice(0, k)), naiveRoot(leaves.slice(k))]
    : [...naivePath(m - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))]
}

export function naiveProof(m: number, leaves: readonly Uint8Array[]): readonly Uint8Array[] {
  return m === 0 ? [] : subProof(m, leaves, true)
}

function subProof(m: number, leaves: readonly Uint8Array[], whole: boolean): readonly Uint8Array[] {
  if (m === leaves.length) return whole ? [] : [naiveRoot(leaves)]
  const k = naiveSplit(leaves.length)
  return m <= k
    ? [...subProof(m, leaves.slice(0, k), whole), naiveRoot(leaves.slice(k))]
    : [...subProof(m - k, leaves.slice(k), false), naiveRoot(leaves.slice(0, k))]
}

function naiveSplit(n: number): number {
  return 2 ** (Math.ceil(Math.log2(n)) - 1)
}
