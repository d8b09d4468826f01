import { join } from 'node:path'
import { FIRST_EPOCH } from '../core/ledger/line.js'
import { isRefusal, type Refusal, refusal } from '../core/refusal.js'
import { logKeys } from '../roles/ledger/log-keys.js'
import { LogReader } from '../roles/ledger/log-reader.js'
import { type RebuildOptions, rebuildLog } from '../roles/ledger/log-rebuild.js'
import { LogTree } from '../roles/ledger/log-tree.js'
import { mirrorPrefix, REPLICAS, writtenPrefix } from '../roles/replication/log-name.js'
import { openLevelStore } from '../services/store/level-store.js'
import { logOrigin } from '../wire/checkpoint.js'
import { peerIdOf } from '../wire/peer-id.js'
import { peerIdIn } from './backup-files.js'
import type { LedgerKeys } from './ledger-keys.js'

/** What a rebuild did. */
export interface RebuiltLog {
  readonly origin: string
  /** Entries that all was made anew from. */
  readonly entries: number
}

/**
 * Makes all that follows from the entries of a log anew, in the data folder of a coordinator that is stopped.
 *
 * @param wanted name of the log; left out = the one that the coordinator wrote first
 * @returns as `rebuildLog`; `not-found` also when policy does not say who writes it
 * @throws EdgeCoderError `store-locked` while the node runs, `not-found` without its key, of the store
 */
export async function rebuildLedger(
  dataDir: string,
  keys: LedgerKeys & { readonly network: string },
  wanted: string | undefined,
  options: RebuildOptions = {},
): Promise<RebuiltLog | Refusal> {
  const coordinator = await peerIdIn(dataDir)
  const origin = wanted ?? logOrigin(keys.network, coordinator, FIRST_EPOCH)
  const placeOf = (name: string) => {
    const key = keys.keyOf(name)
    if (key === undefined) return undefined
    const isWritten = peerIdOf(key.publicKey) === coordinator
    const prefix = isWritten ? writtenPrefix(keys.network, coordinator, name) : mirrorPrefix(REPLICAS, name)
    return { key, prefix }
  }
  const [log, evidence] = [placeOf(origin), keys.evidence()]
  if (log === undefined || evidence === undefined) {
    return refusal('not-found', `policy does not say who writes ${origin}`, {
      next: 'Name the newest policy folder of the network with --policy.',
    })
  }
  const store = await openLevelStore(join(dataDir, 'store'))
  try {
    const earlier = (name: string, size = Number.MAX_SAFE_INTEGER) => {
      const place = placeOf(name)
      if (place === undefined) return undefined
      const reader = new LogReader(store, logKeys(place.prefix), { head: undefined, tree: LogTree.EMPTY })
      return { key: place.key, size, entries: (from = 0, to = size) => reader.entries(from, to) }
    }
    const entries = await rebuildLog({ store, evidence, earlier }, log, options)
    return isRefusal(entries) ? entries : { origin, entries }
  } finally {
    await store.close()
  }
}
