import type { Audit } from '../../ports/audit.js'
import type { Coordinator } from '../../roles/coordinator/coordinator.js'
import type { Worker } from '../../roles/worker/worker.js'
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
  readonly worker?: Worker
}

/** Serves what their owner does with the roles here while they run; each act is written down. */
export function mountOperations(surface: Surface, components: Components): void {
  mountPause(surface, components)
  mountDrains(surface, components)
  mountSuspensions(surface, components)
  mountIsolations(surface, components)
  mountTerms(surface, components)
}

function mountTerms(surface: Surface, { node, worker, audit }: Components): void {
  const none = () => notHere(node, 'worker')
  mount(surface, ROUTES.workerTerms, () => worker?.terms() ?? none())
  mount(surface, ROUTES.workerTermsChange, async ({ body: { changes } }) => {
    const refused = await worker?.setTerms(changes)
    const facts = Object.fromEntries(Object.entries(changes).map(([name, to]) => [name, to ?? 'default']))
    const answer = refused ?? worker?.terms() ?? none()
    return audited(audit, answer, () => ({ kind: 'terms-changed', of: node.peerId, facts }))
  })
}

function mountPause(surface: Surface, { node, coordinator, audit }: Components): void {
  const none = () => notHere(node, 'coordinator')
  mount(surface, ROUTES.coordinatorPause, async ({ body }) => {
    if (coordinator === undefined) return none()
    await coordinator.pause(body)
    const answer = statusJson(coordinator.status())
    return audited(audit, answer, () => ({ kind: 'coordinator-paused', of: node.peerId, facts: body }))
  })
  mount(surface, ROUTES.coordinatorResume, async ({ body }) => {
    if (coordinator === undefined) return none()
    const { staged } = body
    await coordinator.resume(staged)
    const answer = statusJson(coordinator.status())
    const facts = staged === undefined ? {} : { facts: { ...staged, staged: true } }
    return audited(audit, answer, () => ({ kind: 'coordinator-resumed', of: node.peerId, ...facts }))
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

function mountIsolations(surface: Surface, { node, coordinator, audit }: Components): void {
  const none = () => notHere(node, 'coordinator')
  const listed = (at: Coordinator) => ({ isolations: at.isolations() })
  mount(surface, ROUTES.coordinatorIsolations, () =>
    coordinator === undefined ? none() : listed(coordinator),
  )
  mount(surface, ROUTES.coordinatorIsolate, async ({ body }) => {
    if (coordinator === undefined) return none()
    const { peer, reason } = body
    const answer = (await coordinator.isolate(body)) ?? listed(coordinator)
    return audited(audit, answer, () => ({ kind: 'peer-isolated', of: peer, facts: { reason } }))
  })
  mount(surface, ROUTES.coordinatorRelease, async ({ params: { peer } }) => {
    if (coordinator === undefined) return none()
    const answer = (await coordinator.release(peer)) ?? listed(coordinator)
    return audited(audit, answer, () => ({ kind: 'peer-released', of: peer }))
  })
}
