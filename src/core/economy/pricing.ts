import { BASIS_POINTS, clamp } from './fixed-point.js'
import type { PricingTerms } from './terms.js'

/** What a pricing window saw, out of its finalised log content. */
export interface PricingWindow {
  /** Work asked for, in work units. */
  readonly demand: bigint
  /** Work that could have been done, in the same units. */
  readonly capacity: bigint
}

/**
 * The multiplier of the next window: moves with demand against the target share of the capacity, as the base
 * fee of EIP-1559 does, by at most one `stepDivisor`th, within its bounds. Divisions round towards zero; a
 * demand above target moves it by a millionth at least, so that it cannot stick at a low price.
 *
 * @param multiplier of the window before, in millionths
 * @returns the same when there is no capacity: nobody could have worked at any price
 */
export function nextMultiplier(multiplier: bigint, window: PricingWindow, terms: PricingTerms): bigint {
  const present = clamp(multiplier, terms.leastMultiplier, terms.mostMultiplier)
  const target = (window.capacity * terms.targetBasisPoints) / BASIS_POINTS
  if (target <= 0n) return present
  const excess = clamp(window.demand - target, -target, target)
  const step = (present * excess) / (target * terms.stepDivisor)
  const moved = excess > 0n && step === 0n ? 1n : step
  return clamp(present + moved, terms.leastMultiplier, terms.mostMultiplier)
}
