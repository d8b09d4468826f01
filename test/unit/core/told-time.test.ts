import { expect, it } from 'vitest'
import { clockAheadMs, toldTime } from '../../../src/core/told-time.js'

/** Told at 1,000,000 by the peer's clock; asked at 500 and heard at 700 here. */
const told = toldTime(1_000_000n, 500, 700)

it.each([
  ['within the way there and back', 1_000_000, 700, 0],
  ['at its other end', 1_000_200, 700, 0],
  ['the clock here is behind', 990_000, 700, 10_000],
  ['the clock here is ahead', 1_010_200, 700, -10_000],
  ['the same, long after', 1_110_200, 100_700, -10_000],
  ['the clock here was set right since', 1_100_100, 100_700, 0],
])('%s', (_what, nowMs, monotonicMs, aheadMs) => {
  expect(clockAheadMs(told, nowMs, monotonicMs)).toBe(aheadMs)
})

it('of a coordinator that tells no time nothing is said', () => {
  expect(clockAheadMs(toldTime(0n, 500, 700), 1_000_000, 700)).toBeUndefined()
})
