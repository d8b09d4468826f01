import type { Range, Store, Write } from '../../ports/store.js'
import { COMMIT_ENTRIES } from './constants.js'
import type { LogKeys } from './log-keys.js'

/** Removes all of a log but its flag, which says that it is not whole meanwhile. */
export function wipeLog(store: Store, keys: LogKeys): Promise<void> {
  return wipe(store, keys.all, keys.flag)
}

/** Removes what follows from a log's entries, damaged or not: state, tiles, wallet rows. */
export async function wipeDerived(store: Store, keys: LogKeys): Promise<void> {
  for (const range of [keys.state, keys.tiles, keys.walletRows]) await wipe(store, range)
  await store.commit([
    { type: 'del', key: keys.walletMark },
    { type: 'del', key: keys.verified },
  ])
}

/** Deletes all keys of a range, in bounded commits. @param except one that stays */
export async function wipe(store: Store, range: Range, except?: string): Promise<void> {
  let dels: Write[] = []
  for await (const [key] of store.range({ ...range, keysOnly: true })) {
    if (key !== except) dels.push({ type: 'del', key })
    if (dels.length < COMMIT_ENTRIES) continue
    await store.commit(dels)
    dels = []
  }
  await store.commit(dels)
}
