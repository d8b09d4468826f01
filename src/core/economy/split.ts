import { invariant } from '../invariant.js'

export interface Weighted {
  /** Account id, in ASCII; unique in one split. */
  readonly id: string
  /** 0 or more. */
  readonly weight: bigint
}

/**
 * Divides an amount by weight, to the last microcredit: everyone gets the share rounded down, and what is
 * left goes, one each, to the largest remainders; ties by id. The order of the input does not matter.
 *
 * @param amount 0 or more
 * @returns amounts in the order of the input, which sum to `amount`; all 0 when nobody has weight
 */
export function splitByWeight(amount: bigint, parts: readonly Weighted[]): readonly bigint[] {
  invariant(amount >= 0n && parts.every(({ weight }) => weight >= 0n), 'a split of less than nothing')
  const sum = parts.reduce((total, { weight }) => total + weight, 0n)
  if (sum === 0n) return parts.map(() => 0n)
  const shares = parts.map(({ weight }) => (amount * weight) / sum)
  let left = amount - shares.reduce((total, share) => total + share, 0n)
  const remainder = ({ weight }: Weighted) => (amount * weight) % sum
  const byRemainder = parts
    .map((part, place) => ({ place, id: part.id, remainder: remainder(part) }))
    .sort((a, b) => compare(b.remainder, a.remainder) || compare(a.id, b.id))
  for (const { place } of byRemainder) {
    if (left === 0n) break
    shares[place] = (shares[place] as bigint) + 1n
    left--
  }
  return shares
}

/** Order by code unit, the same in every language and locale. */
export function compare<T extends bigint | string>(a: T, b: T): -1 | 0 | 1 {
  if (a === b) return 0
  return a < b ? -1 : 1
}
