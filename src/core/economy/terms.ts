import { BASIS_POINTS, CREDIT, MILLION } from './fixed-point.js'

/** Largest amount, so that stores can keep it in 64 bits. */
const MOST = 2n ** 63n - 1n

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
  /** Length of a window. */
  readonly windowMs: number
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
  /** Length of a window, and how often its figures are computed anew while it is open. */
  readonly windowMs: number
  readonly recalculateMs: number
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
    windowMs: 600_000,
    targetBasisPoints: 8_000n,
    stepDivisor: 8n,
    leastMultiplier: 250_000n,
    mostMultiplier: 4_000_000n,
  },
  issuance: {
    windowMs: 86_400_000,
    recalculateMs: 3_600_000,
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

/**
 * Why terms cannot be in force: signed or not, the rules must be able to compute with them.
 *
 * @returns undefined = they can
 */
export function termsFault(terms: EconomyTerms): string | undefined {
  const { prices, classFactors, pricing, issuance, usageTolerance } = terms
  const amounts: readonly Span[] = [
    ...Object.entries(prices).map(([name, value]): Span => [name, value, 0n, MOST]),
    ...Object.entries(classFactors).map(
      ([name, value]): Span => [`factor ${name}`, value, 0n, 1_000n * MILLION],
    ),
    ['treasuryBasisPoints', terms.treasuryBasisPoints, 0n, BASIS_POINTS],
    ['feeBasisPoints', terms.feeBasisPoints, 0n, BASIS_POINTS - terms.treasuryBasisPoints],
    ['usageTolerance.basisPoints', usageTolerance.basisPoints, 0n, BASIS_POINTS],
    ['usageTolerance.units', usageTolerance.units, 0n, MOST],
    ['mostAllotted', terms.mostAllotted, 0n, MOST],
    ['targetBasisPoints', pricing.targetBasisPoints, 1n, BASIS_POINTS],
    ['stepDivisor', pricing.stepDivisor, 1n, MILLION],
    ['mostMultiplier', pricing.mostMultiplier, 1n, 1_000n * MILLION],
    ['leastMultiplier', pricing.leastMultiplier, 1n, pricing.mostMultiplier],
    ['mostDailyPool', issuance.mostDailyPool, 0n, MOST],
    ['leastDailyPool', issuance.leastDailyPool, 0n, issuance.mostDailyPool],
    ['baseDailyPool', issuance.baseDailyPool, 0n, MOST],
    ['loadSlope', issuance.loadSlope, 0n, 1_000n * MILLION],
    ['smoothing', issuance.smoothing, 0n, MILLION],
    ['mostLoad', issuance.mostLoad, 0n, 1_000n * MILLION],
    ['leastLoad', issuance.leastLoad, 0n, issuance.mostLoad],
    ['reserveBasisPoints', issuance.reserveBasisPoints, 0n, BASIS_POINTS],
    [
      'coordinatorBasisPoints',
      issuance.coordinatorBasisPoints,
      0n,
      BASIS_POINTS - issuance.reserveBasisPoints,
    ],
    ['capBasisPoints', issuance.capBasisPoints, 0n, BASIS_POINTS],
    ['leastWork', issuance.leastWork, 0n, MOST],
  ]
  const broken = amounts.find(([, value, least, most]) => value < least || value > most)
  if (broken !== undefined) return `${broken[0]}: ${broken[1]} is not within ${broken[2]} to ${broken[3]}`
  const times = [pricing.windowMs, issuance.windowMs, issuance.recalculateMs]
  return times.every((ms) => Number.isSafeInteger(ms) && ms > 0) ? undefined : 'a window has no length'
}

/** Name, value, and its bounds, both included. */
type Span = readonly [name: string, value: bigint, least: bigint, most: bigint]

/** The class of a model. @param parametersMillions of all its parameters, such as 7,000 */
export function modelClassOf(parametersMillions: number): ModelClass {
  if (parametersMillions >= 7_000) return 'large'
  if (parametersMillions >= 3_000) return 'medium'
  return parametersMillions >= 1_500 ? 'small' : 'tiny'
}
