import assert from 'node:assert'
import type { IssuanceFigures } from '../../core/economy/issuance-window.js'
import { quoteRates } from '../../core/economy/metering.js'
import { closeWindow, type NextWindow, type OpenWindow } from '../../core/economy/pricing-window.js'
import { type EconomyTerms, MODEL_CLASSES } from '../../core/economy/terms.js'
import { BURN, ISSUANCE, RESERVE, TREASURY } from '../../core/ledger/account-name.js'
import { miscount } from '../../core/ledger/facts.js'
import type { IssuanceRecord, LedgerView, PriceRecord } from '../../core/ledger/records.js'
import { issuedSinceMs } from '../../core/ledger/rules/issuance.js'
import { isRefusal } from '../../core/refusal.js'
import { logOrigin } from '../../wire/checkpoint.js'
import type { EntryOf } from '../../wire/ledger/entry.js'
import {
  closingHome,
  epochOf,
  figuresFields,
  homeLogs,
  type IssuanceSources,
  presentFigures,
  recountIssuance,
} from '../ledger/issuance-evidence.js'
import type { LogLibrary } from '../ledger/log-library.js'
import type {
  Economy,
  EconomyWindows,
  Fees,
  IssuanceView,
  OpenIssuanceView,
  PricesView,
  PriceView,
  SupplyView,
} from './economy.js'
import { entryAt, placeOf } from './line-entries.js'
import type { WrittenLog } from './written-log.js'
import type { WrittenLogs } from './written-logs.js'

interface Components extends IssuanceSources {
  readonly logs: WrittenLogs<WrittenLog>
  readonly library: () => LogLibrary
  readonly fees: Fees
}

/** What is shown of the economy: read from the ledger, and computed again each time. */
export class LedgerEconomy implements Economy {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  get fees(): Fees {
    return this.#components.fees
  }

  async windows(limit: number): Promise<EconomyWindows> {
    const { chain } = this.#components
    const [prices, issuances] = await Promise.all([this.#closedPrices(limit), this.#closedIssuances(limit)])
    const open = this.#openIssuance()
    return {
      pricing: { open: this.#openPrice(), closed: prices },
      issuance: {
        closer: closingHome(chain) ?? '',
        ...(open === undefined ? {} : { open }),
        closed: issuances,
      },
    }
  }

  prices(): PricesView {
    const terms = this.#terms
    const { window, startMs, multiplier } = this.#pricing
    const { leastMultiplier, mostMultiplier } = terms.pricing
    const { feeBasisPoints, treasuryBasisPoints } = terms
    return {
      policySequence: this.#view.get('policy', '')?.sequence ?? -1,
      list: terms.prices,
      window,
      startMs,
      multiplier,
      leastMultiplier,
      mostMultiplier,
      feeBasisPoints,
      treasuryBasisPoints,
      classes: MODEL_CLASSES.map((name) => ({
        name,
        factor: terms.classFactors[name],
        rates: quoteRates(terms, name, multiplier),
      })),
    }
  }

  async supply(): Promise<SupplyView> {
    const sums = { issued: 0n, burnt: 0n, treasury: 0n, reserve: 0n, fees: 0n, held: 0n, accounts: 0n }
    let [inTransit, sum] = [0n, 0n]
    for (const { desk } of this.#written) {
      for await (const [account, balance] of desk.balances()) {
        sum += balance
        if (account === ISSUANCE) sums.issued -= balance
        else if (account.startsWith('transit:')) inTransit += balance
        else sums[partOf(account)] += balance
      }
    }
    return { ...sums, inTransit, sum }
  }

  /** Of one whose every home was handed over, what it wrote last. */
  get #written(): readonly WrittenLog[] {
    const { serving, primary } = this.#components.logs
    return serving.length > 0 ? serving : [primary]
  }

  get #log(): WrittenLog {
    return this.#components.logs.primary
  }

  get #library(): LogLibrary {
    return this.#components.library()
  }

  get #view(): LedgerView {
    return this.#log.desk.view
  }

  get #terms(): EconomyTerms {
    const policy = this.#view.get('policy', '')
    assert(policy !== undefined, 'a log begins with its policy')
    return policy.terms
  }

  get #pricing(): OpenWindow {
    const pricing = this.#view.get('pricing', '')
    assert(pricing !== undefined, 'a log begins with a pricing window')
    return pricing
  }

  #openPrice() {
    const open = this.#pricing
    const { pricing } = this.#terms
    const now = closeWindow(open, open.startMs + pricing.windowMs, pricing)
    assert(now !== undefined, 'a window ends after its length')
    return seen(open, now)
  }

  async #closedPrices(limit: number): Promise<readonly PriceView[]> {
    const { log } = this.#log.desk
    const shown: PriceView[] = []
    let opened = this.#pricing.window
    while (shown.length < limit) {
      const record = this.#view.get('price', String(opened))
      if (record === undefined) break
      const place = placeOf(log, record.index, this.#library)
      // What is not durable yet is not shown.
      if (place !== undefined && place.index < place.log.reader.size) {
        shown.push(this.#closedPrice(record, place.index, await entryAt(place, 'price-window')))
      }
      opened = record.closed.window
    }
    return shown
  }

  #closedPrice(
    { closed, timeMs, sequence }: PriceRecord,
    index: number,
    entry: EntryOf<'price-window'> | undefined,
  ): PriceView {
    const terms = this.#components.chain.terms(sequence)
    const now = terms && closeWindow(closed, timeMs, terms.pricing)
    const equal = entry !== undefined && now !== undefined && miscount(entry, now) === undefined
    return { ...seen(closed, now ?? { demand: 0n, capacity: 0n, multiplier: 0n }), index, equal }
  }

  /** The log that closes issuance windows, as far as it is here. */
  get #closer() {
    const name = this.#view.get('log', '')
    const home = closingHome(this.#components.chain)
    if (name === undefined || home === undefined) return undefined
    const epoch = epochOf(this.#view, home)
    const isOwn = home === name.home && epoch === name.epoch
    const log = isOwn ? this.#log.desk.log : this.#library.find(logOrigin(name.network, home, epoch))
    return log && { log, logs: homeLogs(this.#view, this.#components) }
  }

  #openIssuance(): OpenIssuanceView | undefined {
    const closer = this.#closer
    const figures = presentFigures(this.#view, this.#components)
    if (closer === undefined || figures === undefined) return undefined
    const sinceMs = issuedSinceMs(closer.log.state)
    const recalculatedMs = this.#log.economy.recalculated?.atMs
    return {
      window: (closer.log.state.get('issuance', '')?.window ?? -1) + 1,
      ...issued(figures),
      sinceMs,
      dueMs: sinceMs + this.#terms.issuance.windowMs,
      ...(recalculatedMs === undefined ? {} : { recalculatedMs }),
    }
  }

  async #closedIssuances(limit: number): Promise<readonly IssuanceView[]> {
    const closer = this.#closer
    const shown: IssuanceView[] = []
    const last = closer?.log.state.get('issuance', '')?.window ?? -1
    for (let window = last; closer !== undefined && window >= 0 && shown.length < limit; window--) {
      const { state } = closer.log
      const record = state.get('issuance', String(window))
      if (record === undefined) break
      const place = placeOf(closer.log, record.index, this.#library)
      if (place === undefined || place.index >= place.log.reader.size) continue
      const entry = await entryAt(place, 'issuance-window')
      const figures = recountIssuance(state, record, this.#components.chain, closer.logs)
      shown.push(closedIssuance({ ...record, index: place.index }, entry, figures))
    }
    return shown
  }
}

function closedIssuance(
  record: IssuanceRecord,
  entry: EntryOf<'issuance-window'> | undefined,
  figures: ReturnType<typeof recountIssuance>,
): IssuanceView {
  const { window, demand, capacity, load, pool, work, index, timeMs } = record
  const { contributors = 0n, coordinators = 0n, reserve = 0n } = entry ?? {}
  const inputs = record.inputs.map((input) => ({
    ...input,
    digest: Buffer.from(input.digest).toString('hex'),
  }))
  const stands = { window, demand, capacity, load, pool, work, contributors, coordinators, reserve }
  const shown = { ...stands, index, timeMs, inputs }
  if (isRefusal(figures)) return { ...shown, accounts: 0, equal: false, missing: figures.detail }
  const equal = entry !== undefined && miscount(entry, figuresFields(figures)) === undefined
  return { ...shown, accounts: figures.split.contributors.length, equal }
}

function issued(figures: IssuanceFigures) {
  return { ...figuresFields(figures), accounts: figures.split.contributors.length }
}

function seen(open: OpenWindow, next: Pick<NextWindow, 'demand' | 'capacity' | 'multiplier'>) {
  const { window, startMs, multiplier, work, tasks, holds } = open
  const { demand, capacity } = next
  return {
    window,
    startMs,
    multiplier,
    work,
    tasks,
    holds,
    demand,
    capacity,
    nextMultiplier: next.multiplier,
  }
}

function partOf(account: string): 'burnt' | 'treasury' | 'reserve' | 'fees' | 'held' | 'accounts' {
  if (account === BURN) return 'burnt'
  if (account === TREASURY) return 'treasury'
  if (account === RESERVE) return 'reserve'
  if (account.startsWith('fee:')) return 'fees'
  return account.startsWith('hold:') ? 'held' : 'accounts'
}
