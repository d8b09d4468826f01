import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  EMPTY_FRONTIER,
  frontierNodes,
  frontierRoot,
  grow,
} from '../../../../../src/core/ledger/merkle/frontier.js'
import { includes, isConsistent } from '../../../../../src/core/ledger/merkle/proof-check.js'
import { planConsistency, planInclusion, proofOf } from '../../../../../src/core/ledger/merkle/proof-plan.js'
import { nodeInTile, TILE_HEIGHT, tilePath, tilePlace } from '../../../../../src/core/ledger/merkle/tile.js'
import type { NodeId, TreeNode } from '../../../../../src/core/ledger/merkle/tree-hash.js'
import { sha256Tree } from '../../../../../src/wire/tree-hash.js'
import { naivePath, naiveProof, naiveRoot } from '../../../../helpers/naive-tree.js'

const MOST = 600
const leaves = Array.from({ length: MOST }, (_, at) => Buffer.from(`leaf ${at}`))
const nodes: TreeNode[] = []
grow(
  EMPTY_FRONTIER,
  leaves.map((leaf) => sha256Tree.leaf(leaf)),
  sha256Tree,
  (level, index, hash) => nodes.push({ level, index, hash }),
)
const stored = new Map(nodes.map((node) => [`${node.level}/${node.index}`, node.hash]))
const lookup = (node: NodeId) => stored.get(`${node.level}/${node.index}`)
const hex = (all: readonly Uint8Array[] | undefined) => all?.map((each) => Buffer.from(each).toString('hex'))

/** 0 ≤ first ≤ second ≤ MOST */
const sizes = fc.tuple(fc.nat(MOST), fc.nat(MOST)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)

describe('tree against the naive one', () => {
  it('has its root however it grew, and starts again from stored nodes', () => {
    fc.assert(
      fc.property(sizes, ([first, second]) => {
        const restored = {
          size: first,
          hashes: frontierNodes(first).map((node) => lookup(node) as Uint8Array),
        }
        const more = leaves.slice(first, second).map((leaf) => sha256Tree.leaf(leaf))
        const frontier = grow(restored, more, sha256Tree)
        expect(frontier.size).toBe(second)
        expect(hex([frontierRoot(frontier, sha256Tree)])).toEqual(hex([naiveRoot(leaves.slice(0, second))]))
      }),
    )
  })

  it('makes the same proofs, and they check', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), ([older, newer], pick) => {
        const some = leaves.slice(0, newer)
        const root = naiveRoot(some)
        const proof = proofOf(planConsistency(older, newer), lookup, sha256Tree) ?? []
        expect(hex(proof)).toEqual(hex(naiveProof(older, some)))
        const past = { size: older, root: naiveRoot(leaves.slice(0, older)) }
        expect(isConsistent(sha256Tree, past, { size: newer, root }, proof)).toBe(true)
        if (newer === 0) return
        const index = pick % newer
        const path = proofOf(planInclusion(index, newer), lookup, sha256Tree) ?? []
        expect(hex(path)).toEqual(hex(naivePath(index, some)))
        const leaf = sha256Tree.leaf(leaves[index] as Buffer)
        expect(includes(sha256Tree, index, newer, leaf, path, root)).toBe(true)
      }),
    )
  })

  it('refuses a proof with any bit changed, a hash more or less, or for another place, leaf or root', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), ([older, newer], pick, bit) => {
        fc.pre(newer > 0)
        const index = pick % newer
        const root = naiveRoot(leaves.slice(0, newer))
        const leaf = sha256Tree.leaf(leaves[index] as Buffer)
        const path = proofOf(planInclusion(index, newer), lookup, sha256Tree) ?? []
        const check = (at: number, hash: Uint8Array, by: readonly Uint8Array[], to: Uint8Array) =>
          includes(sha256Tree, at, newer, hash, by, to)
        expect(check(index, flipped(leaf, bit), path, root)).toBe(false)
        expect(check(index, leaf, path, flipped(root, bit))).toBe(false)
        expect(check(index, leaf, [...path, root], root)).toBe(false)
        expect(check((index + 1) % (newer + 1), leaf, path, root)).toBe(false)
        const wrong = pick % Math.max(1, path.length)
        if (path.length > 0) {
          expect(check(index, leaf, path.with(wrong, flipped(path[wrong] as Uint8Array, bit)), root)).toBe(
            false,
          )
          expect(check(index, leaf, path.toSpliced(wrong, 1), root)).toBe(false)
        }
        const proof = proofOf(planConsistency(older, newer), lookup, sha256Tree) ?? []
        const heads = [
          { size: older, root: naiveRoot(leaves.slice(0, older)) },
          { size: newer, root },
        ] as const
        expect(isConsistent(sha256Tree, ...heads, [...proof, root])).toBe(false)
        const at = pick % Math.max(1, proof.length)
        if (proof.length === 0) return
        const bad = proof.with(at, flipped(proof[at] as Uint8Array, bit))
        expect(isConsistent(sha256Tree, ...heads, bad)).toBe(false)
        expect(isConsistent(sha256Tree, ...heads, proof.toSpliced(at, 1))).toBe(false)
        expect(
          isConsistent(sha256Tree, { size: older, root: flipped(heads[0].root, bit) }, heads[1], proof),
        ).toBe(false)
      }),
    )
  })

  it('plans for trees of any size a number can hold, in nodes within bounds', () => {
    const huge = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
    fc.assert(
      fc.property(huge, huge, (a, b) => {
        const [older, newer] = [Math.min(a, b), Math.max(a, b)]
        for (const plan of [planInclusion(older - 1, newer), planConsistency(older, newer)]) {
          expect(plan.length).toBeLessThanOrEqual(54)
          const nodes = plan.flat()
          expect(nodes.length).toBeLessThanOrEqual(106)
          for (const { level, index } of nodes) expect((index + 1) * 2 ** level).toBeLessThanOrEqual(newer)
        }
      }),
    )
  })
})

describe('tiles', () => {
  const rows = (level: number) =>
    nodes.filter((node) => node.level === level * TILE_HEIGHT).map((node) => node.hash)
  const tiles = new Map(
    [0, 1].flatMap((level) => {
      const row = rows(level)
      const count = Math.ceil(row.length / 256)
      return Array.from({ length: count }, (_, at) => {
        return [`${level}/${at}`, Buffer.concat(row.slice(at * 256, at * 256 + 256))] as const
      })
    }),
  )

  it('give back every node of the tree', () => {
    for (const node of nodes) {
      const place = tilePlace(node)
      const tile = tiles.get(`${place.level}/${place.index}`) ?? new Uint8Array()
      expect(hex([nodeInTile(tile, place, sha256Tree) ?? tile])).toEqual(hex([node.hash]))
    }
  })

  it('say when a tile ends before the node', () => {
    const place = tilePlace({ level: 0, index: 599 })
    const tile = tiles.get(`0/${place.index}`) as Buffer
    expect(nodeInTile(tile.subarray(0, -1), place, sha256Tree)).toBeUndefined()
  })

  it('have the paths of tlog-tiles', () => {
    expect(tilePath(0, 0, 256)).toBe('tile/0/000')
    expect(tilePath(0, 1_234_067, 256)).toBe('tile/0/x001/x234/067')
    expect(tilePath(1, 273, 112)).toBe('tile/1/273.p/112')
  })
})

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const at = bit % (bytes.length * 8)
  return bytes.map((byte, i) => (i === at >> 3 ? byte ^ (1 << (at & 7)) : byte))
}
