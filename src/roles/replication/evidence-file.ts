import { invariant } from '../../core/invariant.js'
import { type Frontier, frontierNodes, grow } from '../../core/ledger/merkle/frontier.js'
import { planInclusion, proofOf } from '../../core/ledger/merkle/proof-plan.js'
import { type Refusal, toWire } from '../../core/refusal.js'
import { frames } from '../../wire/frame.js'
import { leafHashes, sha256Tree } from '../../wire/tree-hash.js'

/** What is known of a fork. */
export interface ForkFound {
  /** Checkpoint note of the smaller size. */
  readonly older: Uint8Array
  readonly newer: Uint8Array
  /** Of the entry at the older size in the newer tree; absent when the sizes are equal. */
  readonly leaf?: Uint8Array
  readonly path: readonly Uint8Array[]
}

/** An entry that was refused, in a range whose checkpoint is over just its entries. */
export interface RefusedEntry {
  readonly from: number
  readonly entries: readonly Uint8Array[]
  readonly checkpoint: Uint8Array
  /** Of all entries before `from`. */
  readonly frontier: Frontier
  readonly index: number
  readonly why: Refusal
}

/** A fork as a file that anybody checks with the log's public key alone. */
export function forkEvidence({ older, newer, leaf, path }: ForkFound): Uint8Array {
  const proof = leaf === undefined ? {} : { leaf, path: [...path] }
  return frames.evidence.encode({ what: { case: 'fork', value: { older, newer, ...proof } } })
}

/**
 * A bad entry as a file.
 *
 * @param prefix the entries before it from `prefixFrom` on; those before are in any copy of the log
 */
export function invalidEntryEvidence(
  found: RefusedEntry,
  prefixFrom: number,
  prefix: readonly Uint8Array[],
): Uint8Array {
  const { index, from, entries, checkpoint, why } = found
  const entry = entries[index - from]
  invariant(entry !== undefined, 'the refused entry is one of its range')
  const value = { checkpoint, index: BigInt(index), entry, path: pathOf(found), why: toWire(why) }
  const before = { prefix: [...prefix], prefixFrom: BigInt(prefixFrom) }
  return frames.evidence.encode({ what: { case: 'invalidEntry', value: { ...value, ...before } } })
}

/** The inclusion path of the refused entry, from what came with the range alone. */
function pathOf({ index, from, entries, frontier }: RefusedEntry): Uint8Array[] {
  const hashes = new Map<string, Uint8Array>()
  for (const [at, { level, index: place }] of frontierNodes(from).entries()) {
    const hash = frontier.hashes[at]
    if (hash !== undefined) hashes.set(`${level}/${place}`, hash)
  }
  grow(frontier, leafHashes(entries), sha256Tree, (level, place, hash) =>
    hashes.set(`${level}/${place}`, hash),
  )
  const plan = planInclusion(index, from + entries.length)
  const path = proofOf(plan, ({ level, index: place }) => hashes.get(`${level}/${place}`), sha256Tree)
  invariant(path !== undefined, 'a frontier and what follows are all of a tree')
  return [...path]
}
