import { expect, it } from 'vitest'
import { quorumOf } from '../../../../src/core/ledger/quorum.js'

it.each([
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 3],
  [5, 4],
  [7, 5],
  [10, 7],
  [50, 34],
])('of %i coordinators %i are a quorum', (coordinators, expected) => {
  expect(quorumOf(coordinators)).toBe(expected)
})

it('two quorums share more coordinators than may lie, and the honest alone are one', () => {
  for (let n = 1; n <= 200; n++) {
    const liars = Math.floor((n - 1) / 3)
    expect(2 * quorumOf(n) - n).toBeGreaterThan(liars)
    expect(quorumOf(n)).toBeLessThanOrEqual(n - liars)
  }
})
