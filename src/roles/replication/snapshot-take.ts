import { type Frontier, frontierNodes, frontierRoot } from '../../core/ledger/merkle/frontier.js'
import { isConsistent } from '../../core/ledger/merkle/proof-check.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Store } from '../../ports/store.js'
import { openCheckpoint } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import type { SnapshotHead, SnapshotPiece } from '../../wire/generated/edgecoder/ledger/v1/replication_pb.js'
import type { NoteKey } from '../../wire/note-key.js'
import { sha256Tree } from '../../wire/tree-hash.js'
import { TipBuilder, type TipSource } from '../ledger/tip-builder.js'
import { RECORDS_PER_ENTRY } from './constants.js'
import type { CoordinatorLink } from './coordinator-link.js'

/** The log whose state is wanted. */
export interface WantedState {
  readonly key: NoteKey
  /** Of the tip in the store. */
  readonly prefix: string
  /** Entries that the snapshot must be longer than. */
  readonly above: number
  /** Keys of those who may cosign the log, and how many must have. */
  readonly witnesses: readonly NoteKey[]
  readonly needed: number
}

/**
 * Takes a snapshot from another coordinator onto the disk. That the log's own key signed the checkpoint and
 * that it is final is checked; of the records, only what they tell by themselves.
 *
 * @param options.begun its records are coming
 * @returns why there is none; what is on the disk then is no tip
 * @throws EdgeCoderError of the store
 */
export async function takeSnapshot(
  store: Store,
  { peerId, snapshots }: Pick<CoordinatorLink, 'peerId' | 'snapshots'>,
  wanted: WantedState,
  { signal, begun }: { readonly signal: AbortSignal; readonly begun: () => void },
): Promise<Refusal | undefined> {
  const stopped = whenAborted(signal)
  const shown = await Promise.race([snapshots.head(wanted.key.name, wanted.above), stopped])
  if (isRefusal(shown)) return shown
  const source = await sourceOf(peerId, shown, wanted)
  if (isRefusal(source)) return source
  const builder = new TipBuilder(store, wanted, source)
  begun()
  await builder.begin()
  let room = source.head.size * RECORDS_PER_ENTRY
  let next: Promise<SnapshotPiece | Refusal> | undefined = snapshots.next(shown.ask, '')
  while (next !== undefined) {
    const piece: SnapshotPiece | Refusal = await Promise.race([next, stopped])
    if (isRefusal(piece)) return piece
    const last = piece.records.at(-1)
    if (last === undefined && !piece.last) return refusal('protocol-violation', 'a piece without records')
    room -= piece.records.length
    if (room < 0) return refusal('frame-too-large', `over ${RECORDS_PER_ENTRY} records for each entry`)
    // The next comes while these are written.
    next = piece.last || last === undefined ? undefined : snapshots.next(shown.ask, last.key)
    const refused = await builder.add(piece.records)
    if (refused !== undefined) return refused
  }
  return builder.end()
}

function whenAborted(signal: AbortSignal): Promise<Refusal> {
  const why = refusal('cancelled', 'the snapshot was not taken to its end')
  return new Promise((resolve) => {
    if (signal.aborted) resolve(why)
    else signal.addEventListener('abort', () => resolve(why), { once: true })
  })
}

async function sourceOf(
  peer: string,
  { checkpoint: note, frontier: hashes, final, proof }: SnapshotHead,
  { key, above, witnesses, needed }: WantedState,
): Promise<TipSource | Refusal> {
  const [checkpoint, cosigned] = await Promise.all([
    openCheckpoint(note, key, []),
    openCheckpoint(final, key, witnesses),
  ])
  if (isMalformed(checkpoint)) return checkpoint
  if (isMalformed(cosigned)) return cosigned
  const { size, root } = checkpoint
  if (size <= above) return refusal('not-found', `a snapshot of ${size} entries, ${above} are here`)
  if (cosigned.cosigners.length < needed) {
    return refusal('not-final', `only ${cosigned.cosigners.length} cosigned the snapshot, not ${needed}`)
  }
  if (size > cosigned.size || !isConsistent(sha256Tree, checkpoint, cosigned, proof)) {
    return refusal('wrong-evidence', `size ${size} does not lead to what is final at ${cosigned.size}`)
  }
  const frontier: Frontier = { size, hashes }
  const isWhole = hashes.length === frontierNodes(size).length
  if (!isWhole || !sameBytes(frontierRoot(frontier, sha256Tree), root)) {
    return refusal('wrong-evidence', `the subtrees do not make the root of size ${size}`)
  }
  return { peer, head: { size, root, note }, frontier }
}
