import { hexOf } from '../../core/ledger/hex.js'
import { isMalformed } from '../../wire/frame.js'
import { decodeEntry, derivedEntryId, type Entry } from '../../wire/ledger/entry.js'
import type { LibraryLog } from '../ledger/log-library.js'

/** Entries read at once while one is looked for. */
const STEP = 256

/**
 * The index of the entry that last changed what became of a task: its settlement, its release, or else its
 * hold. Ends are found by their ids; a hold is looked for from the end of the log on, since what has not
 * ended is seldom old.
 *
 * @param task `<account>:<id>`
 * @returns undefined = the log has none that is durable
 */
export async function lastEntryOf(
  { reader, state }: LibraryLog,
  task: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const hold = state.get('hold', task)
  if (hold === undefined) return undefined
  for (const kind of ['settle', 'release'] as const) {
    const id = derivedEntryId(kind, task, String(hold.fence))
    const known = state.get('entry', `${kind}/${hexOf(id)}`)
    if (known !== undefined && known.index < reader.size) return known.index
  }
  for (let to = reader.size; to > 0; to -= STEP) {
    const from = Math.max(0, to - STEP)
    let found: number | undefined
    let index = from
    for await (const encoded of reader.entries(from, to)) {
      const entry = decodeEntry(encoded)
      if (!isMalformed(entry) && isAbout(entry, task)) found = index
      index++
    }
    if (found !== undefined) return found
    signal.throwIfAborted()
  }
  return undefined
}

function isAbout(entry: Entry, task: string): boolean {
  switch (entry.kind) {
    case 'hold':
      return entry.rows.some((row) => row.task === task)
    case 'settle':
    case 'release':
      return entry.task === task
    default:
      return false
  }
}
