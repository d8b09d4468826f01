import type { Range, Store, Write } from '../../ports/store.js'
import { COMMIT_ENTRIES } from './constants.js'
import type { LogKeys } from './log-keys.js'

/** Removes all of a log but its flag, which says that it is not whole meanwhile. */
export function wipeLog(store: Store, keys: LogKeys): Promise<void> {
  return wipeRange(store, keys.all, keys.flag)
}

/** Removes what follows from a log's entries, damaged or not: state, tiles, wallet rows. */
export async function wipeDerived(store: Store, keys: LogKeys): Promise<void> {
  for (const range of [keys.state, keys.tiles, keys.walletRows]) await wipeRange(store, range)
  await store.commit([
    { type: 'del', key: keys.walletMark },
    { type: 'del', key: keys.verified },
  ])
}

async function wipeRange(store: Store, range: Range, but?: string): Promise<void> {
  let dels: Write[] = []
  for await (const [key] of store.range({ ...range, keysOnly: true })) {
    if (key !== but) dels.push({ type: 'del', key })
    if (dels.length < COMMIT_ENTRIES) continue
    await store.commit(dels)
    dels = []
  }
  await store.commit(dels)
}
