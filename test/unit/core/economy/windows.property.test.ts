import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  DAY_MS,
  dailyPool,
  smoothedLoad,
  splitIssuance,
  windowLoad,
  windowPool,
} from '../../../../src/core/economy/issuance.js'
import { nextMultiplier } from '../../../../src/core/economy/pricing.js'
import { DEFAULT_TERMS } from '../../../../src/core/economy/terms.js'

const { pricing, issuance } = DEFAULT_TERMS
const CREDIT = 1_000_000n
const work = fc.bigInt({ min: 0n, max: 10n ** 15n })
const multiplier = fc.bigInt({ min: pricing.leastMultiplier, max: pricing.mostMultiplier })

describe('pricing window', () => {
  it('stays within its bounds and moves by an eighth at most', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 8n }), work, work, (before, demand, capacity) => {
        const after = nextMultiplier(before, { demand, capacity }, pricing)
        expect(after >= 250_000n && after <= 4_000_000n).toBe(true)
        if (before < 250_000n || before > 4_000_000n) return
        const moved = after > before ? after - before : before - after
        expect(moved * 8n <= before).toBe(true)
      }),
    )
  })

  it('more demand never lowers the price, more capacity never raises it', () => {
    fc.assert(
      fc.property(multiplier, work, work, work, (before, demand, capacity, more) => {
        const at = (d: bigint, c: bigint) => nextMultiplier(before, { demand: d, capacity: c }, pricing)
        expect(at(demand + more, capacity) >= at(demand, capacity)).toBe(true)
        if (capacity > 1n) expect(at(demand, capacity + more) <= at(demand, capacity)).toBe(true)
      }),
    )
  })

  it('has the steps of its formula', () => {
    const next = (demand: bigint, capacity: bigint, before = 1_000_000n) =>
      nextMultiplier(before, { demand, capacity }, pricing)
    expect(next(800n, 1_000n)).toBe(1_000_000n)
    expect(next(1_600n, 1_000n)).toBe(1_125_000n)
    expect(next(99_999n, 1_000n)).toBe(1_125_000n)
    expect(next(0n, 1_000n)).toBe(875_000n)
    expect(next(1_200n, 1_000n)).toBe(1_062_500n)
    expect(next(5n, 0n)).toBe(1_000_000n)
    expect(next(10n ** 12n + 1n, (10n ** 12n * 10n) / 8n)).toBe(1_000_001n)
    expect(next(0n, 1_000n, 250_000n)).toBe(250_000n)
    expect(next(9_999n, 1_000n, 4_000_000n)).toBe(4_000_000n)
  })
})

describe('issuance window', () => {
  it('has the pool of its formula', () => {
    expect(dailyPool(200_000n, issuance)).toBe(10_000n * CREDIT)
    expect(dailyPool(1_000_000n, issuance)).toBe(10_000n * CREDIT)
    expect(dailyPool(2_000_000n, issuance)).toBe(13_500n * CREDIT)
    expect(dailyPool(6_000_000n, issuance)).toBe(27_500n * CREDIT)
    expect(dailyPool(6_000_000n, { ...issuance, baseDailyPool: 10n ** 12n })).toBe(100_000n * CREDIT)
    expect(dailyPool(0n, { ...issuance, baseDailyPool: 1n })).toBe(2_500n * CREDIT)
    expect(windowPool(24_000n, DAY_MS / 24, 0n, issuance)).toBe(1_000n)
    expect(windowPool(1_000n, DAY_MS, 30n, { ...issuance, leastWork: 100n })).toBe(300n)
  })

  it('smooths the load within its bounds', () => {
    expect(windowLoad(30n, 10n, issuance)).toBe(3_000_000n)
    expect(windowLoad(0n, 0n, issuance)).toBe(200_000n)
    expect(windowLoad(1n, 0n, issuance)).toBe(6_000_000n)
    expect(smoothedLoad(undefined, 3_000_000n, issuance)).toBe(3_000_000n)
    expect(smoothedLoad(1_000_000n, 3_000_000n, issuance)).toBe(1_700_000n)
    fc.assert(
      fc.property(fc.array(fc.tuple(work, work), { minLength: 1, maxLength: 30 }), (windows) => {
        let load: bigint | undefined
        for (const [demand, capacity] of windows) {
          const now = windowLoad(demand, capacity, issuance)
          const before = load ?? now
          load = smoothedLoad(load, now, issuance)
          expect(load >= 200_000n && load <= 6_000_000n).toBe(true)
          expect(before < now ? load >= before && load <= now : load <= before && load >= now - 1n).toBe(true)
        }
      }),
    )
  })

  const contributions = fc.uniqueArray(
    fc.record({
      account: fc.string({ minLength: 1, maxLength: 4 }),
      work,
      reliability: fc.bigInt({ min: 0n, max: 1_000_000n }),
    }),
    { selector: ({ account }) => account, maxLength: 20 },
  )
  const coordinators = fc.uniqueArray(
    fc.record({ id: fc.string({ minLength: 1, maxLength: 4 }), weight: work }),
    {
      selector: ({ id }) => id,
      maxLength: 5,
    },
  )
  const pool = fc.bigInt({ min: 0n, max: 100_000n * CREDIT })
  const sum = (rows: readonly { readonly amount: bigint }[]) =>
    rows.reduce((all, { amount }) => all + amount, 0n)

  it('divides the whole pool, with nobody over the cap and nobody paid without work', () => {
    fc.assert(
      fc.property(pool, contributions, coordinators, (amount, some, hosts) => {
        const split = splitIssuance({ pool: amount, contributions: some, coordinators: hosts }, issuance)
        const paid = sum(split.contributors) + sum(split.coordinators)
        expect(paid + split.reserve + split.undistributed).toBe(amount)
        expect(split.undistributed >= 0n).toBe(true)
        const most = (amount - (amount * 500n) / 10_000n - split.reserve) / 5n
        const works = new Map(some.map((each) => [each.account, each.work * each.reliability]))
        for (const row of split.contributors) {
          expect(row.amount <= most && row.amount > 0n).toBe(true)
          expect((works.get(row.account) ?? 0n) > 0n).toBe(true)
        }
        // Below five contributors the cap binds; from five on, equal or not, only caps leave something over.
        const workers = [...works.values()].filter((each) => each > 0n).length
        if (workers > 5 && split.undistributed > 5n && hosts.some(({ weight }) => weight > 0n)) {
          const atCap = split.contributors.filter((row) => row.amount >= most).length
          expect(atCap).toBe(split.contributors.length)
        }
      }),
    )
  })

  it('is the same in any order', () => {
    fc.assert(
      fc.property(pool, contributions, coordinators, (amount, some, hosts) => {
        const forward = splitIssuance({ pool: amount, contributions: some, coordinators: hosts }, issuance)
        const backward = splitIssuance(
          { pool: amount, contributions: some.toReversed(), coordinators: hosts.toReversed() },
          issuance,
        )
        expect(backward).toEqual(forward)
        const accounts = forward.contributors.map(({ account }) => account)
        expect(accounts).toEqual([...accounts].sort((a, b) => (a < b ? -1 : 1)))
      }),
    )
  })

  it('more verified work never lowers a share by more than the microcredit that rounding moves', () => {
    fc.assert(
      fc.property(pool, contributions, fc.nat(), work, (amount, some, pick, more) => {
        fc.pre(some.length > 0)
        const at = pick % some.length
        const account = some[at]?.account
        const share = (all: typeof some) =>
          splitIssuance({ pool: amount, contributions: all, coordinators: [] }, issuance).contributors.find(
            (row) => row.account === account,
          )?.amount ?? 0n
        const raised = some.map((each, place) => (place === at ? { ...each, work: each.work + more } : each))
        expect(share(raised) >= share(some) - 1n).toBe(true)
      }),
    )
  })
})
