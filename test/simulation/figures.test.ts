import { expect, it } from 'vitest'
import { bench as cheatCatch } from '../../scripts/bench/cheat-catch.bench.js'
import { bench as storm } from '../../scripts/bench/storm.bench.js'

// Both are played in virtual time from a seed: what they come to is no matter of the machine.

it('60 % of the workers cut off for a minute cost no attempt', async () => {
  const { workers_cut, attempts_cut, needless_kills } = await storm()
  expect([workers_cut, needless_kills]).toEqual([12, 0])
  expect(attempts_cut).toBeGreaterThan(20)
}, 60_000)

it('who lies about one task of ten is suspended within 50, at a tenth of the cost, and honest workers are not', async () => {
  const figures = await cheatCatch()
  expect(figures['tasks_to_suspend_p95']).toBeLessThanOrEqual(50)
  expect(figures['audit_cost_ratio']).toBeLessThanOrEqual(0.1)
  expect(figures['false_suspension_ratio']).toBeLessThan(0.001)
  expect(figures['missed_ratio']).toBe(0)
}, 240_000)
