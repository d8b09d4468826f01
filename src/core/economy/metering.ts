import { type Refusal, refusal } from '../refusal.js'
import { BASIS_POINTS, basisPointsOf, dividedUp, MILLION, smaller } from './fixed-point.js'
import type { EconomyTerms, ModelClass } from './terms.js'

/** What a task is charged by, agreed when its credits are held, in microcredits. */
export interface Rates {
  readonly inputPer1000Tokens: bigint
  readonly outputPer1000Tokens: bigint
  readonly perSandboxSecond: bigint
}

/** What an attempt used; whole numbers, 0 or more. */
export interface Usage {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly sandboxMs: number
}

/** The parts of a hold when it is settled; they sum to it. */
export interface Settlement {
  readonly cost: bigint
  readonly worker: bigint
  readonly fee: bigint
  readonly treasury: bigint
  /** Given back to who held. */
  readonly refund: bigint
}

const USAGE_FIELDS = ['inputTokens', 'outputTokens', 'sandboxMs'] as const

/**
 * Rates of a class of models in a pricing window, each rounded down once.
 *
 * @param multiplier of the window, in millionths
 */
export function quoteRates(terms: EconomyTerms, modelClass: ModelClass, multiplier: bigint): Rates {
  const { prices, classFactors } = terms
  const factor = classFactors[modelClass]
  const ofModel = (price: bigint) => (price * factor * multiplier) / (MILLION * MILLION)
  return {
    inputPer1000Tokens: ofModel(prices.inputPer1000Tokens),
    outputPer1000Tokens: ofModel(prices.outputPer1000Tokens),
    // Running code needs no model, so its class changes nothing.
    perSandboxSecond: (prices.perSandboxSecond * multiplier) / MILLION,
  }
}

/** What a usage costs, in microcredits; rounded up once, over the sum, so that work is never free. */
export function meter(rates: Rates, usage: Usage): bigint {
  const thousandths =
    rates.inputPer1000Tokens * BigInt(usage.inputTokens) +
    rates.outputPer1000Tokens * BigInt(usage.outputTokens) +
    rates.perSandboxSecond * BigInt(usage.sandboxMs)
  return dividedUp(thousandths, 1_000n)
}

/**
 * The usage that pays when both ends counted: of each number the smaller one, while they differ by no more
 * than policy tolerates.
 *
 * @param gateway without what it cannot count itself; there the worker's word stands, bounded by the hold
 * @returns `usage-disputed` when they differ by more: a verifier decides, never the faster talker
 */
export function agreeUsage(
  worker: Usage,
  gateway: Partial<Usage>,
  tolerance: EconomyTerms['usageTolerance'],
): Usage | Refusal {
  const agreed = { ...worker }
  for (const field of USAGE_FIELDS) {
    const ours = worker[field]
    const theirs = gateway[field] ?? ours
    const apart = BigInt(Math.abs(ours - theirs))
    const larger = BigInt(Math.max(ours, theirs))
    if (apart > tolerance.units && apart * BASIS_POINTS > tolerance.basisPoints * larger) {
      return refusal('usage-disputed', `the worker counted ${ours} ${field}, the gateway ${theirs}`)
    }
    agreed[field] = Math.min(ours, theirs)
  }
  return agreed
}

/**
 * Divides a hold at its settlement.
 *
 * @param held microcredits of the hold; the cost never exceeds it
 * @param shares in basis points, together at most the whole
 */
export function divideHold(
  held: bigint,
  metered: bigint,
  shares: { readonly feeBasisPoints: bigint; readonly treasuryBasisPoints: bigint },
): Settlement {
  const cost = smaller(metered, held)
  const fee = basisPointsOf(cost, shares.feeBasisPoints)
  const treasury = basisPointsOf(cost, shares.treasuryBasisPoints)
  return { cost, worker: cost - fee - treasury, fee, treasury, refund: held - cost }
}
