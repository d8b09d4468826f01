import { indexOf } from '../../core/ledger/line.js'
import { logOrigin } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import { decodeEntry, type EntryKind, type EntryOf } from '../../wire/ledger/entry.js'
import type { LibraryLog, LogLibrary } from '../ledger/log-library.js'

/** Where an entry stands. */
export interface EntryPlace {
  readonly log: LibraryLog
  /** In that log. */
  readonly index: number
}

/** The log that another goes on with; undefined = it is the first of its home, or the one before is not here. */
export function logBefore({ state }: LibraryLog, library: LogLibrary): LibraryLog | undefined {
  const { network, home } = state.get('log', '') ?? {}
  const { epoch = 0 } = state.get('line', '') ?? {}
  return network === undefined || home === undefined || epoch === 0
    ? undefined
    : library.find(logOrigin(network, home, epoch))
}

/**
 * Where the entry is whose position a log's record tells: in that log, or in one of an earlier epoch.
 *
 * @returns undefined = that log is not here
 */
export function placeOf(log: LibraryLog, position: number, library: LogLibrary): EntryPlace | undefined {
  for (let at: LibraryLog | undefined = log; at !== undefined; at = logBefore(at, library)) {
    const index = indexOf(at.state, position)
    if (index !== undefined) return { log: at, index }
  }
  return undefined
}

/** What an earlier epoch has written is final with the first entry of the log that goes on with it. */
export function isFinal(
  { state, key }: Pick<LibraryLog, 'state' | 'key'>,
  position: number,
  library: LogLibrary,
) {
  return (indexOf(state, position) ?? 0) < library.finalSize(key.name)
}

/** @returns undefined = there is no such entry, or not of this kind */
export async function entryAt<Kind extends EntryKind>(
  place: EntryPlace | undefined,
  kind: Kind,
): Promise<EntryOf<Kind> | undefined> {
  const bytes = place === undefined ? undefined : await place.log.reader.entry(place.index)
  const entry = bytes && decodeEntry(bytes)
  // Its kind is what says that it is of it.
  return entry === undefined || isMalformed(entry) || entry.kind !== kind
    ? undefined
    : (entry as EntryOf<Kind>)
}
