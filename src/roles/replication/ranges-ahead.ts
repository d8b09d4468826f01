import type { Refusal } from '../../core/refusal.js'
import { RANGES_AHEAD } from './constants.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { Range } from './range-intake.js'

/**
 * Ranges of one log from one coordinator, one after the other; the next ones are asked for while the first is
 * still being used. Where a range ends is known with its first piece, and the next ask goes out then.
 */
export class RangesAhead {
  readonly #source: Pick<CoordinatorLink, 'range'>
  readonly #origin: string
  readonly #reaches: () => number
  readonly #line: Promise<Range | Refusal>[] = []
  /** Where the next ask begins; undefined = how far the last one goes is not known yet. */
  #next: number | undefined

  /** @param reaches entries that the coordinator says it holds, as of now */
  constructor(
    source: Pick<CoordinatorLink, 'range'>,
    log: { readonly origin: string; readonly from: number },
    reaches: () => number,
  ) {
    this.#source = source
    this.#origin = log.origin
    this.#next = log.from
    this.#reaches = reaches
  }

  /** Nothing is checked: ranges follow one another if the coordinator keeps to the protocol. */
  take(): Promise<Range | Refusal> | undefined {
    this.#ask()
    const first = this.#line.shift()
    this.#ask()
    return first
  }

  #ask(): void {
    const from = this.#next
    if (from === undefined || from >= this.#reaches() || this.#line.length >= RANGES_AHEAD) return
    this.#next = undefined
    const begun = (size: number): void => {
      this.#next = size
      this.#ask()
    }
    this.#line.push(this.#source.range(this.#origin, from, begun))
  }
}
