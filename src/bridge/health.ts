import { z } from 'zod'
import { type Refusal, refusal } from '../core/refusal.js'
import type { Metrics } from '../ports/metrics.js'
import type { Coordinator } from '../roles/coordinator/coordinator.js'
import type { Gateway } from '../roles/gateway/gateway.js'
import type { PolicyService } from '../roles/policy/policy-service.js'
import type { Worker } from '../roles/worker/worker.js'
import { type HttpContext, mount, type Surface } from './mount.js'
import { PLAIN, type Route } from './route.js'
import { ProblemJson, problemJson } from './schemas/problem.js'
import { ReadyJson } from './schemas/readiness.js'

/** The roles that run in this process. */
export interface Roles {
  readonly worker?: Worker
  readonly coordinator?: Coordinator
  readonly gateway?: Gateway
  /** Of a network that has a signed one. */
  readonly policy?: PolicyService
  /** Why none has begun: the node is not admitted yet, or has no policy; undefined = they have. */
  readonly awaits?: () => Refusal | undefined
}

/** Metrics that can be shown. */
export interface MetricsPage extends Metrics {
  /** The Prometheus text format, version 0.0.4. */
  render(): Promise<string>
}

const RoleHealthJson = z
  .object({ role: z.string(), ready: z.boolean(), why: ProblemJson.optional(), details: z.unknown() })
  .meta({ id: 'RoleHealth' })

const open = { ...PLAIN, method: 'get', needs: 'nothing' } as const

const HEALTH_ROUTES = {
  alive: {
    ...open,
    path: '/healthz',
    summary: 'The process is alive.',
    response: z.object({ alive: z.literal(true) }),
  },
  ready: {
    ...open,
    path: '/readyz',
    summary: 'Every role here can really get work; 503 with the reasons otherwise.',
    response: ReadyJson,
  },
  coordinator: {
    ...open,
    path: '/health/coordinator',
    summary: 'The coordinator here: 200, or 503 with why not; 404 where there is none.',
    response: RoleHealthJson,
  },
  inference: {
    ...open,
    path: '/health/inference',
    summary: 'The worker here: 200, or 503 with why not; 404 where there is none.',
    response: RoleHealthJson,
  },
  controlPlane: {
    ...open,
    path: '/health/control-plane',
    summary: 'The gateway here: 200, or 503 with why not; 404 where there is none.',
    response: RoleHealthJson,
  },
} as const satisfies Record<string, Route>

const METRICS_ROUTE = {
  ...PLAIN,
  method: 'get',
  path: '/metrics',
  summary: 'Prometheus metrics.',
  response: z.string(),
  media: 'text/plain',
} as const

/** @param metricsNeed who may read the metrics: they are open on loopback only */
export function mountHealth(
  surface: Surface,
  roles: Roles,
  metrics: MetricsPage,
  metricsNeed: Route['needs'],
): void {
  mount(surface, HEALTH_ROUTES.alive, () => ({ alive: true as const }))

  mount(surface, HEALTH_ROUTES.ready, ({ http }) => {
    const standing = Object.fromEntries([
      ...reasons(roles).map(([role, why]) => [role, readiness(why)] as const),
      ...policyReadiness(roles.policy),
    ])
    const ready = Object.values(standing).every((role) => role.ready)
    if (!ready) http.status(503)
    return { ready, roles: standing }
  })

  mount(surface, HEALTH_ROUTES.coordinator, ({ http }) => {
    const status = roles.coordinator?.status()
    if (status === undefined) return notHere('coordinator')
    const { workers, gateways, queued, oldestQueuedMs, leased, running, done, failed, stormSinceMs } = status
    const counts = { workers, gateways, queued, oldestQueuedMs, leased, running }
    // Not for what reason: anybody may ask.
    const pausedSinceMs = status.paused?.sinceMs
    const resuming = status.resuming?.stage
    const details = { ...counts, done, failed, stormSinceMs, pausedSinceMs, resuming }
    return health(http, 'coordinator', roles.awaits?.() ?? status.notReady, details)
  })
  mount(surface, HEALTH_ROUTES.inference, ({ http }) => {
    const status = roles.worker?.status()
    if (status === undefined) return notHere('worker')
    const { engine, sandbox, languages, slots, finished } = status
    const models = status.models.map((model) => model.name)
    const details = { engine, sandbox, languages, models, slots, finished }
    return health(http, 'worker', roles.awaits?.() ?? status.notReady, {
      ...details,
      coordinators: status.coordinators.length,
    })
  })
  mount(surface, HEALTH_ROUTES.controlPlane, ({ http }) => {
    const status = roles.gateway?.status()
    if (status === undefined) return notHere('gateway')
    const { unfinishedTasks, dataLinks, storedBytes } = status
    const coordinators = status.coordinators.length
    const details = { coordinators, unfinishedTasks, dataLinks, storedBytes }
    return health(http, 'gateway', roles.awaits?.() ?? status.notReady, details)
  })

  mount(surface, { ...METRICS_ROUTE, needs: metricsNeed }, async () => {
    const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }
    return new Response(await metrics.render(), { headers })
  })
}

/** Each role here with why it is not ready, if it is not. */
export function reasons(roles: Roles): readonly (readonly [role: string, why: Refusal | undefined])[] {
  const { worker, coordinator, gateway } = roles
  const all = [
    ['worker', worker?.status()],
    ['coordinator', coordinator?.status()],
    ['gateway', gateway?.status()],
  ] as const
  const awaited = roles.awaits?.()
  return all.flatMap(([role, status]) =>
    status === undefined ? [] : [[role, awaited ?? status.notReady] as const],
  )
}

/**
 * Without a policy nothing can be done. With one that has expired or forked what it said holds on: whoever
 * keeps messages back must not be able to take nodes out of service.
 */
function policyReadiness(policy: PolicyService | undefined) {
  if (policy === undefined) return []
  const why = policy.standing()
  const standing = policy.chain.head === undefined ? readiness(why) : { ...readiness(why), ready: true }
  return [['policy', standing] as const]
}

function readiness(why: Refusal | undefined) {
  return why === undefined ? { ready: true } : { ready: false, why: problemJson(why) }
}

/** Open to all, so `details` holds counts and kinds, and nothing of any task. */
function health(http: HttpContext, role: string, why: Refusal | undefined, details: object) {
  if (why !== undefined) http.status(503)
  return { role, ...readiness(why), details }
}

function notHere(role: string): Refusal {
  return refusal('not-found', `this process runs no ${role}`, {
    next: 'GET /readyz names the roles that run here.',
  })
}
