import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  dailyPool,
  smoothedLoad,
  splitIssuance,
  windowLoad,
  windowPool,
} from '../../../../src/core/economy/issuance.js'
import { divideHold, meter, quoteRates, type Usage } from '../../../../src/core/economy/metering.js'
import { nextMultiplier } from '../../../../src/core/economy/pricing.js'
import { DEFAULT_TERMS, type ModelClass } from '../../../../src/core/economy/terms.js'

type Amounts<Name extends string> = Readonly<Record<Name, string>>

interface Vectors {
  readonly settlements: readonly (Amounts<'multiplier' | 'metered' | 'held'> & {
    readonly modelClass: ModelClass
    readonly usage: Usage
    readonly rates: unknown
    readonly parts: unknown
  })[]
  readonly prices: readonly Amounts<'before' | 'demand' | 'capacity' | 'after'>[]
  readonly pools: readonly Amounts<'demand' | 'capacity' | 'load' | 'smoothed' | 'daily' | 'hourly'>[]
  readonly issues: readonly {
    readonly input: {
      readonly pool: string
      readonly contributions: readonly Amounts<'account' | 'work' | 'reliability'>[]
      readonly coordinators: readonly Amounts<'id' | 'weight'>[]
    }
    readonly split: unknown
  }[]
}

const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../../../protocols/vectors/economy.json', import.meta.url), 'utf8'),
)
const { pricing, issuance } = DEFAULT_TERMS
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_key, each: unknown) => (typeof each === 'bigint' ? String(each) : each)))

describe('economy vectors', () => {
  it.each(vectors.settlements)('$modelClass at $multiplier, $usage', (vector) => {
    const rates = quoteRates(DEFAULT_TERMS, vector.modelClass, BigInt(vector.multiplier))
    expect(plain(rates)).toEqual(vector.rates)
    const metered = meter(rates, vector.usage)
    expect(String(metered)).toBe(vector.metered)
    expect(plain(divideHold(BigInt(vector.held), metered, DEFAULT_TERMS))).toEqual(vector.parts)
  })

  it.each(vectors.prices)(
    'a price of $before, $demand over $capacity',
    ({ before, demand, capacity, after }) => {
      const window = { demand: BigInt(demand), capacity: BigInt(capacity) }
      expect(String(nextMultiplier(BigInt(before), window, pricing))).toBe(after)
    },
  )

  it('a row of issuance windows', () => {
    let smoothed: bigint | undefined
    for (const window of vectors.pools) {
      const load = windowLoad(BigInt(window.demand), BigInt(window.capacity), issuance)
      smoothed = smoothedLoad(smoothed, load, issuance)
      const daily = dailyPool(smoothed, issuance)
      const hourly = windowPool(daily, 3_600_000, 1n, issuance)
      expect(plain({ ...window, load, smoothed, daily, hourly })).toEqual(window)
    }
  })

  it.each(vectors.issues)('a pool of $input.pool', ({ input, split }) => {
    const contributions = input.contributions.map(({ account, work, reliability }) => {
      return { account, work: BigInt(work), reliability: BigInt(reliability) }
    })
    const coordinators = input.coordinators.map(({ id, weight }) => ({ id, weight: BigInt(weight) }))
    expect(plain(splitIssuance({ pool: BigInt(input.pool), contributions, coordinators }, issuance))).toEqual(
      split,
    )
  })
})
