import { ownerOf } from '../../core/ledger/account-name.js'
import type { Posting } from '../../core/ledger/draft.js'
import { nextPosition } from '../../core/ledger/line.js'
import { isRefusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Store } from '../../ports/store.js'
import { derivedEntryId, type EntryOf } from '../../wire/ledger/entry.js'
import { logKeys } from '../ledger/log-keys.js'
import { SLICE_IDLE_MS, SLICE_LOOK_MS } from './constants.js'
import type { TaskLog } from './ledger-accounting.js'

interface Components {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** The own log. */
  readonly ledger: TaskLog
}

/**
 * Slices of other homes' accounts that are spent here. One that lies idle goes home, so that no credits stay
 * where nobody uses them.
 */
export class Slices {
  readonly #components: Components
  readonly #prefix: string
  /** By slice: when credits of it moved last, by a clock that never goes back. */
  readonly #movedMs = new Map<string, number>()
  #lookedMs: number

  /** @param prefix of the own log's keys in the store */
  constructor(components: Components, prefix: string) {
    this.#components = components
    this.#prefix = prefix
    this.#lookedMs = components.clock.monotonicMs()
  }

  /** Finds the slices that have credits. @throws EdgeCoderError of the store */
  async start(): Promise<void> {
    const keys = logKeys(this.#prefix)
    const nowMs = this.#components.clock.monotonicMs()
    for await (const [key] of this.#components.store.range(keys.records('balance'))) {
      const account = keys.recordIn('balance', key)
      if (isSlice(account)) this.#movedMs.set(account, nowMs)
    }
  }

  /** An entry of the own log moved these. */
  moved(postings: readonly Posting[]): void {
    for (const { account } of postings) {
      if (isSlice(account)) this.#movedMs.set(account, this.#components.clock.monotonicMs())
    }
  }

  /** Gives back what has been idle for long. Costs next to nothing when called often. */
  look(): void {
    const nowMs = this.#components.clock.monotonicMs()
    if (nowMs - this.#lookedMs < SLICE_LOOK_MS) return
    this.#lookedMs = nowMs
    for (const [slice, movedMs] of this.#movedMs) {
      if (nowMs - movedMs >= SLICE_IDLE_MS) this.#giveBack(slice)
    }
  }

  #giveBack(slice: string): void {
    const { ledger, clock, log } = this.#components
    const amount = ledger.view.get('balance', slice) ?? 0n
    const toHome = ledger.view.get('account', ownerOf(slice))?.home
    this.#movedMs.delete(slice)
    if (amount === 0n || toHome === undefined) return
    const id = derivedEntryId('return', slice, String(nextPosition(ledger.view)))
    const entry: EntryOf<'return'> = {
      kind: 'return',
      id,
      timeMs: clock.nowMs(),
      account: slice,
      toHome,
      amount,
    }
    const outcome = ledger.append({ kind: 'return', entry, evidence: undefined })
    if (!isRefusal(outcome)) log.info('slice-returned', { slice, toHome, amount: String(amount) })
    else log.warn('slice-not-returned', { slice, code: outcome.code, detail: outcome.detail })
  }
}

function isSlice(account: string): boolean {
  return account.includes('@')
}
