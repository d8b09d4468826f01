import { logOrigin } from '../../wire/checkpoint.js'
import { mirrorPrefix } from '../replication/log-name.js'

/** A home's first log. Each hand-over begins another. */
export const FIRST_EPOCH = 1

/**
 * Where a log that is written here lies in the store: the first one of a coordinator's own home in a place of
 * its own, every other one under its name.
 *
 * @param self peer id of who writes it
 */
export function writtenPrefix(network: string, self: string, origin: string): string {
  return origin === logOrigin(network, self, FIRST_EPOCH) ? 'ledger|0' : mirrorPrefix('ledger|w', origin)
}
