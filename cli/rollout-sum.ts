import type { RolloutsJson } from '../src/bridge/schemas/rollout.js'
import { gateOf } from '../src/core/policy/rollout-standing.js'

export type Rollouts = RolloutsJson['rollouts']

/** What several coordinators say of rollouts, as one: the newest step of each, and the counts of all. */
export function summed(said: readonly Rollouts[]): Rollouts {
  const byId = new Map<string, Rollouts[number]>()
  for (const rollout of said.flat()) {
    const known = byId.get(rollout.id)
    if (known === undefined) {
      byId.set(rollout.id, rollout)
      continue
    }
    const newest = known.sequence >= rollout.sequence ? known : rollout
    const cohorts = known.cohorts.map((each, at) => {
      const other = rollout.cohorts[at]
      return {
        cohort: each.cohort,
        workers: each.workers + (other?.workers ?? 0),
        having: each.having + (other?.having ?? 0),
        done: each.done + (other?.done ?? 0),
        failed: each.failed + (other?.failed ?? 0),
      }
    })
    const offered = known.offered + rollout.offered
    byId.set(rollout.id, { ...newest, offered, cohorts, gate: gateOf(newest, cohorts) })
  }
  return [...byId.values()]
}
