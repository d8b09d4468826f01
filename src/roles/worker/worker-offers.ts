import type { PolicyView } from '../../core/policy/policy-view.js'
import { cohortOf, offerTo } from '../../core/policy/rollout-offer.js'
import { hasVersion } from '../../core/policy/rollout-standing.js'
import type { Means } from './capabilities.js'
import type { WorkerOffer } from './worker.js'

/** Versions that policy offers to a worker and that it has not; after a roll-back, what it is to go back to. */
export function offersTo(
  peerId: string,
  { rollouts = [] }: Pick<PolicyView, 'rollouts'>,
  means: Pick<Means, 'version' | 'models'>,
): readonly WorkerOffer[] {
  return rollouts.flatMap((rollout) => {
    const version = offerTo(rollout, peerId)
    if (version === undefined) return []
    const { id, target, model, stage } = rollout
    const rolledBack = stage === 'rolled-back'
    const has = hasVersion(rolledBack ? rollout : { ...rollout, version }, means)
    // Who never took what was rolled back has nothing to go back from.
    if (has !== rolledBack) return []
    return [{ rollout: id, cohort: cohortOf(rollout, peerId), target, model, version, rolledBack }]
  })
}
