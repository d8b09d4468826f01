import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import { earlierIn } from '../ledger/continued-mirror.js'
import type { LogLibrary } from '../ledger/log-library.js'
import { lineBefore, readGenesis } from '../ledger/log-line.js'
import { type HeldLog, placed, sizeOf } from './held-log.js'

/**
 * How far a coordinator went along with a log itself: what it cosigned last, or, of its own, what became
 * final.
 */
interface Stand {
  readonly size: number
  readonly root: Uint8Array
}

/** An earlier epoch of the same home. */
export interface EarlierEpoch {
  readonly origin: string
  /** Undefined = nothing of it was cosigned here. */
  readonly stand: Stand | undefined
}

/**
 * May a log of a later epoch be cosigned by who went along with the earlier ones so far? Only if it goes on
 * from no less: of any two quorums one honest coordinator is in both, so that no cut becomes final that
 * leaves out what was final before, whoever began the log.
 *
 * @param held the log, with its first entry @param library all logs that are here
 * @returns why not
 */
export async function cutFault(
  held: HeldLog,
  earlier: readonly EarlierEpoch[],
  library: Pick<LogLibrary, 'find'>,
): Promise<Refusal | undefined> {
  const genesis = readGenesis(await held.reader.entry(0))
  if (genesis === undefined) return refusal('entry-conflict', `${held.key.name} has no beginning here`)
  const line = await lineBefore(genesis.continues, earlierIn(library))
  if (isRefusal(line)) return line
  const counts = new Map(line.map(({ cut }) => [cut.origin, cut.size]))
  for (const { origin, stand } of earlier) {
    if (stand === undefined || stand.size === 0) continue
    const size = counts.get(origin) ?? 0
    if (stand.size > size) {
      const detail = `${held.key.name} goes on from ${size} of ${origin}, ${stand.size} were cosigned here`
      return refusal('entry-conflict', detail, { retryAfterMs: RETRY_MS })
    }
    const log = library.find(origin)
    const isHere = log !== undefined && sizeOf(log) >= stand.size
    if (isHere && (await placed(log, stand)).lies === 'within') continue
    return refusal('entry-conflict', `${held.key.name} goes on from another ${origin} than was cosigned here`)
  }
  return undefined
}

/**
 * Before it is asked again: with those who may cosign it it becomes final, and then it is cosigned here, too.
 */
const RETRY_MS = 5_000
