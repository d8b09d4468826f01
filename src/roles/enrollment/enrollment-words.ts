import {
  type EnrolledRole,
  type EnrollmentRequest,
  type RegistrationRecord,
  registrationState,
} from '../../core/enrollment/registration.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { EnrolledNode } from '../policy/enrolled-nodes.js'
import type { TokenView } from './enrollment.js'

const ID_DIGITS = 16

/** What a node that waits is told: what for, since when, and what the approver types. */
export function pendingRefusal(
  { peer, agent, account, role, sinceMs }: EnrollmentRequest,
  inPlaceOf: string | undefined,
  retryAfterMs: number,
): Refusal {
  const since = new Date(sinceMs).toISOString()
  const replaces = inPlaceOf === undefined ? '' : `, in place of ${inPlaceOf}, which works on until then`
  const who = role === 'worker' ? agent : `${role} ${agent}`
  return refusal('approval-pending', `${who} of ${account} waits for approval since ${since}${replaces}`, {
    next: `An admin types: edgecoder admin nodes approve ${peer}`,
    retryAfterMs,
  })
}

/** Why the policy does not let an enrolled node work; undefined = it was never enrolled, or it does. */
export function standingRefusal(node: EnrolledNode | undefined): Refusal | undefined {
  if (node === undefined || node.state === 'active' || node.state === 'draining') return undefined
  const { peer, agent, state, reason, sinceMs } = node
  const since = new Date(sinceMs).toISOString()
  if (state === 'pending') {
    return refusal('approval-pending', `${agent} is enrolled since ${since}, and waits for a node-state`, {
      next: `An admin types: edgecoder admin nodes approve ${peer}`,
    })
  }
  const next =
    state === 'revoked'
      ? 'Ask who runs the network; to come back it needs a new registration token.'
      : `Ask who runs the network; an admin types: edgecoder admin nodes resume ${peer}`
  return refusal('not-admitted', `${agent} is ${state} since ${since}: ${reason}`, { next })
}

/** @param why the policy does not admit it */
export function strangerRefusal(agent: string, role: EnrolledRole, why: Refusal): Refusal {
  const as = role === 'worker' ? '' : ` --role ${role}`
  return refusal(why.code, why.detail, {
    next: `Ask who runs the network for a registration token: edgecoder node enroll ${agent}${as}`,
  })
}

export function tokenView(record: RegistrationRecord, nowMs: number): TokenView {
  const { hash, revokedMs: _revoked, denied: _denied, spent, ...rest } = record
  return {
    id: hash.slice(0, ID_DIGITS),
    ...rest,
    state: registrationState(record, nowMs),
    ...(spent === undefined ? {} : { peer: spent.peer }),
  }
}
