import { createSeededRandom } from '../../src/services/clock/seeded-random.js'
import { type CheatWorldEnd, type CheatWorldInit, runCheatWorld } from './cheat-world.js'
import type { Metrics } from './main.js'
import { quantile } from './quantile.js'

const WORLDS = 20
const USUAL: CheatWorldInit = {
  honest: 500,
  cheaters: 25,
  lieShare: 0.1,
  lieFromTask: 0,
  tasks: 1_000,
  flakyShare: 0.01,
  alone: false,
}

/**
 * How soon a worker is suspended that lies in a tenth of its results, what checking costs, and how many honest
 * workers are suspended in a thousand tasks each, one suite in a hundred failing at random. A check counts as
 * much as a task, which holds of `test`; of `solve` it repeats the tests only. Sleepers begin to lie after 300
 * results, when they are trusted. Whoever is alone is tried on known answers instead. The core decides; worlds are drawn from a seed.
 */
export async function bench(): Promise<Metrics> {
  const usual = worlds(USUAL)
  const sleeping = worlds({ ...USUAL, lieFromTask: 300 })
  const alone = worlds({ ...USUAL, alone: true })
  const flakier = worlds({ ...USUAL, flakyShare: 0.03 })
  return {
    tasks_to_suspend_p50: quantile(caught(usual), 0.5),
    tasks_to_suspend_p95: quantile(caught(usual), 0.95),
    missed_ratio: share(usual, ({ missed }) => missed, USUAL.cheaters),
    audit_cost_ratio: share(usual, ({ checks }) => checks, USUAL.honest * USUAL.tasks),
    false_suspension_ratio: share(usual, ({ falselySuspended }) => falselySuspended, USUAL.honest),
    sleeper_tasks_to_suspend_p50: quantile(caught(sleeping), 0.5),
    sleeper_tasks_to_suspend_p95: quantile(caught(sleeping), 0.95),
    alone_tasks_to_suspend_p50: quantile(caught(alone), 0.5),
    alone_tasks_to_suspend_p95: quantile(caught(alone), 0.95),
    alone_audit_cost_ratio: share(alone, ({ checks }) => checks, USUAL.honest * USUAL.tasks),
    alone_false_suspension_ratio: share(alone, ({ falselySuspended }) => falselySuspended, USUAL.honest),
    flakier_false_suspension_ratio: share(flakier, ({ falselySuspended }) => falselySuspended, USUAL.honest),
  }
}

function worlds(init: CheatWorldInit): readonly CheatWorldEnd[] {
  return Array.from({ length: WORLDS }, (_, seed) => runCheatWorld(createSeededRandom(seed + 1), init))
}

function caught(ends: readonly CheatWorldEnd[]): readonly number[] {
  return ends.flatMap(({ caughtAfter }) => caughtAfter)
}

function share(ends: readonly CheatWorldEnd[], of: (end: CheatWorldEnd) => number, each: number): number {
  return ends.reduce((sum, end) => sum + of(end), 0) / (ends.length * each)
}
