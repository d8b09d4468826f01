import type { LedgerView } from '../../core/ledger/records.js'
import type { NoteKey } from '../../wire/note-key.js'
import type { Head } from './log-open.js'
import type { LogReader } from './log-reader.js'

/** One log as it is on this disk, own or mirrored, up to its head. */
export interface LibraryLog {
  readonly key: NoteKey
  readonly reader: LogReader
  /** State at the head; of an own log, with what was appended and is not durable yet. */
  readonly state: LedgerView
  readonly head: Head | undefined
}

/** States of other logs: what issuance is computed from. */
export interface LogStates {
  /** @param origin `logOrigin(network, home, epoch)` @returns undefined when none of that name is here */
  find(origin: string): Pick<LibraryLog, 'state'> | undefined
  /** Entries of it that count; 0 = none, or it is not here. */
  finalSize(origin: string): number
}

/** The logs that are here: what statements about other logs are checked against. */
export interface LogLibrary extends LogStates {
  /** @param origin `logOrigin(network, home, epoch)` @returns undefined when none of that name is here */
  find(origin: string): LibraryLog | undefined
  /**
   * Entries of it that enough coordinators have cosigned, those that are not here yet among them; 0 = none,
   * or it is not here.
   */
  finalSize(origin: string): number
}
