import type { Audit } from '../../ports/audit.js'
import type { Coordinator } from '../../roles/coordinator/coordinator.js'
import { mount, type Surface } from '../mount.js'
import type { NodeControl } from '../node-control.js'
import { ADMIN_ROUTES as ROUTES } from './admin-routes.js'
import { audited } from './audited.js'
import { statusJson } from './node-status.js'
import { notHere } from './not-here.js'
import { mountSuspensions } from './suspension-handlers.js'

interface Components {
  readonly node: NodeControl
  readonly audit: Audit
  readonly coordinator?: Coordinator
}

/** Serves what its owner does with the coordinator here while it runs; each act is written down. */
export function mountOperations(surface: Surface, components: Components): void {
  mountPause(surface, components)
  mountDrains(surface, components)
  mountSuspensions(surface, components)
}

function mountPause(surface: Surface, { node, coordinator, audit }: Components): void {
  const none = () => notHere(node, 'coordinator')
  mount(surface, ROUTES.coordinatorPause, async ({ body }) => {
    if (coordinator === undefined) return none()
    await coordinator.pause(body)
    const answer = statusJson(coordinator.status())
    return audited(audit, answer, () => ({ kind: 'coordinator-paused', of: node.peerId, facts: body }))
  })
  mount(surface, ROUTES.coordinatorResume, async () => {
    if (coordinator === undefined) return none()
    await coordinator.resume()
    const answer = statusJson(coordinator.status())
    return audited(audit, answer, () => ({ kind: 'coordinator-resumed', of: node.peerId }))
  })
}

function mountDrains(surface: Surface, { node, coordinator, audit }: Components): void {
  const none = () => notHere(node, 'coordinator')
  mount(surface, ROUTES.coordinatorDrains, () =>
    coordinator === undefined ? none() : { drains: coordinator.drains() },
  )
  mount(surface, ROUTES.coordinatorDrain, async ({ body }) => {
    if (coordinator === undefined) return none()
    const { worker, reason, deadlineMs } = body
    const answer = (await coordinator.drain(body)) ?? { drains: coordinator.drains() }
    const facts = { reason, ...(deadlineMs === undefined ? {} : { deadlineMs }) }
    return audited(audit, answer, () => ({ kind: 'worker-drained', of: worker, facts }))
  })
  mount(surface, ROUTES.coordinatorUndrain, async ({ params: { worker } }) => {
    if (coordinator === undefined) return none()
    const answer = (await coordinator.undrain(worker)) ?? { drains: coordinator.drains() }
    return audited(audit, answer, () => ({ kind: 'worker-undrained', of: worker }))
  })
}
