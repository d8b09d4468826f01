import type { RolloutRecord } from './policy-records.js'
import { type Cohort, cohortOf, offerTo } from './rollout-offer.js'

/** A worker as its coordinator knows it. */
export interface RolloutWorker {
  readonly peer: string
  readonly version: string
  readonly models: readonly { readonly name: string; readonly digest?: string }[]
  /** Attempts that ended since it runs this version and these models. */
  readonly done: number
  readonly failed: number
}

/** One cohort of a rollout. */
export interface CohortStanding {
  readonly cohort: Cohort
  readonly workers: number
  /** Of them, those that have the version. */
  readonly having: number
  /** Of those: attempts that ended well, and that did not. */
  readonly done: number
  readonly failed: number
}

export interface RolloutStanding {
  readonly offered: number
  readonly cohorts: readonly CohortStanding[]
  readonly gate: Gate
}

/**
 * May it go on? `waiting` = too few attempts; `broken` = too many failed, whatever becomes of those that are
 * still missing.
 */
export interface Gate {
  readonly state: 'waiting' | 'holds' | 'broken'
  readonly attempts: number
  readonly failed: number
}

const COHORTS: readonly Cohort[] = ['canary', 'batch', 'full']
const WHOLE = 10_000

/** Does a worker have what a rollout brings? */
export function hasVersion(
  { target, model, version }: Pick<RolloutRecord, 'target' | 'model' | 'version'>,
  worker: Pick<RolloutWorker, 'version' | 'models'>,
): boolean {
  if (target === 'runtime') return worker.version === version
  return worker.models.some(({ name, digest }) => name === model && digest === version)
}

export function standingOfRollout(
  rollout: RolloutRecord,
  workers: readonly RolloutWorker[],
): RolloutStanding {
  const cohorts = COHORTS.map((cohort) => {
    const those = workers.filter(({ peer }) => cohortOf(rollout, peer) === cohort)
    const having = those.filter((worker) => hasVersion(rollout, worker))
    return {
      cohort,
      workers: those.length,
      having: having.length,
      done: having.reduce((sum, { done }) => sum + done, 0),
      failed: having.reduce((sum, { failed }) => sum + failed, 0),
    }
  })
  const offered = workers.filter(({ peer }) => offerTo(rollout, peer) !== undefined).length
  return { offered, cohorts, gate: gateOf(rollout, cohorts) }
}

/** @param cohorts as one coordinator has them, or several together */
export function gateOf(
  { failureBasisPoints, leastAttempts }: Pick<RolloutRecord, 'failureBasisPoints' | 'leastAttempts'>,
  cohorts: readonly Pick<CohortStanding, 'done' | 'failed'>[],
): Gate {
  const failed = cohorts.reduce((sum, each) => sum + each.failed, 0)
  const attempts = cohorts.reduce((sum, each) => sum + each.done + each.failed, 0)
  const tooMany = failed * WHOLE > failureBasisPoints * Math.max(attempts, leastAttempts)
  const state = tooMany ? 'broken' : attempts < leastAttempts ? 'waiting' : 'holds'
  return { state, attempts, failed }
}
