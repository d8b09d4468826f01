/** Chance as the roles see it; in simulation it comes from the seed. */
export interface Random {
  bytes(length: number): Uint8Array
  /** @returns 0 ≤ n < 1 */
  fraction(): number
  /**
   * A fresh id: 26 characters of Crockford base 32, the first ten from the clock, so that ids sort by time
   * (ULID).
   */
  id(): string
}
