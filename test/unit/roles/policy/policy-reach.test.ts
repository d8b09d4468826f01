import { expect, it } from 'vitest'
import { simulateReach } from '../../../helpers/policy-reach.js'

it('a message is at 1,000 peers within 5 seconds at p99, though 5 % of what is sent is lost', async () => {
  const { reachesMs, missed } = await simulateReach({
    servers: 20,
    workers: 980,
    messages: 2,
    lossRatio: 0.05,
    seed: 7,
  })
  expect(missed).toBe(0)
  expect(reachesMs).toHaveLength(2_000)
  const sorted = reachesMs.toSorted((a, b) => a - b)
  expect(sorted[Math.ceil(0.99 * sorted.length) - 1]).toBeLessThan(5_000)
}, 180_000)
