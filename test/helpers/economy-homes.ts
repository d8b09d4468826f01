import { divideHold, meter, quoteRates } from '../../src/core/economy/metering.js'
import { DEFAULT_TERMS, type EconomyTerms } from '../../src/core/economy/terms.js'
import { payeeOf } from '../../src/core/ledger/rules/settle.js'
import { isRefusal } from '../../src/core/refusal.js'
import { nextPriceWindow } from '../../src/roles/ledger/economy-wishes.js'
import type { LogLibrary } from '../../src/roles/ledger/log-library.js'
import type { LogReader } from '../../src/roles/ledger/log-reader.js'
import type { Wish } from '../../src/roles/ledger/log-writer.js'
import { PolicyChain } from '../../src/roles/policy/policy-chain.js'
import { logOrigin } from '../../src/wire/checkpoint.js'
import { noteKey } from '../../src/wire/note-key.js'
import type { PolicyBody, PolicyKind } from '../../src/wire/policy/policy-message.js'
import { Book, STATEMENT, wordOf } from './ledger-book.js'
import { ADMINS, messageOf, PEERS, placeOf, signed } from './sample-policy.js'

/** When the logs begin. */
export const BEGIN_MS = 1_800_000_000_000
const PLENTY = 10n ** 15n

/** One settlement, in the words of whoever recounts it. */
export interface Settled {
  readonly home: string
  readonly account: string
  readonly worker: string
  /** What it cost, and at which multiplier, in millionths. */
  readonly cost: bigint
  readonly multiplier: bigint
  readonly runMs: number
  readonly timeMs: number
}

/**
 * Homes of one network, each with its log in memory under one policy; every account is known to all. What is
 * final is what the test says.
 */
export class EconomyHomes {
  readonly chain: PolicyChain
  readonly books: ReadonlyMap<string, Book>
  readonly settled: Settled[] = []
  /** Entries that are final, by home; left out = all. */
  readonly final = new Map<string, number>()
  /** Homes whose logs are not here. */
  readonly away = new Set<string>()
  readonly #terms: EconomyTerms
  #tasks = 0

  private constructor(chain: PolicyChain, terms: EconomyTerms, homes: number) {
    this.chain = chain
    this.#terms = terms
    this.books = new Map(PEERS.slice(0, homes).map(({ peer }) => [peer, new Book(peer, terms)]))
    for (const book of this.books.values()) this.#furnish(book)
  }

  static async of(homes: number, terms: EconomyTerms = DEFAULT_TERMS): Promise<EconomyHomes> {
    const chain = new PolicyChain()
    const [admin] = ADMINS
    if (admin === undefined) throw new Error('no admin')
    const taken = await chain.take(
      signed(
        messageOf('genesis', {
          name: 'lab',
          root: { keys: [admin.publicKey], threshold: 1 },
          powers: [],
          terms,
          coordinators: PEERS.slice(0, homes),
          gateways: [],
        }),
        admin,
      ),
    )
    if (isRefusal(taken)) throw new Error(taken.detail)
    return new EconomyHomes(chain, terms, homes)
  }

  /** The admin says more. */
  async say<Kind extends PolicyKind>(kind: Kind, body: PolicyBody<Kind>): Promise<void> {
    const [admin] = ADMINS
    const last = this.chain.at(this.chain.head?.sequence ?? -1)?.message
    if (admin === undefined || last === undefined) throw new Error('no chain')
    const taken = await this.chain.take(signed(messageOf(kind, body, placeOf(last)), admin))
    if (isRefusal(taken)) throw new Error(taken.detail)
  }

  get homes(): readonly string[] {
    return [...this.books.keys()]
  }

  book(at: number): Book {
    const book = this.books.get(this.homes[at] ?? '')
    if (book === undefined) throw new Error(`there is no home ${at}`)
    return book
  }

  /** Account `n` of a home. */
  account(home: number, n: number): string {
    return `acc-${home}-${n}`
  }

  readonly library: LogLibrary = {
    find: (origin) => {
      const home = this.homes.find((each) => logOrigin('net', each, 1) === origin)
      const book = home === undefined || this.away.has(home) ? undefined : this.books.get(home)
      if (book === undefined) return undefined
      return {
        key: noteKey('note', origin, PEERS[0]?.publicKey ?? new Uint8Array()),
        // Only states are asked for.
        reader: undefined as unknown as LogReader,
        state: book.state,
        head: undefined,
      }
    },
    finalSize: (origin) => {
      const home = this.homes.find((each) => logOrigin('net', each, 1) === origin) ?? ''
      return this.final.get(home) ?? this.books.get(home)?.size ?? 0
    },
  }

  /** What evidence is made from. */
  get sources() {
    return { chain: this.chain, library: () => this.library }
  }

  /** Enters a wish as its log would. */
  enter(book: Book, { kind, entry, evidence }: Wish) {
    const { id, timeMs, kind: _, ...fields } = entry
    return book.enter(kind, fields, evidence, id, timeMs)
  }

  /** Opens the pricing window of the time, if it has to be. */
  openWindow(book: Book, timeMs: number): void {
    const next = nextPriceWindow(book.state, timeMs)
    if (next !== undefined && wordOf(this.enter(book, next)) !== 'ok') throw new Error('not opened')
  }

  /** Credits are held for a task that nobody works on yet. */
  hold(book: Book, timeMs: number): string {
    this.openWindow(book, timeMs)
    const task = `user:${this.#tasks++}`
    const multiplier = book.state.get('pricing', '')?.multiplier ?? 0n
    const rates = quoteRates(this.#terms, 'large', multiplier)
    const tasks = new Map([[task, { account: 'user', cap: PLENTY, fenceFloor: 0, rates }]])
    const rows = [{ task, account: 'user', amount: 10n ** 9n, rates }]
    this.#must(
      book.enter('hold', { order: STATEMENT, rows }, { gateway: 'Gateway', tasks }, undefined, timeMs),
    )
    return task
  }

  release(book: Book, task: string): void {
    this.#must(book.enter('release', { task, fence: 0, reason: 'cancelled' }, undefined))
  }

  /** A worker of an account settles a task that is held. */
  settle(book: Book, task: string, account: string, tokens: number, runMs: number, timeMs: number): void {
    this.openWindow(book, timeMs)
    const held = book.state.get('hold', task)
    if (held === undefined) throw new Error(`${task} is not held`)
    const usage = { inputTokens: 0, outputTokens: tokens, sandboxMs: 0 }
    const { worker: paid, fee, treasury, cost } = divideHold(held.amount, meter(held.rates, usage), held)
    const worker = `W${account.replaceAll('-', '')}`
    const payee = payeeOf(book.state, worker)
    if (isRefusal(payee)) throw new Error(payee.detail)
    const entry = { task, fence: 1, worker, ...payee, usage, paid, fee, treasury }
    const receipt = { task, fence: 1, worker, coordinator: book.home, usage, runMs }
    const acceptance = { task, fence: 1, gateway: 'Gateway', usage }
    this.#must(
      book.enter(
        'settle',
        { ...entry, receipt: STATEMENT, acceptance: STATEMENT },
        { receipt, acceptance },
        undefined,
        timeMs,
      ),
    )
    const { multiplier } = held
    this.settled.push({ home: book.home, account, worker, cost, multiplier, runMs, timeMs })
  }

  /** A task from its hold to its settlement. */
  work(book: Book, account: string, tokens: number, timeMs: number, runMs = 1_000): string {
    const task = this.hold(book, timeMs)
    this.settle(book, task, account, tokens, runMs, timeMs)
    return task
  }

  #must(outcome: Parameters<typeof wordOf>[0]): void {
    if (isRefusal(outcome)) throw new Error(`${outcome.code}: ${outcome.detail}`)
  }

  /** All know all accounts; each home has a user of its own with plenty of credits. */
  #furnish(book: Book): void {
    const policy = book.state.get('policy', '')
    const digest = this.chain.head?.digest
    if (policy === undefined || digest === undefined) throw new Error('no policy')
    book.state.absorb([{ table: 'policy', key: '', value: { ...policy, digest } }])
    book.open('user')
    book.grant('user', PLENTY, 'plenty')
    for (const [at, home] of [...PEERS.keys()].map((n) => [n, PEERS[n]?.peer ?? ''] as const)) {
      for (const n of [0, 1, 2]) {
        book.open(this.account(at, n), home)
        book.enrol(`W${this.account(at, n).replaceAll('-', '')}`, this.account(at, n))
      }
    }
  }
}
