import { logOrigin } from '../../wire/checkpoint.js'
import type { LogStates } from './log-library.js'

interface Epoch {
  readonly network: string
  readonly home: string
  readonly epoch: number
}

/**
 * How many entries of a log count, as the logs of later epochs say whose beginning is final: all of the
 * latest one, of an earlier one those that were gone on from.
 *
 * @param latest epoch of the home, as whoever asks knows it
 * @returns undefined = it cannot be told yet
 */
export function countedSize(states: LogStates | undefined, log: Epoch, latest: number): number | undefined {
  if (latest <= log.epoch) return Number.POSITIVE_INFINITY
  for (let epoch = latest; epoch > log.epoch; epoch--) {
    if ((states?.finalSize(logOrigin(log.network, log.home, epoch)) ?? 0) === 0) continue
    const size = sizeIn(states, log, epoch)
    if (size !== undefined) return size
  }
  return undefined
}

/** What the line of logs that ends with this epoch has of the log. */
function sizeIn(
  states: LogStates | undefined,
  { network, home, epoch }: Epoch,
  from: number,
): number | undefined {
  for (let at = from; at > epoch; ) {
    const line = states?.find(logOrigin(network, home, at))?.state.get('line', '')
    if (line === undefined) return undefined
    if (line.epoch === epoch) return line.size
    at = line.epoch
  }
  // It was gone past, as nothing of it was final.
  return 0
}
