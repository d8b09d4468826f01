import { type Refusal, refusal } from '../core/refusal.js'
import { findLostEnds, lostEndRefusal } from '../roles/coordinator/lost-end.js'
import { awaitedPolicy, type SignedPolicy } from './policy-source.js'
import type { Services } from './services.js'

/**
 * Does the store of a coordinator have less than it had? Told before anything else: there may be no policy
 * either, and then no coordinator begins that would tell.
 *
 * @returns what is lost; undefined = nothing that is known of
 * @throws EdgeCoderError `store-corrupt`, `store-failed`
 */
export async function lostStore(
  { store, reach, signer, log }: Services,
  networkId: string,
): Promise<Refusal | undefined> {
  const [lost] = await findLostEnds({ store, reach }, { networkId, self: signer.peerId })
  if (lost === undefined) return undefined
  const { origin, here, before } = lost
  const why = lostEndRefusal(lost, false)
  log.error('log-end-lost', { origin, here, before, detail: why.detail, next: why.next })
  return why
}

/** Why a node waits for a policy that it had: it was in the store, too. @param lost of the store */
export function policyAfterLoss(
  signed: SignedPolicy | undefined,
  lost: Refusal | undefined,
): Refusal | undefined {
  if (lost === undefined || awaitedPolicy(signed) === undefined) return undefined
  const first = 'The policy has to come first: from a bootstrap peer, or by edgecoder admin policy publish.'
  return refusal(lost.code, `${lost.detail}; there is no policy either`, {
    next: `${first} ${lost.next ?? ''}`,
  })
}
