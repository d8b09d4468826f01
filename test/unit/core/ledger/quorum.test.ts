import { expect, it } from 'vitest'
import { quorumOf, sealsNeeded } from '../../../../src/core/ledger/quorum.js'

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

it.each([
  [1, 1],
  [2, 1],
  [3, 2],
  [4, 3],
  [5, 3],
  [7, 5],
])('of %i coordinators %i seals are enough', (coordinators, expected) => {
  expect(sealsNeeded(coordinators, quorumOf(coordinators))).toBe(expected)
})

it('whoever seals shares more with each quorum than may lie, and is at most a quorum', () => {
  for (let n = 1; n <= 200; n++) {
    const liars = Math.floor((n - 1) / 3)
    const seals = sealsNeeded(n, quorumOf(n))
    expect(quorumOf(n) + seals - n).toBeGreaterThan(liars)
    expect(seals).toBeLessThanOrEqual(quorumOf(n))
  }
})

it('two quorums share more coordinators than may lie, and the honest alone are one', () => {
  for (let n = 1; n <= 200; n++) {
    const liars = Math.floor((n - 1) / 3)
    expect(2 * quorumOf(n) - n).toBeGreaterThan(liars)
    expect(quorumOf(n)).toBeLessThanOrEqual(n - liars)
  }
})
