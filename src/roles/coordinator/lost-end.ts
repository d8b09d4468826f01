import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { LogReach } from '../../ports/log-reach.js'
import type { Store } from '../../ports/store.js'
import { readLogOrigin } from '../../wire/checkpoint.js'
import { noteKey } from '../../wire/note-key.js'
import { publicKeyOf } from '../../wire/peer-id.js'
import { type LogKeys, logKeys } from '../ledger/log-keys.js'
import { readHead, treeSource } from '../ledger/log-open.js'
import { loadTree } from '../ledger/log-tree.js'
import { writtenPrefix } from '../replication/log-name.js'

/** A log of which the store has not what was durable in it before. */
export interface LostEnd {
  readonly origin: string
  readonly keys: LogKeys
  /** Entries that are here now. */
  readonly here: number
  /** Entries that were durable. */
  readonly before: number
}

/**
 * Compares the logs that are written here with how far they were durable before. LevelDB drops the damaged
 * head of its own log without an error, and then is whole, and older than it was.
 *
 * @param init.self peer id of this coordinator
 * @throws EdgeCoderError `store-corrupt` when the head of a log cannot be read, `store-failed`
 */
export async function findLostEnds(
  { store, reach }: { readonly store: Store; readonly reach: Pick<LogReach, 'known'> },
  { networkId, self }: { readonly networkId: string; readonly self: string },
): Promise<readonly LostEnd[]> {
  const publicKey = publicKeyOf(self)
  const lost: LostEnd[] = []
  for (const [origin, { size: before, root }] of reach.known) {
    if (publicKey === undefined || readLogOrigin(origin)?.network !== networkId) continue
    const keys = logKeys(writtenPrefix(networkId, self, origin))
    const head = await readHead({ store, keys }, noteKey('note', origin, publicKey))
    const here = head?.size ?? 0
    // Where tiles or entries are missing below its head, opening the log says so.
    const then = here < before ? undefined : await loadTree(treeSource({ store, keys }), before)
    const isSame = then === undefined ? here >= before : sameBytes(then.root, root)
    if (!isSame) lost.push({ origin, keys, here, before })
  }
  return lost
}

/** Why such a log is not gone on with. @param alone there is no other coordinator */
export function lostEndRefusal({ origin, here, before }: LostEnd, alone: boolean): Refusal {
  const what =
    here < before
      ? `has ${here} entries here, of ${before} that were durable`
      : `has other entries here than the first ${before} that were durable`
  const detail = `${origin} ${what}: its store has lost what came last, as by damage of the disk`
  return refusal('log-unconfirmed', detail, {
    next:
      (alone ? 'Stop' : 'What the other coordinators hold comes back by itself. If that is not all: stop') +
      ' the node, and edgecoder backup restore FILE --policy FOLDER. ' +
      'To give up the entries that are missing, and the credits in them: edgecoder ledger confirm --yes',
  })
}
