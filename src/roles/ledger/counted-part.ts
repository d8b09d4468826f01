import type { LineRecord } from '../../core/ledger/records.js'
import { logOrigin } from '../../wire/checkpoint.js'
import type { LogStates } from './log-library.js'

interface Epoch {
  readonly network: string
  readonly home: string
  readonly epoch: number
}

/** How many entries of a log count, and the root over them. */
export type CountedPart = Pick<LineRecord, 'size' | 'root'>

/** All of a log whose home was not handed over. */
const ALL: CountedPart = { size: Number.POSITIVE_INFINITY, root: undefined }
/** Of a log that was gone past, as nothing of it was final. */
const NOTHING: CountedPart = { size: 0, root: undefined }

/**
 * What counts of a log, as the logs of later epochs say whose beginning is final: all of the latest one, of
 * an earlier one what was gone on from.
 *
 * @param latest epoch of the home, as whoever asks knows it
 * @returns undefined = it cannot be told yet
 */
export function countedPart(
  states: LogStates | undefined,
  log: Epoch,
  latest: number,
): CountedPart | undefined {
  if (latest <= log.epoch) return ALL
  for (let epoch = latest; epoch > log.epoch; epoch--) {
    if ((states?.finalSize(logOrigin(log.network, log.home, epoch)) ?? 0) === 0) continue
    const part = partIn(states, log, epoch)
    if (part !== undefined) return part
  }
  return undefined
}

/** What the line of logs that ends with this epoch has of the log. */
function partIn(
  states: LogStates | undefined,
  { network, home, epoch }: Epoch,
  from: number,
): CountedPart | undefined {
  for (let at = from; at > epoch; ) {
    const line = states?.find(logOrigin(network, home, at))?.state.get('line', '')
    if (line === undefined) return undefined
    if (line.epoch === epoch) return line
    at = line.epoch
  }
  return NOTHING
}
