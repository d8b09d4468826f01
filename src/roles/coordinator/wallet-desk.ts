import { allotmentName, holdAccount } from '../../core/ledger/account-name.js'
import { hexOf } from '../../core/ledger/hex.js'
import { entriesBefore, FIRST_EPOCH } from '../../core/ledger/line.js'
import type { AccountRecord, HoldRecord } from '../../core/ledger/records.js'
import { walletSubject } from '../../core/ledger/wallet-rows.js'
import type { HistoryView, PaymentView, WalletRowView, WalletView } from '../../core/ledger/wallet-view.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import { Turns } from '../../core/turns.js'
import { logOrigin } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import { decodeEntry, derivedEntryId } from '../../wire/ledger/entry.js'
import type { LibraryLog, LogLibrary } from '../ledger/log-library.js'
import { transferNote } from '../ledger/transfer-evidence.js'
import type { IndexedRow } from '../ledger/wallet-index.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import { WAITING_WALLET_READS } from './constants.js'
import { isFinal, logBefore } from './line-entries.js'

interface Components {
  /** The logs that this coordinator writes: first those that go on, then those that are sealed. */
  readonly written: () => readonly LibraryLog[]
  /** All logs that are here. */
  readonly library: LogLibrary
  readonly network: string
  /** Says which epoch of a home is the present one. */
  readonly chain: Pick<PolicyChain, 'state' | 'logs'>
  /** Ids of an account's tasks here that have not ended. */
  readonly unfinished: (account: string) => Iterable<string>
  /** Until when others are asked about the result of a task; undefined = nobody disputes it, or that is over. */
  readonly disputedUntilMs: (task: string) => number | undefined
}

/** Rows that are read at once when the first is looked for. */
const WALLET_STEP = 256
/** What several logs say of one task: that which counts first. */
const SAID: readonly HoldRecord['state'][] = ['settled', 'held', 'released']

interface PlacedRow {
  readonly log: LibraryLog
  readonly row: IndexedRow
}

/** Which rows of a history. */
export interface HistoryRange {
  /** Those of entries below this position; undefined = from the newest on. */
  readonly before: number | undefined
  /** Most rows. */
  readonly limit: number
}

/**
 * What accounts have and had, and what tasks cost. Figures are those of the log of the account's home, where
 * that log is here; with what was appended and is not durable yet, so they may be told when that is.
 */
export class WalletDesk {
  readonly #components: Components
  readonly #turns = new Turns()
  #waiting = 0

  constructor(components: Components) {
    this.#components = components
  }

  /**
   * May orders of this gateway spend from the account?
   *
   * @returns `account-unknown`, `not-admitted`
   */
  closedTo(gateway: string, account: string): Refusal | undefined {
    const record = this.#account(account)
    if ('refused' in record) return record
    if (record.gateways.length === 0 || record.gateways.includes(gateway)) return undefined
    return refusal('not-admitted', `gateway ${gateway} may not order for ${account}`, {
      next: 'Ask one of the gateways that its owner chose.',
    })
  }

  /** @returns `account-unknown`, `not-home`, `rate-limited` */
  wallet(account: string): Promise<WalletView | Refusal> {
    return this.#inTurn(() => this.#wallet(account))
  }

  /** Of durable entries only. @returns as {@link WalletDesk.wallet} */
  history(account: string, range: HistoryRange): Promise<HistoryView | Refusal> {
    return this.#inTurn(() => this.#history(account, range))
  }

  /** @returns `hold-unknown` = nothing was ever reserved here for it and this gateway */
  payment(taskId: string, gateway: string): PaymentView | Refusal {
    const found = this.#heldFor(taskId, gateway)
    if (found === undefined) return refusal('hold-unknown', `no credits were reserved for ${taskId}`)
    const { held, log } = found
    const { amount, fence, reversed, paid } = held
    const ended = held.state === 'settled' ? 'settle' : 'release'
    const id = hexOf(derivedEntryId(ended, taskId, String(fence)))
    const end = held.state === 'held' ? undefined : log.state.get('entry', `${ended}/${id}`)
    const standing = end && isFinal(log, end.index, this.#components.library) ? 'final' : 'pending'
    return { state: held.state, held: amount, cost: paid?.cost ?? 0n, reversed, standing }
  }

  /** What was paid counts before what is reserved, and that before what was given back. */
  #heldFor(taskId: string, gateway: string) {
    let best: { readonly held: HoldRecord; readonly log: LibraryLog } | undefined
    for (const log of this.#components.written()) {
      const held = log.state.get('hold', taskId)
      if (held?.gateway !== gateway) continue
      if (best === undefined || SAID.indexOf(held.state) < SAID.indexOf(best.held.state)) best = { held, log }
    }
    return best
  }

  async #wallet(account: string): Promise<WalletView | Refusal> {
    const record = this.#account(account)
    if ('refused' in record) return record
    const { home } = record
    const log = this.#logOf(account, record)
    if ('refused' in log) return log
    const written = this.#components.written()
    // What came since then may yet be lost, and what went may not come back.
    const available = log.state.get('balance', account) ?? 0n
    const then = await this.#finalBalance(account, log)
    let held = 0n
    for (const id of this.#components.unfinished(account)) {
      for (const { state } of written) held += state.get('balance', holdAccount(id)) ?? 0n
    }
    const isHome = written.some(({ key }) => key.name === log.key.name)
    const slice = isHome ? undefined : slicesOf(account, written)
    return {
      account,
      home,
      isHome,
      available,
      held,
      final: then < available ? then : available,
      slices: this.#slicesOf(account, home),
      ...(slice === undefined ? {} : { allotted: slice }),
    }
  }

  #slicesOf(account: string, home: string): bigint {
    const { chain, network, library } = this.#components
    let sum = 0n
    for (const other of new Set(chain.logs.map((log) => log.home))) {
      if (other === home) continue
      const epoch = chain.state.get('home', other)?.epoch ?? FIRST_EPOCH
      const state = library.find(logOrigin(network, other, epoch))?.state
      sum += state?.get('balance', allotmentName(account, other)) ?? 0n
    }
    return sum
  }

  /**
   * What the account had when all that is final was written. A log that goes on with another has rows of its
   * own entries only: what it began with is what its first row says was there before, and final with its
   * first entry.
   */
  async #finalBalance(account: string, { state, reader, key }: LibraryLog): Promise<bigint> {
    const finalSize = this.#finalSize(key.name)
    const [last] = await reader.walletRows(account, finalSize, 1)
    if (last !== undefined) return last.balance
    if (finalSize === 0 || (state.get('log', '')?.epoch ?? FIRST_EPOCH) === FIRST_EPOCH) return 0n
    let first: IndexedRow | undefined
    let before = reader.size
    for (;;) {
      const oldest = (await reader.walletRows(account, before, WALLET_STEP)).at(-1)
      if (oldest === undefined) break
      first = oldest
      before = oldest.index
    }
    return first === undefined ? (state.get('balance', account) ?? 0n) : first.balance - first.amount
  }

  async #history(account: string, { before, limit }: HistoryRange): Promise<HistoryView | Refusal> {
    const record = this.#account(account)
    if ('refused' in record) return record
    const log = this.#logOf(account, record)
    if ('refused' in log) return log
    const { library } = this.#components
    const places = await this.#rows(account, log, { before, limit: limit + 1 })
    const rows: WalletRowView[] = []
    // One by one: an entry has up to 64 KiB.
    for (const { log: at, row } of places.slice(0, limit)) {
      const position = entriesBefore(at.state) + row.index
      const standing = isFinal(log, position, library) ? 'final' : 'pending'
      const shown = await rowView(at, row, { entry: position, standing })
      rows.push({ ...shown, note: shown.note || this.#disputeNote(shown) })
    }
    const next = places.length > limit ? rows.at(-1)?.entry : undefined
    return { account, rows, ...(next === undefined ? {} : { next }) }
  }

  #disputeNote({ kind, about }: WalletRowView): string {
    const untilMs = kind === 'settle' ? this.#components.disputedUntilMs(about) : undefined
    return untilMs === undefined ? '' : `in dispute until ${new Date(untilMs).toISOString()}`
  }

  /** Goes on in the logs of earlier epochs, as far as they count and are here. */
  async #rows(
    account: string,
    log: LibraryLog,
    { before, limit }: HistoryRange,
  ): Promise<readonly PlacedRow[]> {
    const rows: PlacedRow[] = []
    let { size } = log.reader
    for (let at: LibraryLog | undefined = log; at !== undefined && rows.length < limit; ) {
      const end = Math.min(size, (before ?? Number.POSITIVE_INFINITY) - entriesBefore(at.state))
      const found = end > 0 ? await at.reader.walletRows(account, end, limit - rows.length) : []
      for (const row of found) rows.push({ log: at, row })
      size = at.state.get('line', '')?.size ?? 0
      at = logBefore(at, this.#components.library)
    }
    return rows
  }

  #account(account: string): AccountRecord | Refusal {
    for (const { state } of this.#components.written()) {
      const record = state.get('account', account)
      if (record !== undefined) return record
    }
    return refusal('account-unknown', `no account is called ${account} in this ledger`, {
      next: 'An admin opens one by a policy message: edgecoder admin policy draft account',
    })
  }

  /** The log of the account's home, in its present epoch: one that is written here, or a copy of it. */
  #logOf(account: string, { home }: AccountRecord): LibraryLog | Refusal {
    const { chain, library, network, written } = this.#components
    const { epoch = FIRST_EPOCH, coordinator = home } = chain.state.get('home', home) ?? {}
    const origin = logOrigin(network, home, epoch)
    const log = written().find(({ key }) => key.name === origin) ?? library.find(origin)
    if (log !== undefined && log.state.get('log', '')?.epoch === epoch) return log
    const detail = `the home of ${account} is ${home}, and its log of epoch ${epoch} is not here`
    return refusal('not-home', detail, { next: `Ask through coordinator ${coordinator}.` })
  }

  #finalSize(origin: string): number {
    return this.#components.library.finalSize(origin)
  }

  /** One read at a time: who asks for much waits, and tasks do not. */
  async #inTurn<T>(read: () => Promise<T | Refusal>): Promise<T | Refusal> {
    if (this.#waiting >= WAITING_WALLET_READS) {
      const detail = `${this.#waiting} questions about wallets wait already`
      return refusal('rate-limited', detail, { next: 'Ask again in a moment.', retryAfterMs: 1_000 })
    }
    this.#waiting++
    return this.#turns.next(read).finally(() => {
      this.#waiting--
    })
  }
}

/** What other homes let the ones here spend of it; zero where there never was anything. */
function slicesOf(account: string, written: readonly LibraryLog[]): bigint | undefined {
  let sum: bigint | undefined
  for (const { state } of written) {
    const home = state.get('log', '')?.home ?? ''
    const slice = state.get('balance', allotmentName(account, home))
    if (slice !== undefined) sum = (sum ?? 0n) + slice
  }
  return sum
}

async function rowView(
  log: LibraryLog,
  { index, account, amount, balance }: IndexedRow,
  place: Pick<WalletRowView, 'entry' | 'standing'>,
): Promise<WalletRowView> {
  const encoded = await log.reader.entry(index)
  const entry = encoded === undefined ? undefined : decodeEntry(encoded)
  const shown = { ...place, amount, balance }
  // Damaged: the log says so when it is opened; the figures are good all the same.
  if (entry === undefined || isMalformed(entry)) {
    return { ...shown, kind: 'unknown', timeMs: 0, about: '', count: 1, note: '' }
  }
  const { kind, timeMs } = entry
  const note = kind === 'transfer-out' ? transferNote(entry) : ''
  return { ...shown, kind, timeMs, ...walletSubject(entry, account), note }
}
