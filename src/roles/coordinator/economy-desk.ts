import { MILLION } from '../../core/economy/fixed-point.js'
import type { IssuanceFigures } from '../../core/economy/issuance-window.js'
import { BURN, feeAccount, ISSUANCE, RESERVE, TREASURY } from '../../core/ledger/account-name.js'
import { indexOf } from '../../core/ledger/line.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { issuedSinceMs } from '../../core/ledger/rules/issuance.js'
import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Metrics } from '../../ports/metrics.js'
import { nextIssuanceWindow, nextIssues, nextWorkWindow } from '../ledger/economy-wishes.js'
import {
  closingHome,
  epochOf,
  homeLogs,
  homesOf,
  type IssuanceSources,
  inputsNow,
  presentFigures,
} from '../ledger/issuance-evidence.js'
import type { Wish } from '../ledger/log-writer.js'
import { chainGate } from '../policy/incident-policy.js'
import type { TaskLog } from './ledger-accounting.js'

interface Components extends IssuanceSources {
  readonly ledger: Pick<TaskLog, 'view' | 'append'>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

/** The open issuance window, as if it were closed now. */
export interface Recalculation {
  readonly figures: IssuanceFigures
  /** Wall clock. */
  readonly atMs: number
}

/**
 * Closes issuance windows: when one is due each home closes what was worked in its log, the home that closes
 * for the network divides new credits for it, and each home makes those of its own accounts. Nothing is
 * written when nobody has worked.
 */
export class EconomyDesk {
  readonly #components: Components
  readonly #gauges: ReturnType<typeof gaugesOf>
  #recalculated: Recalculation | undefined
  /** Issuance windows up to here were paid, or give nothing to accounts of this home. */
  #paid: number | undefined

  constructor(components: Components) {
    this.#components = components
    this.#gauges = gaugesOf(components.metrics)
  }

  /** What the open window came to when it was computed last. */
  get recalculated(): Recalculation | undefined {
    return this.#recalculated
  }

  /** Does what is due now; called every few seconds. What is appended goes with the next commit. */
  round(): void {
    const { ledger, clock } = this.#components
    if (ledger.view.get('log', '') === undefined) return
    const nowMs = clock.nowMs()
    const dueMs = this.#dueMs()
    if (dueMs !== undefined && nowMs >= dueMs) {
      this.#closeWork(nowMs, dueMs)
      this.#closeIssuance(nowMs, dueMs)
    }
    this.#pay(nowMs)
    this.#recalculate(nowMs)
  }

  /** When the open issuance window may be closed; undefined = the log that closes it is not here. */
  #dueMs(): number | undefined {
    const { view } = this.#components.ledger
    const windowMs = view.get('policy', '')?.terms.issuance.windowMs
    const closer = this.#closer
    return closer && windowMs !== undefined ? issuedSinceMs(closer.state) + windowMs : undefined
  }

  get #closer() {
    const { ledger, chain } = this.#components
    const home = closingHome(chain)
    return home === undefined
      ? undefined
      : homeLogs(ledger.view, this.#components)(home, epochOf(ledger.view, home))
  }

  /** Once for each issuance window. */
  #closeWork(nowMs: number, dueMs: number): void {
    const { view } = this.#components.ledger
    if ((view.get('tally', '')?.sinceMs ?? dueMs) >= dueMs) return
    const wish = nextWorkWindow(view, nowMs)
    if (wish !== undefined) this.#append(wish)
  }

  #closeIssuance(nowMs: number, dueMs: number): void {
    const { ledger, chain } = this.#components
    const { view } = ledger
    if (view.get('log', '')?.home !== closingHome(chain) || this.#waits(nowMs, dueMs)) return
    const inputs = inputsNow(view, this.#components)
    const before = view.get('issuance', '')?.inputs ?? []
    const isNew = inputs.some(
      ({ home, window }) => before.find((old) => old.home === home)?.window !== window,
    )
    if (!isNew) return
    const wish = nextIssuanceWindow(view, inputs, nowMs, this.#components)
    if (isRefusal(wish)) this.#refused('issuance-window', wish)
    else this.#append(wish)
  }

  /** Other homes get some time to close what was worked there; later it counts into the next window. */
  #waits(nowMs: number, dueMs: number): boolean {
    const { ledger, chain } = this.#components
    const { view } = ledger
    const patienceMs = view.get('policy', '')?.terms.issuance.recalculateMs ?? 0
    if (nowMs >= dueMs + patienceMs) return false
    const logs = homeLogs(view, this.#components)
    return homesOf(chain).some((home) => {
      const log = logs(home, epochOf(view, home))
      const tally = log?.state.get('tally', '')
      if (log === undefined || tally === undefined || log.asks) return false
      const closed = log.state.get('work', String(tally.window - 1))
      const pending = closed !== undefined && (indexOf(log.state, closed.index) ?? 0) >= log.finalSize
      return pending || (tally.contributors > 0 && tally.sinceMs < dueMs)
    })
  }

  /** One window a round: there are many only after a long absence. */
  #pay(nowMs: number): void {
    const { view } = this.#components.ledger
    const last = this.#closer?.state.get('issuance', '')?.window ?? -1
    const window = (this.#paid ?? paidBefore(view.get('window', ''))) + 1
    if (window > last) return
    // It is paid once that is reopened: windows are closed meanwhile, and none is forgotten.
    if (chainGate(this.#components.chain)(view, 'payouts') !== undefined) return
    const wishes = nextIssues(view, window, nowMs, this.#components)
    if (isRefusal(wishes)) {
      if (wishes.code !== 'not-final') this.#refused('issue', wishes)
      return
    }
    if (wishes.every((wish) => this.#append(wish))) this.#paid = window
  }

  #append(wish: Wish): boolean {
    const outcome = this.#components.ledger.append(wish)
    if (!isRefusal(outcome)) return true
    this.#refused(wish.kind, outcome)
    return false
  }

  #refused(kind: string, { code, detail }: Refusal): void {
    this.#components.log.error('economy-not-entered', { kind, code, detail })
  }

  #recalculate(nowMs: number): void {
    const { view } = this.#components.ledger
    const every = view.get('policy', '')?.terms.issuance.recalculateMs ?? 0
    const pricing = view.get('pricing', '')
    const { home = '' } = view.get('log', '') ?? {}
    if (pricing !== undefined) this.#gauges.multiplier.set(ratio(pricing.multiplier), { home })
    for (const [part, amount] of supplyOf(view)) this.#gauges.supply.set(ratio(amount), { part, home })
    if (this.#recalculated !== undefined && nowMs - this.#recalculated.atMs < every) return
    const figures = presentFigures(view, this.#components)
    if (figures === undefined) return
    this.#recalculated = { figures, atMs: nowMs }
    this.#gauges.load.set(ratio(figures.load), { home })
    this.#gauges.pool.set(ratio(figures.pool), { home })
  }
}

function paidBefore(record: { readonly window: number; readonly closed: boolean } | undefined): number {
  if (record === undefined) return -1
  return record.closed ? record.window : record.window - 1
}

/** Millionths as a ratio, microcredits as credits: for people's charts only. */
function ratio(millionths: bigint): number {
  return Number(millionths) / Number(MILLION)
}

/** What can be told without reading all balances. */
function supplyOf(view: LedgerView): readonly (readonly [part: string, amount: bigint])[] {
  const balance = (account: string): bigint => view.get('balance', account) ?? 0n
  return [
    ['issued', -balance(ISSUANCE)],
    ['burnt', balance(BURN)],
    ['treasury', balance(TREASURY)],
    ['reserve', balance(RESERVE)],
    ['fees', balance(feeAccount(view.get('log', '')?.coordinator ?? ''))],
  ]
}

/** A coordinator may write the logs of several homes. */
function gaugesOf(metrics: Metrics) {
  return {
    multiplier: metrics.gauge(
      'edgecoder_economy_multiplier_ratio',
      'Multiplier of the open pricing window.',
      ['home'],
    ),
    load: metrics.gauge('edgecoder_economy_load_ratio', 'Smoothed load, if the issuance window closed now.', [
      'home',
    ]),
    pool: metrics.gauge('edgecoder_economy_pool_credits', 'Pool, if the issuance window closed now.', [
      'home',
    ]),
    supply: metrics.gauge('edgecoder_economy_supply_credits', 'Credits of a log by part.', ['part', 'home']),
  }
}
