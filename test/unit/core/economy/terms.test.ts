import { describe, expect, it } from 'vitest'
import { reliabilityOf } from '../../../../src/core/economy/issuance.js'
import { DEFAULT_TERMS, type EconomyTerms, termsFault } from '../../../../src/core/economy/terms.js'

const { pricing, issuance, prices, classFactors } = DEFAULT_TERMS

describe('terms', () => {
  it('that hold by default can be computed with', () => {
    expect(termsFault(DEFAULT_TERMS)).toBeUndefined()
  })

  const broken: readonly (readonly [string, Partial<EconomyTerms>])[] = [
    ['feeBasisPoints', { feeBasisPoints: 9_501n }],
    ['feeBasisPoints', { feeBasisPoints: -1n }],
    ['treasuryBasisPoints', { treasuryBasisPoints: 10_001n }],
    ['perSandboxSecond', { prices: { ...prices, perSandboxSecond: -1n } }],
    ['factor tiny', { classFactors: { ...classFactors, tiny: -1n } }],
    ['mostAllotted', { mostAllotted: 2n ** 63n }],
    ['usageTolerance.basisPoints', { usageTolerance: { basisPoints: 10_001n, units: 0n } }],
    ['stepDivisor', { pricing: { ...pricing, stepDivisor: 0n } }],
    ['targetBasisPoints', { pricing: { ...pricing, targetBasisPoints: 0n } }],
    ['leastMultiplier', { pricing: { ...pricing, leastMultiplier: 4_000_001n } }],
    ['leastMultiplier', { pricing: { ...pricing, leastMultiplier: 0n } }],
    ['window', { pricing: { ...pricing, windowMs: 0 } }],
    ['window', { issuance: { ...issuance, recalculateMs: 0.5 } }],
    ['smoothing', { issuance: { ...issuance, smoothing: 1_000_001n } }],
    ['leastLoad', { issuance: { ...issuance, leastLoad: 7_000_000n } }],
    ['coordinatorBasisPoints', { issuance: { ...issuance, coordinatorBasisPoints: 9_501n } }],
    ['capBasisPoints', { issuance: { ...issuance, capBasisPoints: 10_001n } }],
    ['leastDailyPool', { issuance: { ...issuance, leastDailyPool: issuance.mostDailyPool + 1n } }],
  ]
  it.each(broken)('with a bad %s cannot', (name, change) => {
    expect(termsFault({ ...DEFAULT_TERMS, ...change })).toContain(name)
  })
})

it('reliability is the share that held up, one whole without a judgement', () => {
  expect([
    reliabilityOf(0n, 0n),
    reliabilityOf(2n, 1n),
    reliabilityOf(0n, 5n),
    reliabilityOf(5n, 0n),
  ]).toEqual([1_000_000n, 666_666n, 0n, 1_000_000n])
})
