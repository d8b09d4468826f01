import { CREDIT } from './fixed-point.js'

/** Classes of models by parameters, largest first; a class costs what its factor says. */
export const MODEL_CLASSES = ['large', 'medium', 'small', 'tiny'] as const
export type ModelClass = (typeof MODEL_CLASSES)[number]

/** What work costs before class and window change it, in microcredits. */
export interface PriceList {
  readonly inputPer1000Tokens: bigint
  readonly outputPer1000Tokens: bigint
  readonly perSandboxSecond: bigint
}

/** How the price follows demand. */
export interface PricingTerms {
  /** Share of the capacity at which the price stays, in basis points. */
  readonly targetBasisPoints: bigint
  /** A window moves the multiplier by at most one part in so many: 8 = 12.5 %. */
  readonly stepDivisor: bigint
  /** Bounds of the multiplier, in millionths. */
  readonly leastMultiplier: bigint
  readonly mostMultiplier: bigint
}

/** How new credits are made and divided. */
export interface IssuanceTerms {
  /** Microcredits a day at a load of one, and the bounds of what load makes of it. */
  readonly baseDailyPool: bigint
  readonly leastDailyPool: bigint
  readonly mostDailyPool: bigint
  /** How much of the load above one is added to the pool, in millionths. */
  readonly loadSlope: bigint
  /** Weight of the newest window in the smoothed load, in millionths. */
  readonly smoothing: bigint
  /** Bounds of one window's load, in millionths. */
  readonly leastLoad: bigint
  readonly mostLoad: bigint
  /** Shares of the pool in basis points; contributors get the rest. */
  readonly coordinatorBasisPoints: bigint
  readonly reserveBasisPoints: bigint
  /** Most of the contributors' part that one account gets, in basis points. */
  readonly capBasisPoints: bigint
  /** Verified work below which the pool shrinks in proportion, in work units; 0 = never. */
  readonly leastWork: bigint
}

/** All that signed policy says about money. */
export interface EconomyTerms {
  readonly prices: PriceList
  /** Millionths. */
  readonly classFactors: Readonly<Record<ModelClass, bigint>>
  readonly pricing: PricingTerms
  readonly issuance: IssuanceTerms
  /** Of a settled cost, in basis points, rounded down; the worker gets the rest. */
  readonly feeBasisPoints: bigint
  readonly treasuryBasisPoints: bigint
  /** How far worker and gateway may differ in what they counted, before a verifier decides. */
  readonly usageTolerance: { readonly basisPoints: bigint; readonly units: bigint }
  /** Most that one coordinator may be allotted of one account, in microcredits. */
  readonly mostAllotted: bigint
}

/** What holds until signed policy says otherwise. */
export const DEFAULT_TERMS: EconomyTerms = {
  prices: { inputPer1000Tokens: 50_000n, outputPer1000Tokens: 200_000n, perSandboxSecond: 10_000n },
  classFactors: { large: 1_000_000n, medium: 700_000n, small: 500_000n, tiny: 300_000n },
  pricing: {
    targetBasisPoints: 8_000n,
    stepDivisor: 8n,
    leastMultiplier: 250_000n,
    mostMultiplier: 4_000_000n,
  },
  issuance: {
    baseDailyPool: 10_000n * CREDIT,
    leastDailyPool: 2_500n * CREDIT,
    mostDailyPool: 100_000n * CREDIT,
    loadSlope: 350_000n,
    smoothing: 350_000n,
    leastLoad: 200_000n,
    mostLoad: 6_000_000n,
    coordinatorBasisPoints: 500n,
    reserveBasisPoints: 500n,
    capBasisPoints: 2_000n,
    leastWork: 0n,
  },
  feeBasisPoints: 150n,
  treasuryBasisPoints: 500n,
  usageTolerance: { basisPoints: 200n, units: 8n },
  mostAllotted: 1_000n * CREDIT,
}

/** The class of a model. @param parametersMillions of all its parameters, such as 7,000 */
export function modelClassOf(parametersMillions: number): ModelClass {
  if (parametersMillions >= 7_000) return 'large'
  if (parametersMillions >= 3_000) return 'medium'
  return parametersMillions >= 1_500 ? 'small' : 'tiny'
}
