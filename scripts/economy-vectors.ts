/** Prints protocols/vectors/economy.json: what everyone must compute alike. Run again only to add cases. */
import {
  dailyPool,
  type IssuanceInput,
  smoothedLoad,
  splitIssuance,
  windowLoad,
  windowPool,
} from '../src/core/economy/issuance.js'
import { divideHold, meter, quoteRates } from '../src/core/economy/metering.js'
import { nextMultiplier } from '../src/core/economy/pricing.js'
import { DEFAULT_TERMS, MODEL_CLASSES } from '../src/core/economy/terms.js'

const { pricing, issuance } = DEFAULT_TERMS
const usages = [
  { inputTokens: 1_234, outputTokens: 567, sandboxMs: 8_901 },
  { inputTokens: 1, outputTokens: 0, sandboxMs: 0 },
  { inputTokens: 4_294_967_295, outputTokens: 4_294_967_295, sandboxMs: 4_294_967_295 },
]
const settlements = MODEL_CLASSES.flatMap((modelClass) =>
  [250_000n, 1_000_000n, 1_333_333n].flatMap((multiplier) =>
    usages.map((usage) => {
      const rates = quoteRates(DEFAULT_TERMS, modelClass, multiplier)
      const metered = meter(rates, usage)
      const held = 200_000n
      return {
        modelClass,
        multiplier,
        usage,
        rates,
        metered,
        held,
        parts: divideHold(held, metered, DEFAULT_TERMS),
      }
    }),
  ),
)

let multiplier = 1_000_000n
const prices = [
  [0n, 0n],
  [900n, 1_000n],
  [100_000n, 1_000n],
  [0n, 1_000n],
  [801n, 1_000n],
  [7n, 3n],
].map(([demand = 0n, capacity = 0n]) => {
  const before = multiplier
  multiplier = nextMultiplier(before, { demand, capacity }, pricing)
  return { before, demand, capacity, after: multiplier }
})

let smoothed: bigint | undefined
const pools = [
  [0n, 0n],
  [3n, 0n],
  [10n, 7n],
  [99n, 10n],
].map(([demand = 0n, capacity = 0n]) => {
  const load = windowLoad(demand, capacity, issuance)
  smoothed = smoothedLoad(smoothed, load, issuance)
  const daily = dailyPool(smoothed, issuance)
  return { demand, capacity, load, smoothed, daily, hourly: windowPool(daily, 3_600_000, 1n, issuance) }
})

const contribution = (account: string, work: bigint, reliability = 1_000_000n) => ({
  account,
  work,
  reliability,
})
const inputs: readonly IssuanceInput[] = [
  { pool: 1_000n, contributions: [], coordinators: [] },
  { pool: 1_000_003n, contributions: [contribution('ann', 5n)], coordinators: [{ id: 'A', weight: 1n }] },
  {
    pool: 10_000_000_007n,
    contributions: ['cid', 'ann', 'bob', 'dan', 'eve', 'fay', 'gus'].map((account) =>
      contribution(account, 3n),
    ),
    coordinators: [
      { id: 'B', weight: 2n },
      { id: 'A', weight: 1n },
      { id: 'C', weight: 0n },
    ],
  },
  {
    pool: 777_777n,
    contributions: [
      contribution('ann', 1_000n),
      contribution('bob', 100n, 500_000n),
      contribution('cid', 90n, 999_999n),
      contribution('dan', 1n),
      contribution('eve', 0n),
      contribution('fay', 50n, 0n),
    ],
    coordinators: [{ id: 'A', weight: 1n }],
  },
]
const issues = inputs.map((input) => ({ input, split: splitIssuance(input, issuance) }))

const all = { terms: 'the default terms of src/core/economy/terms.ts', settlements, prices, pools, issues }
process.stdout.write(
  `${JSON.stringify(all, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value), 1)}\n`,
)
