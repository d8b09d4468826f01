import type { LedgerView } from './records.js'

/** Epoch of a home that was never handed over. */
export const FIRST_EPOCH = 1

/**
 * Entries of earlier epochs that the state of a log goes on from: positions in records are above it by an
 * entry's index.
 */
export function entriesBefore(view: LedgerView): number {
  // Asked for each entry, so a log of the first epoch, which has no such record, is not asked for it.
  const { epoch = FIRST_EPOCH } = view.get('log', '') ?? {}
  return epoch === FIRST_EPOCH ? 0 : (view.get('line', '')?.before ?? 0)
}

/** The index of what a record has the position of; undefined = it is in the log of an earlier epoch. */
export function indexOf(view: LedgerView, position: number): number | undefined {
  const index = position - entriesBefore(view)
  return index < 0 ? undefined : index
}

/** The position of the next entry: what makes an id of it unique in all logs of the line. */
export function nextPosition(view: LedgerView): number {
  return entriesBefore(view) + (view.get('log', '')?.size ?? 0)
}
