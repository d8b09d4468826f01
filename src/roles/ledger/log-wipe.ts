import type { Store, Write } from '../../ports/store.js'
import { COMMIT_ENTRIES } from './constants.js'
import type { LogKeys } from './log-keys.js'

/** Removes all of a log but its flag, which says that it is not whole meanwhile. */
export async function wipeLog(store: Store, keys: LogKeys): Promise<void> {
  let dels: Write[] = []
  for await (const [key] of store.range(keys.all)) {
    if (key !== keys.flag) dels.push({ type: 'del', key })
    if (dels.length < COMMIT_ENTRIES) continue
    await store.commit(dels)
    dels = []
  }
  await store.commit(dels)
}
