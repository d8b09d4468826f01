import { EdgeCoderError } from '../../core/errors.js'
import { type Refusal, refusal, toWire } from '../../core/refusal.js'
import type { Log } from '../../ports/log.js'
import type { LogPart } from '../ledger/log-reader.js'
import { PIECE_BYTES, PIECE_ENTRIES, RANGES_SERVED, RANGES_WAITING } from './constants.js'
import type { CoordinatorLink } from './coordinator-link.js'
import { type HeldLog, sizeOf } from './held-log.js'

interface RangeAsked {
  readonly ask: number
  readonly origin: string
  readonly from: bigint
}

/** What one coordinator has asked for. */
interface Served {
  running: number
  readonly waiting: RangeAsked[]
}

/** Reads entries for other coordinators; each gets as fast as it takes them. */
export class RangeDesk {
  readonly #log: Log
  readonly #held: (origin: string) => HeldLog | undefined
  readonly #serving = new Map<CoordinatorLink, Served>()

  constructor(log: Log, held: (origin: string) => HeldLog | undefined) {
    this.#log = log
    this.#held = held
  }

  ask(link: CoordinatorLink, asked: RangeAsked): void {
    const served = this.#serving.get(link) ?? { running: 0, waiting: [] }
    if (served.waiting.length >= RANGES_WAITING) {
      const why = `${RANGES_WAITING} ranges that you asked for wait`
      refuse(link, asked.ask, refusal('rate-limited', why, { retryAfterMs: 1_000 }))
      return
    }
    served.waiting.push(asked)
    this.#serving.set(link, served)
    this.#next(link, served)
  }

  #next(link: CoordinatorLink, served: Served): void {
    while (served.running < RANGES_SERVED) {
      const asked = served.waiting.shift()
      if (asked === undefined) break
      served.running++
      void this.#answer(link, asked).finally(() => {
        served.running--
        this.#next(link, served)
      })
    }
    if (served.running === 0) this.#serving.delete(link)
  }

  async #answer(link: CoordinatorLink, { ask, origin, from }: RangeAsked): Promise<void> {
    // What waited may have waited in vain.
    if (!(await link.room())) return
    const held = this.#held(origin)
    if (held === undefined || from >= BigInt(sizeOf(held))) {
      refuse(link, ask, refusal('not-found', `nothing of ${origin} from ${from} on is here`))
    } else await this.#serve(link, ask, held, Number(from))
  }

  async #serve(link: CoordinatorLink, ask: number, { reader }: HeldLog, from: number): Promise<void> {
    try {
      for await (const part of reader.parts(from)) {
        await send(link, ask, part, await reader.inclusion(from, from + part.entries.length))
        return
      }
    } catch (cause) {
      if (!(cause instanceof EdgeCoderError)) throw cause
      this.#log.error('range-unreadable', { error: cause })
      refuse(link, ask, refusal(cause.code, 'the log cannot be read here'))
    }
  }
}

async function send(
  link: CoordinatorLink,
  ask: number,
  { entries, checkpoint }: LogPart,
  path: readonly Uint8Array[],
): Promise<void> {
  let first = true
  for (const piece of pieces(entries)) {
    const proof = first ? { checkpoint, path: [...path] } : {}
    first = false
    const flows = link.say({ case: 'rangePiece', value: { ask, entries: piece, ...proof } })
    if (!flows && !(await link.room())) return
  }
}

function* pieces(entries: readonly Uint8Array[]): Iterable<Uint8Array[]> {
  let piece: Uint8Array[] = []
  let bytes = 0
  for (const entry of entries) {
    if (piece.length >= PIECE_ENTRIES || (piece.length > 0 && bytes + entry.length > PIECE_BYTES)) {
      yield piece
      piece = []
      bytes = 0
    }
    piece.push(entry)
    bytes += entry.length
  }
  if (piece.length > 0) yield piece
}

function refuse(link: CoordinatorLink, ask: number, why: Refusal): void {
  link.say({ case: 'rangeRefused', value: { ask, why: toWire(why) } })
}
