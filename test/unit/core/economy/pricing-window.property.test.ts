import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { closeWindow, firstWindow, paceAfter } from '../../../../src/core/economy/pricing-window.js'
import { DEFAULT_TERMS } from '../../../../src/core/economy/terms.js'
import type { EntryOf } from '../../../../src/wire/ledger/entry.js'
import { BEGIN_MS, EconomyHomes } from '../../../helpers/economy-homes.js'
import { wordOf } from '../../../helpers/ledger-book.js'
import { naivePrices, type PriceEvent } from '../../../helpers/naive-pricing.js'

const { pricing } = DEFAULT_TERMS
const { windowMs } = pricing

const act = fc.record({
  what: fc.constantFrom('hold', 'hold', 'hold', 'settle', 'settle', 'release' as const),
  /** Mostly within a window, at times hours later, at times by a clock that went back. */
  laterMs: fc.oneof(
    { weight: 6, arbitrary: fc.nat(200_000) },
    { weight: 2, arbitrary: fc.nat(windowMs * 3) },
    { weight: 1, arbitrary: fc.nat(windowMs * 40) },
    { weight: 1, arbitrary: fc.integer({ min: -windowMs, max: 0 }) },
  ),
  who: fc.nat(2),
  tokens: fc.nat(20_000),
  runMs: fc.oneof(fc.nat(5_000), fc.nat(windowMs * 2)),
})

describe('pricing windows of a log', () => {
  it('that are opened only when something happens are those that pass one by one', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 80, size: 'max' }), async (acts) => {
        const homes = await EconomyHomes.of(1)
        const book = homes.book(0)
        const events: PriceEvent[] = []
        const open: string[] = []
        let nowMs = BEGIN_MS
        for (const { what, laterMs, who, tokens, runMs } of acts) {
          nowMs = Math.max(BEGIN_MS, nowMs + laterMs)
          // As entries are: a time before the open window counts into it.
          const timeMs = Math.max(nowMs, book.state.get('pricing', '')?.startMs ?? 0)
          if (what === 'hold') {
            open.push(homes.hold(book, nowMs))
            events.push({ what, timeMs })
            continue
          }
          const task = open.shift()
          if (task === undefined) continue
          if (what === 'release') homes.release(book, task)
          else homes.settle(book, task, homes.account(0, who), tokens, runMs, nowMs)
          const { worker = '', cost = 0n, multiplier = 1n } = homes.settled[homes.settled.length - 1] ?? {}
          events.push({ what, timeMs, worker, work: (cost * 1_000_000n) / multiplier, runMs })
        }
        const naive = naivePrices(events, BEGIN_MS, windowMs)
        const now = book.state.get('pricing', '')
        const last = naive[naive.length - 1]
        expect([now?.window, now?.multiplier, now?.holds]).toEqual([last?.number, last?.price, open.length])
        const prices = new Map(naive.map(({ number, price }) => [number, price]))
        for (let at = now?.window; at !== undefined; ) {
          const record = book.state.get('price', String(at))
          if (record !== undefined) {
            expect(record.closed.multiplier).toBe(prices.get(record.closed.window))
          }
          at = record?.closed.window
        }
      }),
      { numRuns: 120 },
    )
  })

  it('no window moves the price by more than an eighth for each that passed', () => {
    const some = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })
    fc.assert(
      fc.property(some, some, fc.nat(1_000), fc.nat(1_000), fc.integer({ min: 1, max: 50 }), (...given) => {
        const [work, capacity, tasks, holds, passed] = given
        const open = { ...firstWindow(BEGIN_MS, pricing), work, capacity, tasks, holds }
        const next = closeWindow(open, BEGIN_MS + passed * windowMs, pricing)
        const [before, after] = [Number(open.multiplier), Number(next?.multiplier)]
        expect(next?.window).toBe(open.window + passed)
        expect(after).toBeLessThanOrEqual(before * 1.125 + 1)
        expect(after).toBeGreaterThanOrEqual(Math.max(250_000, Math.floor(before * 0.875 ** passed) - passed))
        expect((next?.demand ?? -1n) >= 0n && (next?.demand ?? 0n) < 2n ** 63n).toBe(true)
      }),
    )
  })

  it('a worker counts for at least what it did, and for no more than four times that or its best', () => {
    const settled = fc.record({ work: fc.bigInt({ min: 0n, max: 10n ** 12n }), runMs: fc.nat(10 ** 7) })
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), settled), { minLength: 1 }), (all) => {
        let [window, best, here] = [7, 0n, 0n]
        let pace: ReturnType<typeof paceAfter> | undefined
        for (const [later, each] of all) {
          if (later > 0) here = 0n
          window += later
          here += each.work
          best = here > best ? here : best
          pace = paceAfter(pace, window, each, pricing)
          expect(pace.capacity >= here).toBe(true)
          expect(pace.capacity <= 4n * here || pace.capacity <= best).toBe(true)
        }
      }),
    )
  })

  it('longer windows by policy do not stop them', () => {
    const open = firstWindow(BEGIN_MS, pricing)
    const longer = { ...pricing, windowMs: 7 * windowMs }
    const laterMs = BEGIN_MS + 8 * windowMs
    expect(closeWindow(open, laterMs, longer)?.window).toBe(open.window + 1)
  })
})

describe('a writer cannot', () => {
  let homes: EconomyHomes
  const later = BEGIN_MS + windowMs
  beforeAll(async () => {
    homes = await EconomyHomes.of(1)
    const book = homes.book(0)
    for (const n of [0, 1, 2]) homes.work(book, homes.account(0, n), 900, BEGIN_MS + n)
    homes.hold(book, BEGIN_MS + 5)
  })
  const due = (): Omit<EntryOf<'price-window'>, 'kind' | 'id' | 'timeMs'> => {
    const open = homes.book(0).state.get('pricing', '')
    const next = open && closeWindow(open, later, pricing)
    if (next === undefined) throw new Error('no window is due')
    return next
  }
  const enter = (fields: ReturnType<typeof due>, timeMs = later) =>
    wordOf(homes.book(0).enter('price-window', fields, undefined, undefined, timeMs))

  it.each(['demand', 'capacity', 'multiplier'] as const)('state another %s, be it by one', (field) => {
    expect(enter({ ...due(), [field]: due()[field] + 1n })).toBe('wrong-amount')
  })

  it('skip a window, go back to one, or open one before its time', () => {
    expect(enter({ ...due(), window: due().window + 1 })).toBe('wrong-amount')
    expect(enter({ ...due(), startMs: due().startMs + 1 })).toBe('wrong-amount')
    expect(enter(due(), later - 1)).toBe('entry-conflict')
    expect(enter(due(), later + windowMs)).toBe('wrong-amount')
  })

  it('open one twice', () => {
    const fields = due()
    expect(enter(fields)).toBe('ok')
    expect(enter(fields)).toBe('entry-conflict')
  })
})
