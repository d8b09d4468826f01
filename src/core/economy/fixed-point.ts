/**
 * How the economy counts. All of it is integers, so that whoever computes anew gets the same to the
 * microcredit; nothing here may become a floating-point number.
 *
 * Amounts are microcredits (1 credit = 10⁶). Ratios (load, multiplier, reliability, class factors) are
 * millionths. Shares are basis points (1/10,000). A division rounds down unless it says otherwise.
 */
export const MILLION = 1_000_000n
/** Basis points in the whole. */
export const BASIS_POINTS = 10_000n
/** Microcredits in one credit. */
export const CREDIT = 1_000_000n

export function clamp(value: bigint, least: bigint, most: bigint): bigint {
  if (value < least) return least
  return value > most ? most : value
}

export function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

export function larger(a: bigint, b: bigint): bigint {
  return a < b ? b : a
}

/** Division of what is not negative, rounded up. */
export function dividedUp(value: bigint, by: bigint): bigint {
  return (value + by - 1n) / by
}

/** Share of an amount in basis points, rounded down. */
export function basisPointsOf(amount: bigint, basisPoints: bigint): bigint {
  return (amount * basisPoints) / BASIS_POINTS
}
