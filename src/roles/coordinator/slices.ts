import { ownerOf } from '../../core/ledger/account-name.js'
import type { Posting } from '../../core/ledger/draft.js'
import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import { SLICE_LOOKS } from './constants.js'
import type { TaskLog } from './ledger-accounting.js'
import { sendHome } from './send-home.js'

interface Components {
  readonly clock: Clock
  readonly log: Log
  /** The own log. */
  readonly ledger: TaskLog
}

interface Init {
  /** After so long a slice that nothing was spent from goes home. */
  readonly idleMs: number
}

/** A slice that has credits. */
export interface SliceView {
  /** Whose it is, without the home that spends it. */
  readonly account: string
  /** The home that it came from, and goes back to. */
  readonly home: string
  /** Microcredits that can be spent. */
  readonly amount: bigint
  /** Since something was put in, spent or reserved, as far as this process has seen. */
  readonly idleMs: number
}

/**
 * Slices of other homes' accounts that are spent here. One that lies idle goes home, so that no credits stay
 * where nobody uses them.
 */
export class Slices {
  readonly #components: Components
  readonly #init: Init
  /** By slice: when credits of it moved last, by a clock that never goes back. */
  readonly #movedMs = new Map<string, number>()
  #lookedMs: number

  constructor(components: Components, init: Init) {
    this.#components = components
    this.#init = init
    this.#lookedMs = components.clock.monotonicMs()
  }

  /** An entry of the own log moved these; at the start, all that there is. */
  moved(postings: Iterable<Posting>): void {
    for (const { account } of postings) {
      if (isSlice(account)) this.#movedMs.set(account, this.#components.clock.monotonicMs())
    }
  }

  /** Gives back what has been idle for long. Costs next to nothing when called often. */
  look(): void {
    const nowMs = this.#components.clock.monotonicMs()
    const { idleMs } = this.#init
    if (nowMs - this.#lookedMs < idleMs / SLICE_LOOKS) return
    this.#lookedMs = nowMs
    for (const [slice, movedMs] of this.#movedMs) {
      if (nowMs - movedMs >= idleMs) this.giveBack(slice)
    }
  }

  /** Those that have credits, by account. */
  list(): readonly SliceView[] {
    const nowMs = this.#components.clock.monotonicMs()
    const { view } = this.#components.ledger
    return [...this.#movedMs].toSorted().flatMap(([slice, movedMs]) => {
      const account = ownerOf(slice)
      const amount = view.get('balance', slice) ?? 0n
      const home = view.get('account', account)?.home
      return amount === 0n || home === undefined ? [] : [{ account, home, amount, idleMs: nowMs - movedMs }]
    })
  }

  /**
   * Gives back what is left of a slice; what is reserved for tasks stays.
   *
   * @returns microcredits, 0 = nothing was left; or why the log does not take it
   */
  giveBack(slice: string): bigint | Refusal {
    const { clock, log } = this.#components
    const sent = sendHome(this.#components, slice)
    this.#movedMs.delete(slice)
    if (isRefusal(sent)) {
      // It is looked at again when it has been idle for as long once more.
      this.#movedMs.set(slice, clock.monotonicMs())
      log.warn('slice-not-returned', { slice, code: sent.code, detail: sent.detail })
    } else if (sent > 0n) log.info('slice-returned', { slice, amount: String(sent) })
    return sent
  }
}

function isSlice(account: string): boolean {
  return account.includes('@')
}
