import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Audit } from '../../ports/audit.js'
import type { Clock } from '../../ports/clock.js'
import type { Enrollment } from '../../roles/enrollment/enrollment.js'
import type { ModelPulls } from '../../roles/worker/models/model-pulls.js'
import type { ApiKeys } from '../api-keys.js'
import type { Roles } from '../health.js'
import { mount, type Surface } from '../mount.js'
import type { NodeControl } from '../node-control.js'
import { problemJson } from '../schemas/problem.js'
import { historyJson, walletJson } from '../schemas/wallet.js'
import { ADMIN_ROUTES as ROUTES } from './admin-routes.js'
import { audited } from './audited.js'
import { mountEconomy } from './economy-handlers.js'
import { mountEnrollment } from './enrollment-handlers.js'
import { mountModels } from './model-handlers.js'
import { ledgerJson, modelJson, models, nodeStatus, statusJson } from './node-status.js'
import { notHere, unpaid, unsigned } from './not-here.js'
import { mountOperations } from './operation-handlers.js'
import { mountPolicy } from './policy-handlers.js'

const QUEUE_ROWS = 100

export interface NodeComponents extends Roles {
  readonly node: NodeControl
  readonly keys?: ApiKeys
  /** Of a worker. */
  readonly pulls?: ModelPulls
  /** Of a coordinator in a network with a signed policy. */
  readonly enrollment?: Enrollment
  readonly clock: Clock
  readonly audit: Audit
}

/** Serves what the admin API tells of this node. Roles that do not run here answer 404 and say so. */
export function mountNode(surface: Surface, components: NodeComponents): void {
  const { node, worker, clock, audit } = components
  mount(surface, ROUTES.status, () => nodeStatus(node, components, clock))
  mount(surface, ROUTES.config, () => ({ settings: node.config() }))
  mount(surface, ROUTES.peers, () => ({ peers: node.peers() }))
  mount(surface, ROUTES.mesh, () => node.mesh())
  mount(surface, ROUTES.models, () => models(components))
  mount(surface, ROUTES.whyIdle, ({ signal }) => worker?.whyIdle(signal) ?? notHere(node, 'worker'))
  mount(surface, ROUTES.stop, ({ body }) => {
    node.requestStop(body.drainMs)
    return { stopping: true as const }
  })
  mountCoordinator(surface, components)
  mountOperations(surface, components)
  mountModels(surface, components)
  mountLedger(surface, components)
  mountEconomy(surface, audit, () => components.coordinator?.economy() ?? noEconomy(components))
  mountPolicy(surface, { network: node.network, clock, audit, policy: components.policy })
  const none = () => (components.coordinator === undefined ? notHere(node, 'coordinator') : unsigned())
  mountEnrollment(surface, { peerId: node.peerId, enrollment: components.enrollment, none })
  mountKeys(surface, components)
}

function mountCoordinator(surface: Surface, { node, coordinator }: NodeComponents): void {
  const none = () => notHere(node, 'coordinator')
  mount(surface, ROUTES.coordinatorStatus, () =>
    coordinator === undefined ? none() : statusJson(coordinator.status()),
  )
  mount(surface, ROUTES.coordinatorQueue, ({ query }) => {
    if (coordinator === undefined) return none()
    const view = coordinator.queue(query.limit ?? QUEUE_ROWS)
    const tasks = view.tasks.map(({ why, ...task }) => ({
      ...task,
      // Coordinators know a task by account and id; people, by the id they gave or got.
      id: task.id.replace(`${task.account}:`, ''),
      ...(why === undefined ? {} : { why: problemJson(why) }),
    }))
    return { ...view, tasks }
  })
  mount(surface, ROUTES.coordinatorWorkers, () =>
    coordinator === undefined
      ? none()
      : {
          workers: coordinator.workers().map((each) => ({ ...each, models: each.models.map(modelJson) })),
        },
  )
  mount(surface, ROUTES.coordinatorQuality, () => {
    if (coordinator === undefined) return none()
    const agents = new Map(coordinator.workers().map(({ peerId, agentId }) => [peerId, agentId]))
    const named = <Each extends { readonly peerId: string }>(each: Each) => {
      const agentId = agents.get(each.peerId)
      return agentId === undefined ? each : { ...each, agentId }
    }
    const { workers, checks, ...quality } = coordinator.quality()
    const checked = checks && { checks: { ...checks, workers: checks.workers.map(named) } }
    return { ...quality, workers: workers.map(named), ...checked }
  })
  mount(surface, ROUTES.coordinatorRollouts, () =>
    coordinator === undefined ? none() : { rollouts: coordinator.rollouts() },
  )
  mount(surface, ROUTES.coordinatorPeers, () =>
    coordinator === undefined ? none() : { peers: node.peers() },
  )
  mount(surface, ROUTES.coordinatorExplain, ({ params }) => {
    if (coordinator === undefined) return none()
    const view = coordinator.explain(params.account, params.id)
    if (isRefusal(view)) return view
    const candidates = view.candidates.map((one) => ({ ...one, reasons: one.reasons.map(problemJson) }))
    return { ...view, candidates }
  })
}

function mountLedger(surface: Surface, { node, coordinator }: NodeComponents): void {
  mount(surface, ROUTES.ledgerStatus, () => {
    if (coordinator === undefined) return notHere(node, 'coordinator')
    const status = coordinator.ledger()
    return status === undefined ? unpaid() : ledgerJson(status)
  })
  mount(surface, ROUTES.wallet, async ({ params }) => {
    if (coordinator === undefined) return notHere(node, 'coordinator')
    return walletJson((await coordinator.wallet(params.account)) ?? unpaid())
  })
  mount(surface, ROUTES.walletHistory, async ({ params, query }) => {
    if (coordinator === undefined) return notHere(node, 'coordinator')
    const page = { before: query.cursor, limit: query.limit }
    return historyJson((await coordinator.history(params.account, page)) ?? unpaid())
  })
}

function noEconomy({ node, coordinator }: NodeComponents): Refusal {
  return coordinator === undefined ? notHere(node, 'coordinator') : unpaid()
}

function mountKeys(surface: Surface, { node, keys, audit }: NodeComponents): void {
  const none = () => notHere(node, 'gateway')
  mount(surface, ROUTES.keyList, () => (keys === undefined ? none() : { keys: keys.list() }))
  mount(surface, ROUTES.keyCreate, async ({ body }) =>
    keys === undefined
      ? none()
      : audited(audit, await keys.create(body), (made) => ({
          kind: 'key-created',
          of: made?.key.id ?? '',
          facts: { account: body.account, name: body.name, scopes: body.scopes.join(' ') },
        })),
  )
  mount(surface, ROUTES.keyRevoke, async ({ params: { id } }) =>
    keys === undefined
      ? none()
      : audited(audit, await keys.revoke(id), () => ({ kind: 'key-revoked', of: id })),
  )
  mount(surface, ROUTES.keyRotate, async ({ params: { id } }) =>
    keys === undefined
      ? none()
      : audited(audit, await keys.rotate(id), () => ({ kind: 'key-rotated', of: id })),
  )
}
