import { basisPointsOf, clamp, MILLION } from './fixed-point.js'
import { compare, splitByWeight, type Weighted } from './split.js'
import type { IssuanceTerms } from './terms.js'

/** One contributor's part in an issuance window. */
export interface Contribution {
  readonly account: string
  /** Verified work in the window, in work units. */
  readonly work: bigint
  /** Millionths, at most one whole: the share of its work that held up. */
  readonly reliability: bigint
}

export interface IssuanceInput {
  /** Microcredits to be divided. */
  readonly pool: bigint
  /** Each account at most once. */
  readonly contributions: readonly Contribution[]
  /** Coordinators by the work settled in their logs; each at most once. */
  readonly coordinators: readonly Weighted[]
}

export interface IssuanceRow {
  readonly account: string
  readonly amount: bigint
}

export interface IssuanceSplit {
  /** By account id; without those who get nothing. */
  readonly contributors: readonly IssuanceRow[]
  /** By coordinator id; without those who get nothing. */
  readonly coordinators: readonly IssuanceRow[]
  readonly reserve: bigint
  /** What nobody may have (caps, no work): never made. Together all parts are the pool. */
  readonly undistributed: bigint
}

/** Milliseconds in the day that pools are stated for. */
export const DAY_MS = 86_400_000

/** A window's load: demand over capacity in millionths, within its bounds; no capacity = the highest. */
export function windowLoad(demand: bigint, capacity: bigint, terms: IssuanceTerms): bigint {
  const load = capacity > 0n ? (demand * MILLION) / capacity : terms.mostLoad
  return clamp(demand > 0n ? load : 0n, terms.leastLoad, terms.mostLoad)
}

/**
 * The load smoothed over windows (exponential moving average).
 *
 * @param before the smoothed load of the window before, in millionths; undefined = this is the first
 */
export function smoothedLoad(before: bigint | undefined, load: bigint, terms: IssuanceTerms): bigint {
  if (before === undefined) return load
  return (terms.smoothing * load + (MILLION - terms.smoothing) * before) / MILLION
}

/** Microcredits a day at a smoothed load: more than the base only above a load of one. */
export function dailyPool(load: bigint, terms: IssuanceTerms): bigint {
  const above = load > MILLION ? load - MILLION : 0n
  const factor = MILLION * MILLION + above * terms.loadSlope
  const pool = (terms.baseDailyPool * factor) / (MILLION * MILLION)
  return clamp(pool, terms.leastDailyPool, terms.mostDailyPool)
}

/**
 * The pool of one window: its part of the day, less when too little was done to be paid the whole of it.
 *
 * @param work all verified work of the window
 */
export function windowPool(daily: bigint, windowMs: number, work: bigint, terms: IssuanceTerms): bigint {
  const pool = (daily * BigInt(windowMs)) / BigInt(DAY_MS)
  return work < terms.leastWork ? (pool * work) / terms.leastWork : pool
}

/**
 * How much of a contributor's judged work held up, in millionths, rounded down; one whole for who was never
 * judged.
 */
export function reliabilityOf(verified: bigint, failed: bigint): bigint {
  const judged = verified + failed
  return judged > 0n ? (verified * MILLION) / judged : MILLION
}

/** Divides a pool. The order of the input does not matter. */
export function splitIssuance(input: IssuanceInput, terms: IssuanceTerms): IssuanceSplit {
  const { pool } = input
  const forCoordinators = basisPointsOf(pool, terms.coordinatorBasisPoints)
  const reserve = basisPointsOf(pool, terms.reserveBasisPoints)
  const forContributors = pool - forCoordinators - reserve
  const weighted = input.contributions.map(({ account, work, reliability }) => ({
    id: account,
    weight: work * clamp(reliability, 0n, MILLION),
  }))
  const cap = basisPointsOf(forContributors, terms.capBasisPoints)
  const contributors = rows(weighted, splitCapped(forContributors, weighted, cap))
  const coordinators = rows(input.coordinators, splitByWeight(forCoordinators, input.coordinators))
  return {
    contributors,
    coordinators,
    reserve,
    undistributed: pool - reserve - sum(contributors) - sum(coordinators),
  }
}

/**
 * Divides by weight with a cap on each: whoever would reach the cap gets it and leaves, and the rest is
 * divided anew among the others, until none reaches it.
 *
 * @returns in the order of the input; less than `amount` in all when everyone is at the cap
 */
function splitCapped(amount: bigint, parts: readonly Weighted[], cap: bigint): readonly bigint[] {
  let left = amount
  let open = parts.filter(({ weight }) => weight > 0n)
  const shares = new Map<string, bigint>()
  for (;;) {
    const total = open.reduce((all, { weight }) => all + weight, 0n)
    const capped = open.filter(({ weight }) => left * weight >= cap * total)
    if (capped.length === 0) break
    // Each was due the cap or more, so together they take no more than there is.
    for (const { id } of capped) shares.set(id, cap)
    left -= cap * BigInt(capped.length)
    open = open.filter(({ id }) => !shares.has(id))
    if (open.length === 0) break
  }
  splitByWeight(left, open).forEach((share, place) => {
    shares.set((open[place] as Weighted).id, share)
  })
  return parts.map(({ id }) => shares.get(id) ?? 0n)
}

function rows(parts: readonly Weighted[], shares: readonly bigint[]): readonly IssuanceRow[] {
  return parts
    .map(({ id }, place) => ({ account: id, amount: shares[place] as bigint }))
    .filter(({ amount }) => amount > 0n)
    .sort((a, b) => compare(a.account, b.account))
}

function sum(all: readonly IssuanceRow[]): bigint {
  return all.reduce((total, { amount }) => total + amount, 0n)
}
