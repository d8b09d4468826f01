import { allotmentName, holdAccount } from '../../core/ledger/account-name.js'
import { hexOf } from '../../core/ledger/hex.js'
import type { AccountRecord } from '../../core/ledger/records.js'
import { walletSubject } from '../../core/ledger/wallet-rows.js'
import type { HistoryView, PaymentView, WalletRowView, WalletView } from '../../core/ledger/wallet-view.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import { logOrigin } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import { decodeEntry, derivedEntryId } from '../../wire/ledger/entry.js'
import type { LibraryLog, LogLibrary } from '../ledger/log-library.js'
import { transferNote } from '../ledger/transfer-evidence.js'
import type { IndexedRow } from '../ledger/wallet-index.js'
import { WAITING_WALLET_READS } from './constants.js'

interface Components {
  /** The log that this coordinator writes. */
  readonly own: () => LibraryLog
  /** All logs that are here. */
  readonly library: LogLibrary
  /** Ids of an account's tasks here that have not ended. */
  readonly unfinished: (account: string) => Iterable<string>
}

/** Which rows of a history. */
export interface HistoryRange {
  /** Those of entries below it; undefined = from the newest on. */
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
  #turn: Promise<unknown> = Promise.resolve()
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
    const { state, key } = this.#components.own()
    const held = state.get('hold', taskId)
    if (held?.gateway !== gateway) return refusal('hold-unknown', `no credits were reserved for ${taskId}`)
    const { amount, fence, reversed, paid } = held
    const ended = held.state === 'settled' ? 'settle' : 'release'
    const id = hexOf(derivedEntryId(ended, taskId, String(fence)))
    const index = held.state === 'held' ? undefined : state.get('entry', `${ended}/${id}`)?.index
    const standing = index !== undefined && index < this.#finalSize(key.name) ? 'final' : 'pending'
    return { state: held.state, held: amount, cost: paid?.cost ?? 0n, reversed, standing }
  }

  async #wallet(account: string): Promise<WalletView | Refusal> {
    const record = this.#account(account)
    if ('refused' in record) return record
    const log = this.#logOf(account, record)
    if ('refused' in log) return log
    const { state } = this.#components.own()
    const [last] = await log.reader.walletRows(account, this.#finalSize(log.key.name), 1)
    // What came since then may yet be lost, and what went may not come back.
    const available = log.state.get('balance', account) ?? 0n
    const then = last?.balance ?? 0n
    let held = 0n
    for (const id of this.#components.unfinished(account)) held += state.get('balance', holdAccount(id)) ?? 0n
    const isHome = log.key.name === this.#components.own().key.name
    const slice = isHome ? undefined : state.get('balance', allotmentName(account, this.#home))
    return {
      account,
      home: record.home,
      isHome,
      available,
      held,
      final: then < available ? then : available,
      ...(slice === undefined ? {} : { allotted: slice }),
    }
  }

  async #history(account: string, { before, limit }: HistoryRange): Promise<HistoryView | Refusal> {
    const record = this.#account(account)
    if ('refused' in record) return record
    const log = this.#logOf(account, record)
    if ('refused' in log) return log
    const { reader, key } = log
    const indexed = await reader.walletRows(account, Math.min(before ?? reader.size, reader.size), limit + 1)
    const finalSize = this.#finalSize(key.name)
    const rows: WalletRowView[] = []
    // One by one: an entry has up to 64 KiB.
    for (const row of indexed.slice(0, limit)) rows.push(await rowView(log, row, finalSize))
    const next = indexed.length > limit ? rows.at(-1)?.entry : undefined
    return { account, rows, ...(next === undefined ? {} : { next }) }
  }

  #account(account: string): AccountRecord | Refusal {
    const record = this.#components.own().state.get('account', account)
    if (record !== undefined) return record
    return refusal('account-unknown', `no account is called ${account} in this ledger`, {
      next: 'An admin opens one by a policy message: edgecoder admin policy draft account',
    })
  }

  get #home(): string {
    return this.#components.own().state.get('log', '')?.home ?? ''
  }

  /** The log of the account's home: the own one, or the copy of it here. */
  #logOf(account: string, { home }: AccountRecord): LibraryLog | Refusal {
    const own = this.#components.own()
    if (home === this.#home) return own
    const network = own.state.get('log', '')?.network ?? ''
    const epoch = own.state.get('home', home)?.epoch ?? 1
    const copy = this.#components.library.find(logOrigin(network, home, epoch))
    if (copy !== undefined) return copy
    return refusal('not-home', `the home of ${account} is ${home}, and its log is not here`, {
      next: 'Ask through that coordinator.',
    })
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
    const mine = this.#turn.then(read)
    this.#turn = mine.catch(() => {})
    return mine.finally(() => {
      this.#waiting--
    })
  }
}

async function rowView(log: LibraryLog, row: IndexedRow, finalSize: number): Promise<WalletRowView> {
  const { index, account, amount, balance } = row
  const encoded = await log.reader.entry(index)
  const entry = encoded === undefined ? undefined : decodeEntry(encoded)
  const standing = index < finalSize ? 'final' : 'pending'
  const shown = { entry: index, amount, balance, standing } as const
  // Damaged: the log says so when it is opened; the figures are good all the same.
  if (entry === undefined || isMalformed(entry)) {
    return { ...shown, kind: 'unknown', timeMs: 0, about: '', count: 1, note: '' }
  }
  const { kind, timeMs } = entry
  const note = kind === 'transfer-out' ? transferNote(entry) : ''
  return { ...shown, kind, timeMs, ...walletSubject(entry, account), note }
}
