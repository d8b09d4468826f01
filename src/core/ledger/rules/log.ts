import { firstWindow } from '../../economy/pricing-window.js'
import { type EconomyTerms, termsFault } from '../../economy/terms.js'
import { type Refusal, refusal } from '../../refusal.js'
import type { Draft } from '../draft.js'
import { disagreement, sameValue } from '../facts.js'
import { entriesBefore, FIRST_EPOCH } from '../line.js'
import { sameBytes } from '../merkle/tree-hash.js'
import type { LineRecord } from '../records.js'
import { emptyTally } from './issuance.js'
import type { Rule } from './rule.js'

/**
 * Begins a log. That of a later epoch goes on with the state at which the one before was cut; its first
 * entry says where that was.
 */
export const genesis: Rule<'genesis'> = (draft, { entry, evidence }) => {
  const { network, home, epoch, coordinator, policy: digest, continues } = entry
  const before = draft.get('log', '')
  const follows =
    before === undefined
      ? continues === undefined
      : before.network === network &&
        before.home === home &&
        epoch > before.epoch &&
        continues?.size === before.size
  if (!follows) return refusal('entry-conflict', `epoch ${epoch} of ${home} does not follow what is there`)
  const { sequence, terms } = evidence
  const fault = badTerms(terms)
  if (fault !== undefined) return fault
  if (sequence < (draft.get('policy', '')?.sequence ?? 0)) {
    return refusal('entry-conflict', `policy ${sequence} is older than the one in force`)
  }
  if (epoch !== FIRST_EPOCH) draft.set({ table: 'line', key: '', value: lineAfter(draft, continues?.root) })
  draft.set({ table: 'log', key: '', value: { network, home, epoch, coordinator, size: 0 } })
  draft.set({ table: 'home', key: home, value: { epoch, coordinator } })
  draft.set({ table: 'policy', key: '', value: { sequence, digest, terms } })
  if (before !== undefined) return undefined
  draft.set({ table: 'pricing', key: '', value: firstWindow(entry.timeMs, terms.pricing) })
  draft.set({ table: 'tally', key: '', value: emptyTally(0, entry.timeMs) })
  return undefined
}

/** What a log that begins now goes on from, by the state that it goes on with. */
function lineAfter(draft: Draft, root: Uint8Array | undefined): LineRecord {
  const { epoch, size } = draft.get('log', '') ?? { epoch: 0, size: 0 }
  return { epoch, size, root, before: entriesBefore(draft) + size }
}

/** A policy message comes into force: the one that follows the present one, and no other. */
export const policy: Rule<'policy'> = (draft, { entry, evidence }) => {
  const { terms, handover, ...said } = evidence
  const differs = disagreement(entry, said)
  if (differs !== undefined) return differs
  const fault = badTerms(terms)
  if (fault !== undefined) return fault
  const { sequence, previous, digest } = entry
  const present = draft.policy
  if (sequence !== present.sequence + 1 || !sameBytes(previous, present.digest)) {
    return refusal('entry-conflict', `policy ${sequence} does not follow policy ${present.sequence}`)
  }
  draft.set({ table: 'policy', key: '', value: { sequence, digest, terms } })
  if (handover === undefined) return undefined
  const { home, epoch, coordinator } = handover
  const { log } = draft
  // How this log itself came to be. It was begun after that message, and enters it later.
  const named = epoch < log.epoch || (epoch === log.epoch && coordinator === log.coordinator)
  if (home === log.home && epoch > FIRST_EPOCH && named) return undefined
  const latest = draft.get('home', home)?.epoch ?? -1
  if (epoch <= latest) return refusal('entry-conflict', `${home} is in epoch ${latest} already`)
  draft.set({ table: 'home', key: home, value: { epoch, coordinator } })
  return undefined
}

function badTerms(terms: EconomyTerms): Refusal | undefined {
  const fault = termsFault(terms)
  return fault === undefined ? undefined : refusal('out-of-bounds', `the policy cannot be in force: ${fault}`)
}

/** A checkpoint of another log; of one log they only grow, and never contradict each other. */
export const checkpointSeen: Rule<'checkpoint-seen'> = (draft, { entry, evidence }) => {
  const differs = disagreement(entry, evidence)
  if (differs !== undefined) return differs
  const { origin, size, root } = entry
  const before = draft.get('checkpoint', origin)
  if (before?.size === size && !sameValue(before.root, root)) {
    return refusal('log-forked', `${origin} has two roots at size ${size}`, {
      next: 'Keep both checkpoints: together they prove it.',
    })
  }
  if (before !== undefined && size <= before.size) {
    return refusal('entry-conflict', `${origin} was seen at size ${before.size} already`)
  }
  draft.set({ table: 'checkpoint', key: origin, value: { size, root } })
  return undefined
}
