import { fittingModels } from './feasibility.js'
import type { Requirement, WorkerProfile } from './views.js'
import type { Worker } from './worker.js'

/** Steps of speed an octave: machines within a fifth of each other are equals, and take turns. */
const SPEED_STEPS = 4
/** A model in memory is worth sixteen times the speed: loading takes seconds. */
const WARM = 16
/** A worker that always fails ranks below one 256 times slower. */
const RELIABILITY = 32
const LATENCY_STEP_MS = 25
const MOST_LATENCY_STEPS = 16
/** A worker with many free slots is less loaded. */
const MOST_SPREAD = 4

const UNPROVEN = 0.9
/** Weight of the newest outcome. */
const NEWEST = 0.1
/** Workers whose rate is remembered, so that re-attaching does not wipe it. */
const REMEMBERED = 20_000

/** How fast it would start and run tasks of the class; from its capabilities alone. Higher is better. */
export function staticScore(profile: WorkerProfile, requirement: Requirement): number {
  if (requirement.kind === 'test') return 0
  let best = 0
  for (const model of fittingModels(profile, requirement))
    best = Math.max(best, Math.round(SPEED_STEPS * Math.log2(1 + model.tokensPerS)) + (model.warm ? WARM : 0))
  return best
}

/** What it is like now, added to the static score. */
export function dynamicScore(worker: Worker, successRate: number, latencyMs: number | undefined): number {
  const latency = Math.min(MOST_LATENCY_STEPS, (latencyMs ?? 0) / LATENCY_STEP_MS)
  return Math.min(MOST_SPREAD, worker.free / 2) - (1 - successRate) * RELIABILITY - latency
}

/** Could the worker start a task of this requirement without loading a model first? */
export function isWarm(warm: ReadonlySet<string>, requirement: Requirement): boolean {
  return requirement.model === '' || warm.has(requirement.model)
}

/** Success rates of workers, newer outcomes weighing more. */
export class SuccessRates {
  readonly #rates = new Map<string, number>()

  of(worker: string): number {
    return this.#rates.get(worker) ?? UNPROVEN
  }

  record(worker: string, success: boolean): void {
    const rate = this.of(worker)
    this.#rates.delete(worker)
    this.#rates.set(worker, rate + ((success ? 1 : 0) - rate) * NEWEST)
    if (this.#rates.size <= REMEMBERED) return
    for (const longest of this.#rates.keys()) {
      this.#rates.delete(longest)
      return
    }
  }
}
