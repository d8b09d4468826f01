import { isRefusal } from '../../core/refusal.js'
import type { Audit } from '../../ports/audit.js'
import type { Coordinator } from '../../roles/coordinator/coordinator.js'
import { mount, type Surface } from '../mount.js'
import type { NodeControl } from '../node-control.js'
import { audited } from './audited.js'
import { notHere } from './not-here.js'
import { SUSPENSION_ROUTES as ROUTES } from './suspension-routes.js'

interface Components {
  readonly node: NodeControl
  readonly audit: Audit
  readonly coordinator?: Coordinator
}

export function mountSuspensions(surface: Surface, { node, audit, coordinator }: Components): void {
  const none = () => notHere(node, 'coordinator')
  mount(surface, ROUTES.coordinatorSuspensions, () =>
    coordinator === undefined ? none() : { suspensions: coordinator.suspensions() },
  )
  mount(surface, ROUTES.coordinatorEvidence, async ({ params: { worker } }) => {
    if (coordinator === undefined) return none()
    const evidence = await coordinator.suspensionEvidence(worker)
    return isRefusal(evidence) ? evidence : { evidence: Buffer.from(evidence).toString('base64') }
  })
  mount(surface, ROUTES.coordinatorReinstate, async ({ params: { worker } }) => {
    if (coordinator === undefined) return none()
    const answer = (await coordinator.reinstate(worker)) ?? { suspensions: coordinator.suspensions() }
    return audited(audit, answer, () => ({ kind: 'worker-reinstated', of: worker }))
  })
}
