import { hexOf } from '../../core/ledger/hex.js'
import { isMalformed } from '../../wire/frame.js'
import { decodeEntry, derivedEntryId, type Entry } from '../../wire/ledger/entry.js'
import type { LibraryLog, LogLibrary } from '../ledger/log-library.js'
import { type EntryPlace, logBefore, placeOf } from './line-entries.js'

/** Entries read at once while one is looked for. */
const STEP = 256

/**
 * The entry that last changed what became of a task: its settlement, its release, or else its hold. Ends are
 * found by their ids; a hold is looked for from the end of the log on: what has not ended is seldom old.
 *
 * @param task `<account>:<id>`
 * @returns undefined = neither the log nor those of earlier epochs have one that is durable here
 */
export async function lastEntryOf(
  log: LibraryLog,
  task: string,
  library: LogLibrary,
  signal: AbortSignal,
): Promise<EntryPlace | undefined> {
  const { state } = log
  const hold = state.get('hold', task)
  if (hold === undefined) return undefined
  for (const kind of ['settle', 'release'] as const) {
    const id = derivedEntryId(kind, task, String(hold.fence))
    const known = state.get('entry', `${kind}/${hexOf(id)}`)
    const place = known && placeOf(log, known.index, library)
    if (place !== undefined && place.index < place.log.reader.size) return place
  }
  let size = log.reader.size
  for (let at: LibraryLog | undefined = log; at !== undefined; ) {
    const index = await lastAbout(at, task, size, signal)
    if (index !== undefined) return { log: at, index }
    size = at.state.get('line', '')?.size ?? 0
    at = logBefore(at, library)
  }
  return undefined
}

async function lastAbout(
  { reader }: LibraryLog,
  task: string,
  size: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  for (let to = Math.min(size, reader.size); to > 0; to -= STEP) {
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
