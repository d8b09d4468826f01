import type { RolloutRecord } from './policy-records.js'

export type Cohort = 'canary' | 'batch' | 'full'

/** Share of nodes that try a version first. */
const CANARY_PERCENT = 10
const ORDER: readonly Cohort[] = ['canary', 'batch', 'full']

/** Which cohort of a rollout a node is in: by chance, but the same for everybody who asks, at any time. */
export function cohortOf(
  { id, batchPercent }: Pick<RolloutRecord, 'id' | 'batchPercent'>,
  peer: string,
): Cohort {
  const percent = fractionOf(`${id} ${peer}`) * 100
  if (percent < CANARY_PERCENT) return 'canary'
  return percent < batchPercent ? 'batch' : 'full'
}

/**
 * The version that a node is to have, as far as this rollout goes.
 *
 * @returns undefined = it is not (or no more) offered to it; after a roll-back what was there before, empty =
 *   whatever the node had
 */
export function offerTo(rollout: RolloutRecord, peer: string): string | undefined {
  if (rollout.stage === 'paused') return undefined
  if (ORDER.indexOf(cohortOf(rollout, peer)) > ORDER.indexOf(rollout.reached)) return undefined
  return rollout.stage === 'rolled-back' ? rollout.before : rollout.version
}

/** FNV-1a, its bits mixed as MurmurHash3 ends: spread evenly, and no secret. @returns 0 up to, not with, 1 */
function fractionOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) {
    hash ^= text.charCodeAt(at)
    hash = Math.imul(hash, 0x01000193)
  }
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  hash ^= hash >>> 16
  return (hash >>> 0) / 2 ** 32
}
