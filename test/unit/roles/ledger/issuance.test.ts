import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { dailyPool, smoothedLoad, windowLoad, windowPool } from '../../../../src/core/economy/issuance.js'
import { DEFAULT_TERMS, type EconomyTerms } from '../../../../src/core/economy/terms.js'
import { isRefusal } from '../../../../src/core/refusal.js'
import {
  nextIssuanceWindow,
  nextIssues,
  nextWorkWindow,
} from '../../../../src/roles/ledger/economy-wishes.js'
import {
  inputsNow,
  issueEvidence,
  presentFigures,
  windowEvidence,
} from '../../../../src/roles/ledger/issuance-evidence.js'
import type { Wish } from '../../../../src/roles/ledger/log-writer.js'
import { workEvidence } from '../../../../src/roles/ledger/work-evidence.js'
import type { EntryOf } from '../../../../src/wire/ledger/entry.js'
import { BEGIN_MS, EconomyHomes } from '../../../helpers/economy-homes.js'
import { type Book, wordOf } from '../../../helpers/ledger-book.js'

const WINDOW_MS = 86_400_000
/** No cap, so that two contributors share all there is. */
const TERMS: EconomyTerms = {
  ...DEFAULT_TERMS,
  issuance: { ...DEFAULT_TERMS.issuance, capBasisPoints: 10_000n },
}

let homes: EconomyHomes

function must<T extends object>(what: T): Exclude<T, { readonly refused: true }> {
  if (isRefusal(what)) throw new Error(`${what.code}: ${what.detail}`)
  return what as Exclude<T, { readonly refused: true }>
}

function closeWork(book: Book, timeMs: number): void {
  const wish = nextWorkWindow(book.state, timeMs)
  if (wish !== undefined) expect(wordOf(homes.enter(book, wish))).toBe('ok')
}

function closeIssuance(timeMs: number): EntryOf<'issuance-window'> {
  const book = homes.book(0)
  const wish = must(
    nextIssuanceWindow(book.state, inputsNow(book.state, homes.sources), timeMs, homes.sources),
  )
  expect(wordOf(homes.enter(book, wish))).toBe('ok')
  return wish.entry as EntryOf<'issuance-window'>
}

function issuesOf(book: Book, window: number, timeMs = BEGIN_MS): readonly Wish[] {
  return must(nextIssues(book.state, window, timeMs, homes.sources))
}

/** What was made of nothing, by account. */
function made(book: Book, wishes: readonly Wish[]): ReadonlyMap<string, bigint> {
  const amounts = new Map<string, bigint>()
  for (const wish of wishes) {
    const outcome = homes.enter(book, wish)
    expect(wordOf(outcome)).toBe('ok')
    const postings = !isRefusal(outcome) && outcome.outcome === 'applied' ? outcome.postings : []
    for (const { account, amount } of postings) amounts.set(account, (amounts.get(account) ?? 0n) + amount)
  }
  return amounts
}

describe('an issuance window', () => {
  beforeEach(async () => {
    homes = await EconomyHomes.of(2, TERMS)
  })

  it('divides its pool for the work of all homes, and each account is paid at its own', () => {
    // An account of home 1 works at home 0, too.
    homes.work(homes.book(0), homes.account(0, 0), 1_000, BEGIN_MS)
    homes.work(homes.book(0), homes.account(1, 0), 1_000, BEGIN_MS)
    homes.work(homes.book(1), homes.account(1, 0), 2_000, BEGIN_MS)
    const dueMs = BEGIN_MS + WINDOW_MS
    for (const book of homes.books.values()) closeWork(book, dueMs)
    const window = closeIssuance(dueMs)
    // 1,000 tokens of output cost 200,000 at list prices; nobody waited, so the load is the least.
    expect(window).toMatchObject({ window: 0, work: 800_000n, load: 200_000n, pool: 10n ** 10n })
    const [here, there] = [homes.book(0), homes.book(1)]
    const atHome = made(here, issuesOf(here, 0))
    const away = made(there, issuesOf(there, 0))
    expect(atHome.get(homes.account(0, 0))).toBe((9n * 10n ** 9n) / 4n)
    expect(away.get(homes.account(1, 0))).toBe((9n * 10n ** 9n * 3n) / 4n)
    // Coordinators by what was settled in their logs; the reserve once.
    expect([atHome.get(`fee:${here.home}`), away.get(`fee:${there.home}`)]).toEqual([
      25n * 10n ** 7n,
      25n * 10n ** 7n,
    ])
    expect([atHome.get('sys:reserve'), away.get('sys:reserve')]).toEqual([5n * 10n ** 8n, undefined])
    expect(-((atHome.get('sys:issuance') ?? 0n) + (away.get('sys:issuance') ?? 0n))).toBe(window.pool)
  })

  it('counts what did not hold up against whoever settled it', () => {
    const [good, bad] = [homes.account(0, 0), homes.account(0, 1)]
    const book = homes.book(0)
    homes.work(book, good, 1_000, BEGIN_MS)
    const task = homes.work(book, bad, 1_000, BEGIN_MS)
    const usage = { inputTokens: 0, outputTokens: 1_000, sandboxMs: 0 }
    const said = { task, fence: 1, verifier: 'V', valid: false, usage }
    book.must('verdict', { ...said, statement: Uint8Array.of(1) }, said)
    homes.work(book, bad, 1_000, BEGIN_MS)
    closeWork(book, BEGIN_MS + WINDOW_MS)
    closeIssuance(BEGIN_MS + WINDOW_MS)
    const amounts = made(book, issuesOf(book, 0))
    // Half of its work stands, and half of its work was reliable: a quarter of what the other gets is a half of a half.
    const [most = 0n, least = 0n] = [amounts.get(good), amounts.get(bad)]
    expect([most, least]).toEqual([6n * 10n ** 9n, 3n * 10n ** 9n])
  })

  it('of which a home has no part writes nothing there', () => {
    homes.work(homes.book(0), homes.account(0, 0), 10, BEGIN_MS)
    closeWork(homes.book(0), BEGIN_MS + WINDOW_MS)
    closeIssuance(BEGIN_MS + WINDOW_MS)
    expect(issuesOf(homes.book(1), 0)).toEqual([])
  })

  it('leaves what comes late to the next one, and counts nothing twice', () => {
    homes.work(homes.book(0), homes.account(0, 0), 1_000, BEGIN_MS)
    homes.work(homes.book(1), homes.account(1, 0), 5_000, BEGIN_MS)
    const firstMs = BEGIN_MS + WINDOW_MS
    closeWork(homes.book(0), firstMs)
    closeWork(homes.book(1), firstMs)
    // Too few have cosigned it yet.
    homes.final.set(homes.book(1).home, homes.book(1).size - 1)
    const first = closeIssuance(firstMs)
    homes.final.clear()
    const second = closeIssuance(firstMs + WINDOW_MS)
    expect([first.work, second.work]).toEqual([200_000n, 1_000_000n])
    expect(second.inputs.map(({ window }) => window)).toEqual([0, 0])
    expect(isRefusal(nextIssuanceWindow(homes.book(0).state, second.inputs, firstMs, homes.sources))).toBe(
      true,
    )
  })

  it('has, before it is closed, the figures that it closes with', () => {
    homes.work(homes.book(0), homes.account(0, 0), 1_000, BEGIN_MS)
    homes.work(homes.book(1), homes.account(1, 1), 700, BEGIN_MS)
    for (const timeMs of [600_000, 1_200_000])
      homes.work(homes.book(1), homes.account(1, 2), 900, BEGIN_MS + timeMs)
    const before = presentFigures(homes.book(1).state, homes.sources)
    for (const book of homes.books.values()) closeWork(book, BEGIN_MS + WINDOW_MS)
    const { work, load, pool, demand, capacity } = closeIssuance(BEGIN_MS + WINDOW_MS)
    expect(before).toMatchObject({ work, load, pool, demand, capacity })
    expect(demand > 0n).toBe(true)
  })
})

describe('who checks an issuance', () => {
  const dueMs = BEGIN_MS + WINDOW_MS
  beforeEach(async () => {
    homes = await EconomyHomes.of(2, TERMS)
    homes.work(homes.book(0), homes.account(0, 0), 1_000, BEGIN_MS)
    homes.work(homes.book(1), homes.account(1, 0), 2_000, BEGIN_MS)
    for (const book of homes.books.values()) closeWork(book, dueMs)
  })

  /** What comes of an entry when everyone computes it anew: the evidence is made from the entry as it is. */
  const entered = (book: Book, fields: Partial<EntryOf<'issuance-window'>>, timeMs = dueMs) => {
    const inputs = inputsNow(book.state, homes.sources)
    const evidence = windowEvidence(book.state, { inputs, ...fields }, homes.sources)
    if (isRefusal(evidence)) return evidence.code
    return wordOf(book.enter('issuance-window', { ...evidence, ...fields }, evidence, undefined, timeMs))
  }

  it.each(['demand', 'capacity', 'load', 'pool', 'work', 'contributors', 'coordinators', 'reserve'] as const)(
    'refuses another %s, be it by one microcredit',
    (field) => {
      const book = homes.book(0)
      const due = must(
        windowEvidence(book.state, { inputs: inputsNow(book.state, homes.sources) }, homes.sources),
      )
      expect(entered(book, { [field]: due[field] + 1n })).toBe('wrong-amount')
      expect(entered(book, {})).toBe('ok')
    },
  )

  it('refuses windows that come too early, of another number, or of another log than the one that closes', () => {
    expect(entered(homes.book(0), {}, dueMs - 1)).toBe('entry-conflict')
    expect(entered(homes.book(0), { window: 1 })).toBe('wrong-amount')
    expect(entered(homes.book(1), {})).toBe('wrong-evidence')
    expect(entered(homes.book(0), {})).toBe('ok')
    expect(entered(homes.book(0), {}, dueMs + WINDOW_MS)).toBe('wrong-evidence')
  })

  it('refuses work that is counted again, left out, out of order, or was never closed', () => {
    const book = homes.book(0)
    const inputs = inputsNow(book.state, homes.sources)
    const [one, two] = inputs as [(typeof inputs)[0], (typeof inputs)[0]]
    expect(entered(book, { inputs: [two, one] })).toBe('wrong-evidence')
    expect(entered(book, { inputs: [one, one] })).toBe('wrong-evidence')
    const own = one.home === book.home ? one : two
    const unclosed = inputs.map((each) => (each === own ? { ...each, window: 1 } : each))
    expect(entered(book, { inputs: unclosed })).toBe('wrong-evidence')
    const forged = inputs.map((each) => (each === own ? { ...each, digest: new Uint8Array(32) } : each))
    expect(entered(book, { inputs: forged })).toBe('wrong-evidence')
    expect(entered(book, {})).toBe('ok')
    homes.work(book, homes.account(0, 0), 1_000, dueMs)
    closeWork(book, dueMs + WINDOW_MS)
    const next = inputsNow(book.state, homes.sources)
    expect(entered(book, { inputs: next.filter((each) => each.home === book.home) }, dueMs + WINDOW_MS)).toBe(
      'wrong-evidence',
    )
    expect(entered(book, { inputs: next }, dueMs + WINDOW_MS)).toBe('ok')
  })

  it('waits, and accuses nobody, while what it follows from is not here, not final, or another one here', () => {
    const book = homes.book(0)
    const other = homes.book(1)
    const inputs = inputsNow(book.state, homes.sources)
    homes.away.add(other.home)
    expect(entered(book, { inputs })).toBe('not-final')
    homes.away.clear()
    homes.final.set(other.home, other.size - 1)
    expect(entered(book, { inputs })).toBe('not-final')
    homes.final.clear()
    const forked = inputs.map((each) =>
      each.home === other.home ? { ...each, digest: new Uint8Array(32) } : each,
    )
    expect(entered(book, { inputs: forked })).toBe('not-final')
    expect(entered(book, { inputs })).toBe('ok')
    homes.final.set(book.home, book.size - 1)
    expect(issueEvidence(other.state, { window: 0, part: 0 }, homes.sources)).toMatchObject({
      code: 'not-final',
    })
  })

  it('refuses to pay a microcredit more, somebody else, twice, or a window that is over', () => {
    const book = homes.book(0)
    expect(entered(book, {})).toBe('ok')
    const [wish] = issuesOf(book, 0)
    if (wish?.kind !== 'issue') throw new Error('nothing is issued')
    const { entry } = wish
    const paying = (fields: Partial<EntryOf<'issue'>>) => {
      const evidence = issueEvidence(book.state, { ...entry, ...fields }, homes.sources)
      if (isRefusal(evidence)) return evidence.code
      const { id, kind, timeMs, ...rest } = { ...entry, ...fields }
      return wordOf(book.enter('issue', rest, evidence))
    }
    const [row] = entry.rows
    if (row === undefined) throw new Error('nobody is paid')
    expect(paying({ rows: [{ ...row, amount: row.amount + 1n }] })).toBe('wrong-evidence')
    expect(paying({ rows: [{ ...row, account: homes.account(0, 2) }] })).toBe('wrong-evidence')
    expect(paying({ coordinator: entry.coordinator + 1n })).toBe('wrong-evidence')
    expect(paying({ reserve: entry.reserve + 1n })).toBe('wrong-evidence')
    expect(paying({ window: 1 })).toBe('not-final')
    expect(paying({ part: 1 })).toBe('wrong-evidence')
    expect(paying({})).toBe('ok')
    expect(paying({})).toBe('entry-conflict')
    const nextMs = dueMs + WINDOW_MS
    homes.work(book, homes.account(0, 1), 1_000, dueMs)
    closeWork(book, nextMs)
    expect(entered(book, {}, nextMs)).toBe('ok')
    made(book, issuesOf(book, 1, nextMs))
    expect(paying({})).toBe('entry-conflict')
  })

  it('refuses a work window with another sum, another digest, or of nothing', () => {
    const book = homes.book(0)
    expect(nextWorkWindow(book.state, dueMs)).toBeUndefined()
    homes.work(book, homes.account(0, 0), 1_000, dueMs)
    const evidence = must(workEvidence(book.state))
    const due = { window: 1, contributors: 1, work: 200_000n, failed: 0n, ...evidence }
    const word = (fields: Partial<typeof due>) =>
      wordOf(book.enter('work-window', { ...due, ...fields }, must(workEvidence(book.state))))
    const wrong = [{ work: 200_001n }, { failed: 1n }, { window: 2 }, { contributors: 2 }]
    for (const fields of [...wrong, { digest: new Uint8Array(32) }]) expect(word(fields)).toBe('wrong-amount')
    expect(word({})).toBe('ok')
    expect(word({})).toBe('entry-conflict')
  })
})

const work = fc.record({
  at: fc.nat(1),
  home: fc.nat(1),
  n: fc.nat(2),
  tokens: fc.integer({ min: 1, max: 50_000 }),
  laterMs: fc.nat(4 * 3_600_000),
})

it('whatever is worked where and when: all of it is issued for once, and the sums are exact', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(work, { minLength: 1, maxLength: 60, size: 'max' }), async (works) => {
      homes = await EconomyHomes.of(2)
      const [here, there] = [homes.book(0), homes.book(1)]
      let [nowMs, dueMs, counted, load] = [BEGIN_MS, BEGIN_MS + WINDOW_MS, 0, undefined as bigint | undefined]
      const paid = new Map<string, bigint>()
      const close = (): void => {
        closeWork(here, nowMs)
        // The other one is late at times.
        if (counted % 2 === 0) closeWork(there, nowMs)
        const inputs = inputsNow(here.state, homes.sources)
        const wish = nextIssuanceWindow(here.state, inputs, nowMs, homes.sources)
        if (isRefusal(wish)) return
        expect(wordOf(homes.enter(here, wish))).toBe('ok')
        const entry = wish.entry as EntryOf<'issuance-window'>
        const { issuance } = DEFAULT_TERMS
        load = smoothedLoad(load, windowLoad(entry.demand, entry.capacity, issuance), issuance)
        expect([entry.load, entry.pool]).toEqual([
          load,
          windowPool(dailyPool(load, issuance), WINDOW_MS, entry.work, issuance),
        ])
        let sum = 0n
        for (const book of [here, there]) {
          const amounts = made(book, issuesOf(book, entry.window, nowMs))
          sum -= amounts.get('sys:issuance') ?? 0n
          for (const [account, amount] of amounts) {
            expect(account.startsWith('transit:')).toBe(false)
            paid.set(account, (paid.get(account) ?? 0n) + amount)
          }
        }
        expect(sum).toBe(entry.contributors + entry.coordinators + entry.reserve)
        expect(sum <= entry.pool).toBe(true)
        counted++
        dueMs = nowMs + WINDOW_MS
      }
      for (const { at, home, n, tokens, laterMs } of works) {
        nowMs += laterMs
        if (nowMs >= dueMs) close()
        homes.work(homes.book(at), homes.account(home, n), tokens, nowMs)
      }
      // Two more, so that nothing is left that somebody was late with.
      for (const late of [2, 4]) {
        nowMs += late * WINDOW_MS
        counted = 2 * counted
        close()
      }
      const due = homes.settled.reduce(
        (all, { cost, multiplier }) => all + (cost * 1_000_000n) / multiplier,
        0n,
      )
      let issuedFor = 0n
      for (let at = 0; ; at++) {
        const record = here.state.get('issuance', String(at))
        if (record === undefined) break
        issuedFor += record.work
      }
      expect(issuedFor).toBe(due)
      for (const { account } of homes.settled) expect((paid.get(account) ?? 0n) > 0n).toBe(true)
    }),
    { numRuns: 60 },
  )
})
