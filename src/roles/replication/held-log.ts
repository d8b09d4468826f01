import { invariant } from '../../core/invariant.js'
import { frontierRoot } from '../../core/ledger/merkle/frontier.js'
import { frontierBefore, includes } from '../../core/ledger/merkle/proof-check.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import { sha256Tree } from '../../wire/tree-hash.js'
import type { LibraryLog } from '../ledger/log-library.js'

/** A log that is on this disk, own or mirrored, up to its head. */
export type HeldLog = LibraryLog

/** Where a log stands to a checkpoint that its key signed, of at most its own size. */
export type Placed =
  | { readonly lies: 'within' }
  /** It signed two histories; leaf and path show the other root, where the sizes differ. */
  | {
      readonly lies: 'beside'
      readonly newer: Uint8Array
      readonly leaf?: Uint8Array
      readonly path: readonly Uint8Array[]
    }

export function sizeOf(log: Pick<HeldLog, 'head'>): number {
  return log.head?.size ?? 0
}

/** Is the log's beginning what the checkpoint says? @param checkpoint of a size up to that of the log */
export async function placed(
  log: HeldLog,
  checkpoint: { readonly size: number; readonly root: Uint8Array },
): Promise<Placed> {
  const { head } = log
  const { size, root } = checkpoint
  if (head === undefined || size === 0) return { lies: 'within' }
  invariant(size <= head.size, 'a checkpoint is placed within what is here')
  if (size === head.size) {
    return sameBytes(root, head.root) ? { lies: 'within' } : { lies: 'beside', newer: head.note, path: [] }
  }
  const [entry, path] = await Promise.all([log.reader.entry(size), log.reader.inclusion(size, head.size)])
  invariant(entry !== undefined, 'entries below the head are there')
  const leaf = sha256Tree.leaf(entry)
  invariant(includes(sha256Tree, size, head.size, leaf, path, head.root), 'a log proves its own entries')
  const within = sameBytes(frontierRoot(frontierBefore(size, head.size, path), sha256Tree), root)
  return within ? { lies: 'within' } : { lies: 'beside', newer: head.note, leaf, path }
}
