import { hexOf } from '../ledger/hex.js'
import { type Refusal, refusal } from '../refusal.js'
import { gateRefusal } from './incident-gate.js'
import { admits, type PolicyView } from './policy-view.js'

/** A model as a worker serves it. */
export interface ServedModel {
  readonly name: string
  /** What its engine says it is: a SHA-256 in hexadecimal; left out = the engine does not tell. */
  readonly digest?: string
}

/** Characters of a digest that tell it apart for people. */
const SHORT = 12

/**
 * May a worker be given work for this model? What an engine says of itself is taken at its word: who lies is
 * found by verification, not here.
 *
 * @returns undefined = yes; else `model-refused`, or `incident-closed` while models must be listed with their
 *   digest
 */
export function modelRefusal(
  { models, incident }: Pick<PolicyView, 'models' | 'incident'>,
  { name, digest }: ServedModel,
): Refusal | undefined {
  const listed = models?.models.filter((each) => each.name === name) ?? []
  if (digest !== undefined && listed.some((each) => hexOf(each.digest) === digest)) return undefined
  if (digest !== undefined && listed.length > 0) {
    const named = listed.map((each) => hexOf(each.digest).slice(0, SHORT)).join(' or ')
    return refused(`model ${name} is ${digest.slice(0, SHORT)}… here, and policy lets ${named}… serve`)
  }
  // It is not known to be one of those that admins looked at.
  const untested = gateRefusal(incident, 'untested-models')
  if (untested !== undefined) return untested
  if (listed.length > 0) {
    if (models?.untold !== 'refused') return undefined
    return refused(`the engine does not tell which file model ${name} is, and policy wants to know`)
  }
  if (models?.unlisted !== 'refused') return undefined
  return refused(`model ${name} is not among the models that policy lets serve`)
}

/** A source that is no place of a file. */
export const ENGINE_SOURCE = 'ollama'

/** Names under which policy lists a file of this digest; none = it lists no such file. */
export function namesOfFile({ models }: Pick<PolicyView, 'models'>, digest: string): readonly string[] {
  return (models?.models ?? [])
    .filter((each) => each.source !== ENGINE_SOURCE && hexOf(each.digest) === digest)
    .map(({ name }) => name)
}

/**
 * May a file be lent to a peer? Only what policy lists goes out: no worker serves files of its own choice.
 *
 * @param peerId proven by the noise handshake
 * @returns undefined = yes; else why policy says no
 */
export function lendRefusal(view: PolicyView, digest: string, peerId: string): Refusal | undefined {
  const closed = gateRefusal(view.incident, 'model-sources')
  if (closed !== undefined) return closed
  const stranger = admits(view, { peerId, role: 'worker' })
  if (stranger !== undefined) return stranger
  if (namesOfFile(view, digest).length > 0) return undefined
  return refusal('model-refused', `policy lists no file with SHA-256 ${digest.slice(0, SHORT)}…`)
}

function refused(detail: string): Refusal {
  return refusal('model-refused', detail, {
    next: 'See `edgecoder model policy`; `edgecoder model pull` brings one that may serve.',
  })
}
