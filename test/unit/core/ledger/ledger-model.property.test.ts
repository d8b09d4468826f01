import fc from 'fast-check'
import { expect, it } from 'vitest'
import { divideHold, meter } from '../../../../src/core/economy/metering.js'
import { DEFAULT_TERMS, type EconomyTerms } from '../../../../src/core/economy/terms.js'
import type { Applied } from '../../../../src/core/ledger/apply.js'
import { derivedEntryId } from '../../../../src/wire/ledger/entry.js'
import { Book, RATES, STATEMENT, wordOf } from '../../../helpers/ledger-book.js'
import { NaiveLedger } from '../../../helpers/naive-ledger.js'

const HOMES = ['HomeA', 'HomeB', 'HomeC'] as const
const TERMS: EconomyTerms = { ...DEFAULT_TERMS, mostAllotted: 3_000n, treasuryBasisPoints: 5_000n }

/** What left one log and may arrive, once or again, in another. */
interface Parcel {
  readonly id: Uint8Array
  readonly nature: 'transfer' | 'settle' | 'allot' | 'return'
  readonly from: string
  readonly index: number
  readonly to: string
  readonly toHome: string
  readonly amount: bigint
}

const ACTS = [
  'grant',
  'hold',
  'hold',
  'settle',
  'release',
  'refund',
  'send',
  'lend',
  'back',
  'move',
  'follow',
  'follow',
  'arrive',
  'arrive',
] as const
const act = fc.record({
  name: fc.constantFrom(...ACTS),
  /** Where it is tried; 3 and more = at the home of account `a`. */
  at: fc.nat(7),
  a: fc.nat(5),
  b: fc.nat(5),
  amount: fc.bigInt({ min: 1n, max: 4_000n }),
  fence: fc.nat(3),
})
type Act = typeof act extends fc.Arbitrary<infer T> ? T : never

/** Three homes, each account known everywhere, side by side with three naive ledgers. */
class World {
  readonly books = HOMES.map((home) => new Book(home, TERMS))
  readonly naive = HOMES.map((home) => new NaiveLedger(home))
  readonly parcels: Parcel[] = []
  readonly done = new Set<string>()
  /** Of accounts that moved; each home learns of it by itself. */
  readonly epochs = new Map<string, number>()
  #ids = 0

  constructor() {
    for (const at of HOMES.keys()) {
      for (const [n, home] of HOMES.entries()) {
        for (const account of [`acc${n}`, `acc${n + 3}`]) {
          this.book(at).open(account, home)
          this.model(at).act(() => this.model(at).open(account, home))
          this.book(at).enrol(`Worker${account}`, account)
          this.model(at).workers.set(`Worker${account}`, account)
        }
      }
      for (const account of [`acc${at}`, `acc${at + 3}`]) {
        this.book(at).grant(account, 9_000n, `first-${account}`)
        this.model(at).act(() => this.model(at).grant(account, 9_000n, `first-${account}`))
      }
    }
  }

  book = (at: number): Book => this.books[at] as Book
  model = (at: number): NaiveLedger => this.naive[at] as NaiveLedger

  /** @returns what both say of one act */
  play({ name, at: where, a, b, amount, fence }: Act): readonly [string, string] {
    const home = name === 'back' ? b % HOMES.length : a % HOMES.length
    const at = where < HOMES.length ? where : home
    const [book, naive] = [this.book(at), this.model(at)]
    const spender = b === 5 ? `acc${a}@${book.home}` : `acc${a}`
    const task = `acc${a}:${b % 3}`
    const id = derivedEntryId('fee', String(this.#ids++))
    const toHome = HOMES[b % 3] as string
    const index = book.size
    switch (name) {
      case 'grant': {
        const reference = `ref-${amount % 50n}`
        const word = wordOf(book.grant(`acc${a}`, amount, reference))
        return [word, naive.act(() => naive.grant(`acc${a}`, amount, reference))]
      }
      case 'hold': {
        const word = wordOf(book.hold(task, spender, amount, { fenceFloor: fence }))
        return [word, naive.act(() => naive.hold(task, spender, amount, fence))]
      }
      case 'settle':
        return this.#settle(at, task, b, Number(amount % 40n), fence + 2, id, index)
      case 'release': {
        const floor = book.state.get('hold', task)?.fenceFloor ?? 0
        const word = wordOf(book.enter('release', { task, fence: floor, reason: 'failed' }, undefined))
        return [word, naive.act(() => naive.release(task))]
      }
      case 'refund': {
        const said = { target: 'settle', key: task, amount: (amount % 60n) + 1n, payer: 'treasury' } as const
        const word = wordOf(book.enter('reverse', { ...said, reason: '', statement: STATEMENT }, said))
        return [word, naive.act(() => naive.refund(task, said.amount))]
      }
      case 'send': {
        const to = `acc${b}`
        const word = wordOf(book.transferOut(spender, to, toHome, amount, id))
        if (word === 'ok' && toHome !== book.home)
          this.parcels.push({ id, nature: 'transfer', from: book.home, index, to, toHome, amount })
        return [word, naive.act(() => naive.send(spender, to, toHome, amount))]
      }
      case 'lend': {
        const word = wordOf(book.allot(`acc${a}`, toHome, amount, id))
        const to = `acc${a}@${toHome}`
        if (word === 'ok')
          this.parcels.push({ id, nature: 'allot', from: book.home, index, to, toHome, amount })
        return [word, naive.act(() => naive.lend(`acc${a}`, toHome, amount, TERMS.mostAllotted))]
      }
      case 'back':
        return this.#back(at, `acc${a}@${book.home}`, HOMES[a % 3] as string, amount, id)
      case 'follow':
        return this.#back(at, `acc${a}`, toHome, amount, id)
      case 'move': {
        const account = `acc${a}`
        const epoch = (this.epochs.get(account) ?? 1) + 1
        this.epochs.set(account, epoch)
        const said = { account, role: 'user', home: toHome, epoch, gateways: [] } as const
        const word = wordOf(book.enter('open', { ...said, statement: STATEMENT }, said))
        return [word, naive.act(() => naive.move(account, toHome))]
      }
      case 'arrive':
        return this.#arrive(a * 6 + b)
    }
  }

  #back(at: number, account: string, toHome: string, amount: bigint, id: Uint8Array) {
    const [book, naive] = [this.book(at), this.model(at)]
    const index = book.size
    const word = wordOf(book.enter('return', { account, toHome, amount }, undefined, id))
    if (word === 'ok' && toHome !== book.home) {
      const nature = account.includes('@') ? 'return' : 'transfer'
      const to = account.split('@')[0] as string
      this.parcels.push({ id, nature, from: book.home, index, to, toHome, amount })
    }
    return [word, naive.act(() => naive.giveBack(account, toHome, amount))] as const
  }

  #settle(at: number, task: string, b: number, tokens: number, fence: number, id: Uint8Array, index: number) {
    const [book, naive] = [this.book(at), this.model(at)]
    const worker = `Workeracc${b}`
    const usage = { inputTokens: 0, outputTokens: tokens, sandboxMs: 0 }
    const metered = meter(RATES, usage)
    const held = book.state.get('hold', task)
    const parts = divideHold(held?.amount ?? 0n, metered, TERMS)
    const home = book.state.get('account', `acc${b}`)?.home ?? ''
    const payee = { to: `acc${b}`, toHome: home === book.home ? undefined : home }
    const { worker: paid, fee, treasury } = parts
    const entry = { task, fence, worker, ...payee, usage, paid, fee, treasury }
    const receipt = { task, fence, worker, coordinator: book.home, usage }
    const acceptance = { task, fence, gateway: 'Gateway', usage }
    const outcome = book.enter(
      'settle',
      { ...entry, receipt: STATEMENT, acceptance: STATEMENT },
      { receipt, acceptance },
      id,
    )
    if (wordOf(outcome) === 'ok') {
      expect(this.done.has(task + at)).toBe(false)
      this.done.add(task + at)
      if (home !== book.home && parts.worker > 0n)
        this.parcels.push({
          id,
          nature: 'settle',
          from: book.home,
          index,
          to: `acc${b}`,
          toHome: home,
          amount: parts.worker,
        })
    }
    const { feeBasisPoints, treasuryBasisPoints } = TERMS
    const word = naive.act(() =>
      naive.settle(task, worker, fence, metered, feeBasisPoints, treasuryBasisPoints),
    )
    return [wordOf(outcome), word] as const
  }

  #arrive(pick: number): readonly [string, string] {
    const parcel = this.parcels[pick % Math.max(1, this.parcels.length)]
    if (parcel === undefined) return ['no', 'no']
    const at = HOMES.indexOf(parcel.toHome as (typeof HOMES)[number])
    const { id: transfer, nature, from: home, index, to, toHome, amount } = parcel
    const said = { transfer, nature, home, epoch: 1, index, to, amount }
    const by = { ...said, toHome, final: true, withinCut: true }
    const word = wordOf(this.book(at).enter('transfer-in', { ...said, proof: STATEMENT }, by))
    const key = `${home}/${Buffer.from(transfer).toString('hex')}/${to}`
    return [word, this.model(at).act(() => this.model(at).arrive(key, nature, home, to, amount))]
  }
}

function checkInvariants(world: World): void {
  for (const book of world.books) {
    let sum = 0n
    for (const { account, amount } of book.applied.flatMap(({ postings }: Applied) => postings)) {
      sum += amount
      const free = account === 'sys:issuance' || account.startsWith('transit:')
      if (!free) expect(book.balance(account) >= 0n).toBe(true)
    }
    expect(sum).toBe(0n)
    for (const { postings } of book.applied)
      expect(postings.reduce((all, { amount }) => all + amount, 0n)).toBe(0n)
  }
  // What is in transit between two homes is what was sent and has not arrived: never less than nothing.
  for (const a of world.books) {
    for (const b of world.books) {
      if (a.home < b.home) {
        const underWay = a.balance(`transit:${b.home}`) + b.balance(`transit:${a.home}`)
        expect(underWay >= 0n).toBe(true)
      }
    }
  }
}

it('the ledger says and does what the naive one does, whatever happens in which order', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 150, size: 'max' }), (acts) => {
      const world = new World()
      for (const each of acts) {
        const [word, model] = world.play(each)
        expect([each.name, word === 'ok' ? 'ok' : 'no', word]).toEqual([each.name, model, word])
      }
      for (const [at, naive] of world.naive.entries()) {
        for (const [account, balance] of naive.balances) {
          expect([account, world.book(at).balance(account)]).toEqual([account, balance])
        }
      }
      checkInvariants(world)
    }),
    { numRuns: 150 },
  )
})

it('parcels may arrive in any order and any number of times: the end is the same', () => {
  fc.assert(
    fc.property(
      fc.array(act, { maxLength: 80, size: 'max' }),
      fc.infiniteStream(fc.nat(1_000)),
      (acts, dice) => {
        const world = new World()
        for (const at of HOMES.keys())
          world.play({ name: 'grant', at, a: at, b: 0, amount: 4_000n - BigInt(at), fence: 0 })
        for (const each of acts) if (each.name === 'send') world.play(each)
        const deliver = (order: readonly Parcel[]) => {
          const books = HOMES.map((home) => new Book(home, TERMS))
          for (const book of books)
            for (const [n, home] of HOMES.entries()) for (const k of [0, 3]) book.open(`acc${n + k}`, home)
          for (const { id: transfer, nature, from: home, index, to, toHome, amount } of order) {
            const said = { transfer, nature, home, epoch: 1, index, to, amount }
            const book = books.find((each) => each.home === toHome)
            book?.enter(
              'transfer-in',
              { ...said, proof: STATEMENT },
              { ...said, toHome, final: true, withinCut: true },
            )
          }
          return books.map((book) => Array.from({ length: 6 }, (_, n) => book.balance(`acc${n}`)))
        }
        const shuffled = world.parcels.map((parcel) => [dice.next().value as number, parcel] as const)
        shuffled.sort(([a], [b]) => a - b)
        const again = shuffled.map(([, parcel]) => parcel)
        expect(deliver([...again, ...world.parcels])).toEqual(deliver(world.parcels))
      },
    ),
  )
})

it('an entry sent again changes nothing, and its id says nothing else ever again', () => {
  const book = new Book('HomeA')
  book.open('ann')
  const id = derivedEntryId('grant', 'x')
  const said = { account: 'ann', amount: 5n, source: 'issuance', reference: 'r' } as const
  const enter = (amount: bigint, timeMs: number) =>
    book.enter('grant', { ...said, amount, statement: STATEMENT }, { ...said, amount }, id, timeMs)
  expect(wordOf(enter(5n, 1))).toBe('ok')
  const { size } = book
  expect(enter(5n, 99)).toEqual({ outcome: 'existed', index: size - 1 })
  expect(wordOf(enter(6n, 1))).toBe('entry-conflict')
  expect([book.balance('ann'), book.size]).toEqual([5n, size])
  // Nobody can keep a settlement out by taking its id for a transfer.
  expect(wordOf(book.transferOut('ann', 'ann', 'HomeA', 1n, id))).toBe('ok')
})
