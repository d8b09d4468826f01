import type { OpenWindow } from '../economy/pricing-window.js'
import { invariant } from '../invariant.js'
import { type Refusal, refusal } from '../refusal.js'
import { mayBeNegative } from './account-name.js'
import { Overlay } from './overlay.js'
import type {
  AccountRecord,
  Change,
  LedgerRecords,
  LedgerView,
  LogRecord,
  PolicyRecord,
  Table,
  TallyRecord,
} from './records.js'

/** What an entry does to one account: more (above zero) or less. */
export interface Posting {
  readonly account: string
  readonly amount: bigint
}

/** Largest balance, so that stores can keep it in 64 bits. */
const MOST_BALANCE = 2n ** 63n - 1n

/** One entry being applied: reads through to the state, gathers what changes. Dropped when it is refused. */
export class Draft implements LedgerView {
  readonly #state: Overlay
  readonly #postings = new Map<string, bigint>()

  constructor(view: LedgerView) {
    this.#state = new Overlay(view)
  }

  get<T extends Table>(table: T, key: string): LedgerRecords[T] | undefined {
    return this.#state.get(table, key)
  }

  set(change: Change): void {
    this.#state.set(change)
  }

  get log(): LogRecord {
    const log = this.get('log', '')
    invariant(log !== undefined, 'rules apply to a log that has begun')
    return log
  }

  get policy(): PolicyRecord {
    const policy = this.get('policy', '')
    invariant(policy !== undefined, 'a log begins with its policy')
    return policy
  }

  get pricing(): OpenWindow {
    const pricing = this.get('pricing', '')
    invariant(pricing !== undefined, 'a log begins with a pricing window')
    return pricing
  }

  get tally(): TallyRecord {
    const tally = this.get('tally', '')
    invariant(tally !== undefined, 'a log begins with a work window')
    return tally
  }

  /**
   * Moves credits. The only way a balance changes, so that every entry sums to zero.
   *
   * @param had what `to` has, where it is known without looking
   */
  move(from: string, to: string, amount: bigint, had?: bigint): Refusal | undefined {
    invariant(amount >= 0n, 'credits move forward')
    if (amount === 0n || from === to) return undefined
    const has = this.get('balance', from) ?? 0n
    if (has < amount && !mayBeNegative(from)) {
      return refusal(
        'insufficient-credits',
        `${from} has ${has} microcredits, ${amount} are needed: ${amount - has} are missing`,
      )
    }
    const more = (had ?? this.get('balance', to) ?? 0n) + amount
    if (more > MOST_BALANCE || amount - has > MOST_BALANCE) {
      return refusal('wrong-amount', `a balance of ${to} or ${from} would not fit in 64 bits`)
    }
    this.#post(from, -amount, has - amount)
    this.#post(to, amount, more)
    return undefined
  }

  /** Credits an owner's account. Where its home has moved, they stand here in its name until they follow it. */
  credit(from: string, account: string, amount: bigint): Refusal | undefined {
    if (this.get('account', account) === undefined) return unknownAccount(account)
    return this.move(from, account, amount)
  }

  /** An account that credits may come to here, and leave again for its home: it is known, and the epoch holds. */
  knownAccount(account: string): AccountRecord | Refusal {
    const record = this.get('account', account)
    if (record === undefined) return unknownAccount(account)
    const { home, epoch } = this.log
    const latest = this.get('home', home)?.epoch ?? epoch
    if (latest === epoch) return record
    return refusal(
      'not-home',
      `epoch ${epoch} of ${home} is over: it was handed over, ${latest} is the present one`,
    )
  }

  /**
   * An account that this log may debit, or whose credits it may make: its home is here, and the epoch holds.
   */
  homeAccount(account: string): AccountRecord | Refusal {
    const record = this.knownAccount(account)
    const { home } = this.log
    if ('refused' in record || record.home === home) return record
    return refusal('not-home', `the home of ${account} is ${record.home}, not ${home}`, {
      next: 'Send it through a coordinator of its home, or have credits allotted to this one.',
    })
  }

  /** What the entry did. */
  result(): { readonly postings: readonly Posting[]; readonly changes: readonly Change[] } {
    const postings: Posting[] = []
    let sum = 0n
    for (const [account, amount] of this.#postings) {
      if (amount !== 0n) postings.push({ account, amount })
      sum += amount
    }
    invariant(sum === 0n, 'the postings of an entry sum to zero')
    return { postings, changes: this.#state.changes() }
  }

  #post(account: string, amount: bigint, balance: bigint): void {
    this.#postings.set(account, (this.#postings.get(account) ?? 0n) + amount)
    this.set({ table: 'balance', key: account, value: balance })
  }
}

export function unknownAccount(account: string): Refusal {
  return refusal('account-unknown', `no account ${account} in this ledger`, {
    next: 'It must be opened before credits can come or go.',
  })
}
