import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { EMPTY_FRONTIER, frontierRoot, grow } from '../../../../../src/core/ledger/merkle/frontier.js'
import { includes, isConsistent } from '../../../../../src/core/ledger/merkle/proof-check.js'
import { planConsistency, planInclusion, proofOf } from '../../../../../src/core/ledger/merkle/proof-plan.js'
import { sha256Tree } from '../../../../../src/wire/tree-hash.js'

interface Vectors {
  readonly emptyRoot: string
  readonly emptyLeafHash: string
  readonly leaves: readonly string[]
  readonly leafHashes: readonly { readonly leaf: string; readonly hash: string }[]
  readonly nodeHashes: readonly { readonly left: string; readonly right: string; readonly hash: string }[]
  readonly roots: readonly string[]
  readonly inclusion: readonly { readonly index: number; readonly size: number; readonly proof: string[] }[]
  readonly consistency: readonly {
    readonly older: number
    readonly newer: number
    readonly proof: string[]
  }[]
}

const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../../../../protocols/vectors/merkle.json', import.meta.url), 'utf8'),
)
const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('hex')
const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))
const leafHashes = vectors.leaves.map((leaf) => sha256Tree.leaf(bytes(leaf)))
const stored = new Map<string, Uint8Array>()
grow(EMPTY_FRONTIER, leafHashes, sha256Tree, (level, index, hash) => stored.set(`${level}/${index}`, hash))
const lookup = (node: { level: number; index: number }) => stored.get(`${node.level}/${node.index}`)
const rootAt = (size: number) => bytes(vectors.roots[size - 1] ?? vectors.emptyRoot)

describe('RFC 6962 tree', () => {
  it('hashes nothing, a leaf and a node as the RFC says', () => {
    expect(hex(sha256Tree.empty)).toBe(vectors.emptyRoot)
    expect(hex(sha256Tree.leaf(new Uint8Array()))).toBe(vectors.emptyLeafHash)
    for (const each of vectors.leafHashes) expect(hex(sha256Tree.leaf(bytes(each.leaf)))).toBe(each.hash)
    for (const each of vectors.nodeHashes) {
      expect(hex(sha256Tree.node(bytes(each.left), bytes(each.right)))).toBe(each.hash)
    }
  })

  it('has the known root at each size, grown one by one or at once', () => {
    let frontier = EMPTY_FRONTIER
    expect(hex(frontierRoot(frontier, sha256Tree))).toBe(vectors.emptyRoot)
    leafHashes.forEach((leaf, at) => {
      frontier = grow(frontier, [leaf], sha256Tree)
      expect(hex(frontierRoot(frontier, sha256Tree))).toBe(vectors.roots[at])
      const atOnce = grow(EMPTY_FRONTIER, leafHashes.slice(0, at + 1), sha256Tree)
      expect(atOnce).toEqual(frontier)
    })
  })

  it.each(vectors.inclusion)(
    'makes and checks the proof of leaf $index in $size',
    ({ index, size, proof }) => {
      const made = proofOf(planInclusion(index, size), lookup, sha256Tree)
      expect(made?.map(hex)).toEqual(proof)
      const leaf = leafHashes[index] as Uint8Array
      expect(includes(sha256Tree, index, size, leaf, proof.map(bytes), rootAt(size))).toBe(true)
    },
  )

  it.each(vectors.consistency)(
    'makes and checks the proof from $older to $newer',
    ({ older, newer, proof }) => {
      const made = proofOf(planConsistency(older, newer), lookup, sha256Tree)
      expect(made?.map(hex)).toEqual(proof)
      const heads = [
        { size: older, root: rootAt(older) },
        { size: newer, root: rootAt(newer) },
      ] as const
      expect(isConsistent(sha256Tree, ...heads, proof.map(bytes))).toBe(true)
    },
  )

  it('says no to what makes no sense, and throws at nothing', () => {
    const root = rootAt(8)
    const leaf = leafHashes[0] as Uint8Array
    const proof = (vectors.inclusion[1]?.proof ?? []).map(bytes)
    for (const [index, size] of [
      [8, 8],
      [-1, 8],
      [0, 0],
      [0.5, 8],
      [Number.NaN, 8],
      [0, 2 ** 53],
      [0, 4],
      [0, 16],
    ] as const) {
      expect(includes(sha256Tree, index, size, leaf, proof, root)).toBe(false)
    }
    expect(includes(sha256Tree, 0, 8, leaf.subarray(1), proof, root)).toBe(false)
    expect(includes(sha256Tree, 0, 8, leaf, Array(1_000).fill(root), root)).toBe(false)
    const head = { size: 8, root }
    expect(isConsistent(sha256Tree, head, { size: 4, root: rootAt(4) }, [])).toBe(false)
    expect(isConsistent(sha256Tree, head, { size: 8, root: rootAt(7) }, [])).toBe(false)
    expect(isConsistent(sha256Tree, { size: 0, root }, head, [])).toBe(false)
    expect(isConsistent(sha256Tree, { size: 0, root: sha256Tree.empty }, head, [])).toBe(true)
    expect(isConsistent(sha256Tree, { size: 6, root: rootAt(6) }, head, [])).toBe(false)
  })

  it('makes no proof when the store lacks a node', () => {
    expect(proofOf(planInclusion(0, 8), () => undefined, sha256Tree)).toBeUndefined()
  })
})
