import { describe, expect, it } from 'vitest'
import { SABOTAGES, UNSEEDED } from './sabotage.js'
import { type SimulationOptions, simulate } from './simulate.js'

const SEEDS = 60
/** Broke a promise once. */
const MENDED = [558, 633, 673, 900, 4007, 4063, 9121, 10033, 10214, 12272, 14086]
/** A plan may leave out what a sabotage needs; of so many, one has it. */
const SABOTAGED_SEEDS = 100
/** Of a search through so many whole runs, on a machine that is busy. */
const SEARCH_MS = 180_000

describe('whole roles under faults keep their promises', () => {
  it.each([...Array.from({ length: SEEDS }, (_, index) => index + 1), ...MENDED])('seed %i', async (seed) => {
    const { violations } = await simulate(seed)
    expect(violations, `npm run simulate -- --seed ${seed}`).toEqual([])
  })
})

describe('one seed', () => {
  it('plays the same, event by event, each time', async () => {
    const [first, again, other] = [await simulate(3), await simulate(3), await simulate(4)]
    expect(again.traceHash).toBe(first.traceHash)
    expect(other.traceHash).not.toBe(first.traceHash)
    expect(first.events).toBeGreaterThan(100)
  })

  it('plays differently when anything in it is left to chance', async () => {
    const differs = await firstSeed(async (seed) => {
      const [first, again] = [await sabotaged(seed, UNSEEDED), await sabotaged(seed, UNSEEDED)]
      return first.traceHash !== again.traceHash
    })
    expect(differs).toBeDefined()
  })
})

describe('the checks find', () => {
  it.each(Object.entries(SABOTAGES))(
    '%s',
    async (name, { rules, how, seeds = [] }) => {
      const found = await firstSeed(async (seed) => {
        const { violations } = await sabotaged(seed, how)
        return violations.some(({ rule }) => rules.includes(rule))
      }, seeds)
      if (seeds.length > 0 && !seeds.includes(found ?? 0)) console.warn(`${name}: seed ${found} shows it now`)
      expect(found, `one of ${rules.join(', ')} broken within ${SABOTAGED_SEEDS} seeds`).toBeDefined()
    },
    SEARCH_MS,
  )
})

function sabotaged(seed: number, sabotage: NonNullable<SimulationOptions['sabotage']>) {
  return simulate(seed, { sabotage })
}

/** @param likely tried before all others, which are tried all the same: a change elsewhere changes what seeds show */
async function firstSeed(
  is: (seed: number) => Promise<boolean>,
  likely: readonly number[] = [],
): Promise<number | undefined> {
  for (const seed of likely) if (await is(seed)) return seed
  for (let seed = 1; seed <= SABOTAGED_SEEDS; seed++) if (await is(seed)) return seed
  return undefined
}
