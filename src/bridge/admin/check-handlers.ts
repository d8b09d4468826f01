import type { Audit } from '../../ports/audit.js'
import type { Coordinator } from '../../roles/coordinator/coordinator.js'
import { envelopeCodec } from '../../wire/envelope.js'
import { mount, type Surface } from '../mount.js'
import type { NodeControl } from '../node-control.js'
import { audited } from './audited.js'
import { CHECK_ROUTES as ROUTES } from './check-routes.js'
import { notHere } from './not-here.js'

interface Components {
  readonly node: NodeControl
  readonly coordinator?: Coordinator | undefined
  readonly audit: Audit
}

/** Workers whose results others refuted: what is held against them, and beginning anew with one. */
export function mountChecks(surface: Surface, { node, coordinator, audit }: Components): void {
  const none = () => notHere(node, 'coordinator')
  mount(surface, ROUTES.coordinatorEvidence, ({ params: { worker } }) =>
    coordinator === undefined ? none() : evidenceJson(coordinator, worker),
  )
  mount(surface, ROUTES.coordinatorForgive, async ({ params: { worker } }) => {
    if (coordinator === undefined) return none()
    const answer = (await coordinator.forgive(worker)) ?? evidenceJson(coordinator, worker)
    return audited(audit, answer, () => ({ kind: 'worker-forgiven', of: worker }))
  })
}

function evidenceJson(coordinator: Coordinator, worker: string) {
  const standing = coordinator.quality().checks?.workers.find(({ peerId }) => peerId === worker)
  const cases = coordinator.evidence(worker).map(({ task, sinceMs, checkDigest, votes }) => ({
    task,
    sinceMs,
    checkDigest: Buffer.from(checkDigest).toString('hex'),
    votes: votes.map(({ receipt, ...vote }) => {
      return { ...vote, receipt: Buffer.from(envelopeCodec.encode(receipt)).toString('base64') }
    }),
  }))
  return { worker, suspended: standing?.suspendedMs !== undefined, cases }
}
