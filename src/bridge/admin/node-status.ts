import type { z } from 'zod'
import { gateRefusal } from '../../core/policy/incident-gate.js'
import type { Refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Coordinator, LedgerStatus } from '../../roles/coordinator/coordinator.js'
import type { PolicyService } from '../../roles/policy/policy-service.js'
import type { LentFiles } from '../../roles/worker/models/model-lender.js'
import type { WorkerStatus } from '../../roles/worker/worker.js'
import { type Roles, reasons } from '../health.js'
import type { NodeControl } from '../node-control.js'
import type { LedgerStatusJson, ModelsJson, NodeStatusJson } from '../schemas/node.js'
import { type ProblemJson, problemJson } from '../schemas/problem.js'

export function nodeStatus(node: NodeControl, roles: Roles, clock: Clock): NodeStatusJson {
  const { version, network, peerId, agentId, mode, startedMs } = node
  const standing = reasons(roles)
  const notReady = standing.flatMap(([role, why]) =>
    why === undefined ? [] : [{ role, why: problemJson(why) }],
  )
  const policy = roles.policy?.standing()
  const closed = closedBy(roles.policy)
  const bridgeUrl = node.bridgeUrl()
  return {
    version,
    network,
    peerId,
    agentId,
    mode,
    roles: standing.map(([role]) => role),
    addresses: node.addresses(),
    ...(bridgeUrl === undefined ? {} : { bridgeUrl }),
    startedMs,
    uptimeMs: clock.nowMs() - startedMs,
    ready: notReady.length === 0,
    notReady,
    ...(policy === undefined ? {} : { policy: problemJson(policy) }),
    ...(closed.length === 0 ? {} : { incident: closed.map(problemJson) }),
    ...(roles.worker === undefined ? {} : { worker: workerJson(roles.worker.status()) }),
    ...(roles.coordinator === undefined ? {} : { coordinator: statusJson(roles.coordinator.status()) }),
    ...(roles.gateway === undefined ? {} : { gateway: statusJson(roles.gateway.status()) }),
  }
}

/** A role's status with its refusal in the words of the API. */
export function statusJson<S extends { readonly notReady?: Refusal }>(
  status: S,
): Omit<S, 'notReady'> & { notReady?: ProblemJson } {
  const { notReady, ...rest } = status
  return { ...rest, ...(notReady === undefined ? {} : { notReady: problemJson(notReady) }) }
}

function workerJson(status: WorkerStatus) {
  const { lends, ...rest } = statusJson(status)
  return {
    ...rest,
    models: status.models.map(modelJson),
    ...(lends === undefined ? {} : { lends: statusOfLent(lends) }),
  }
}

function statusOfLent({ why, ...lends }: LentFiles) {
  return { ...lends, ...(why === undefined ? {} : { why: problemJson(why) }) }
}

/** A model with its refusal in the words of the API. */
export function modelJson<M extends { readonly bar?: Refusal }>(
  model: M,
): Omit<M, 'bar'> & { bar?: ProblemJson } {
  const { bar, ...rest } = model
  return { ...rest, ...(bar === undefined ? {} : { bar: problemJson(bar) }) }
}

export function ledgerJson({ written, ...status }: LedgerStatus): z.input<typeof LedgerStatusJson> {
  return {
    ...statusJson(status),
    written: written.map(({ why, ...log }) => ({
      ...log,
      ...(why === undefined ? {} : { why: problemJson(why) }),
    })),
  }
}

/** Models as the widest view here has them: the mesh's, the coordinator's own workers', or this worker's. */
export function models({ worker, coordinator, gateway }: Roles): ModelsJson {
  if (gateway !== undefined) return { from: 'gateway', models: gateway.capacity().models }
  if (coordinator !== undefined) {
    const attached = coordinator.workers().filter(({ liveness }) => liveness !== 'lost')
    return { from: 'coordinator', models: modelsOf(attached) }
  }
  const own = worker?.status()
  if (own === undefined) return { from: 'worker', models: [] }
  return {
    from: 'worker',
    models: modelsOf([{ models: own.models, free: own.slots.total - own.slots.busy }]),
  }
}

function modelsOf(
  workers: readonly Pick<ReturnType<Coordinator['workers']>[number], 'models' | 'free'>[],
): ModelsJson['models'] {
  const byName = new Map<string, ModelsJson['models'][number]>()
  for (const { models: there, free } of workers) {
    for (const { name, contextTokens, tokensPerS, digest, bar } of there) {
      const known = byName.get(name)
      const why = known?.bar ?? (bar && problemJson(bar))
      byName.set(name, {
        name,
        contextTokens: Math.max(contextTokens, known?.contextTokens ?? 0),
        tokensPerS: Math.max(tokensPerS, known?.tokensPerS ?? 0),
        workers: (known?.workers ?? 0) + (bar === undefined ? 1 : 0),
        freeSlots: (known?.freeSlots ?? 0) + (bar === undefined ? free : 0),
        digests: [...new Set([...(known?.digests ?? []), ...(digest === undefined ? [] : [digest])])],
        barredWorkers: (known?.barredWorkers ?? 0) + (bar === undefined ? 0 : 1),
        ...(why === undefined ? {} : { bar: why }),
      })
    }
  }
  return [...byName.values()]
}

function closedBy(policy: PolicyService | undefined): readonly Refusal[] {
  const incident = policy?.chain.incident()
  return (incident?.closed ?? []).flatMap((path) => gateRefusal(incident, path) ?? [])
}
