import { type RegistrationRecord, registrationState } from '../../core/enrollment/registration.js'
import type { EnrolledNode } from '../policy/enrolled-nodes.js'
import type { OverdueView } from './enrollment.js'

/**
 * Nodes that were given a new token and did not show it in time.
 *
 * @param admitted those that may work; who is held off already is not overdue
 */
export function overdueRotations(
  records: readonly RegistrationRecord[],
  admitted: readonly EnrolledNode[],
  nowMs: number,
): readonly OverdueView[] {
  return records.flatMap((record) => {
    const { agent, account, role, use, expiresMs } = record
    if (use !== 'rotate' || registrationState(record, nowMs) !== 'expired') return []
    const isReplaced = records.some(
      (each) => isOf(each, record) && each.createdMs > record.createdMs && replaces(each, nowMs),
    )
    const peers = admitted.filter((node) => isOf(node, record)).map(({ peer }) => peer)
    return isReplaced || peers.length === 0 ? [] : [{ agent, account, role, peers, dueMs: expiresMs }]
  })
}

/** Does a later token take the place of a rotation that was missed? One that was missed as well is told of itself. */
function replaces(record: RegistrationRecord, nowMs: number): boolean {
  const state = registrationState(record, nowMs)
  return state === 'open' || state === 'spent' || (state === 'expired' && record.use === 'rotate')
}

type Owned = Pick<RegistrationRecord, 'agent' | 'account' | 'role'>

function isOf(one: Owned, other: Owned): boolean {
  return one.agent === other.agent && one.account === other.account && one.role === other.role
}
