import { join } from 'node:path'
import { type AdminApi, createAdminApi } from '../bridge/admin/admin-api.js'
import { createApiKeys } from '../bridge/api-keys.js'
import { createBridge } from '../bridge/bridge.js'
import type { NodeControl } from '../bridge/node-control.js'
import { EdgeCoderError } from '../core/errors.js'
import type { Refusal } from '../core/refusal.js'
import type { Audit } from '../ports/audit.js'
import type { ModelFiles } from '../ports/model-files.js'
import type { Coordinator } from '../roles/coordinator/coordinator.js'
import { createCoordinator } from '../roles/coordinator/create-coordinator.js'
import { Isolations } from '../roles/coordinator/isolations.js'
import type { Enrollment } from '../roles/enrollment/enrollment.js'
import { standingRefusal } from '../roles/enrollment/enrollment-words.js'
import type { Registrant } from '../roles/enrollment/registrant.js'
import { createGateway } from '../roles/gateway/create-gateway.js'
import type { Gateway } from '../roles/gateway/gateway.js'
import { enrolledNode } from '../roles/policy/enrolled-nodes.js'
import { createWorker } from '../roles/worker/create-worker.js'
import type { Worker } from '../roles/worker/worker.js'
import { systemWallClock } from '../services/clock/system-wall-clock.js'
import type { RegistrationToken } from '../wire/registration-token.js'
import type { LoadedConfig } from './config.js'
import { makeDataFolder, writeAdminFile } from './data-folder.js'
import { enrollmentOf, enrollmentParts, registrantOf, registrationParts } from './enrollment.js'
import { Guests } from './guests.js'
import { type Part, quick, startParts, stopParts } from './lifecycle.js'
import { checkAddresses, listenOf } from './listen.js'
import { lostStore, policyAfterLoss } from './lost-store.js'
import { MODES, type Mode, rolesOf } from './mode.js'
import { modelFolderOf, modelsOf } from './models.js'
import { readNetworkFile } from './network-file.js'
import { guardOpenAdmission } from './policy.js'
import { awaitedPolicy, createPolicySource, type PolicySource, type SignedPolicy } from './policy-source.js'
import { registrationOf } from './registration.js'
import { openServices, type Services } from './services.js'
import type { Config } from './settings.js'
import { VERSION } from './version.js'

/** A peer as a process runs it. */
export interface Node {
  readonly peerId: string
  readonly roles: readonly string[]
  /** Starts every part in order; when one fails, those before it are stopped and the failure is thrown. */
  start(): Promise<void>
  /** Drains and stops in reverse order. `hurry` cuts the drain short. */
  stop(hurry?: AbortSignal): Promise<void>
  /** Resolves when the admin API asked for a stop. */
  readonly stopRequested: Promise<void>
}

interface Roles {
  readonly policy?: SignedPolicy
  readonly enrollment?: Enrollment
  readonly coordinator?: Coordinator
  readonly gateway?: Gateway
  readonly worker?: Worker
}

interface Policies {
  readonly policy: PolicySource
  /** Of a network that has one. */
  readonly signed: SignedPolicy | undefined
  /** Of a coordinator in such a network. */
  readonly enrollment: Enrollment | undefined
  /** Of a coordinator. */
  readonly isolations: Isolations | undefined
  /** What the owner of this node was given to have it enrolled. */
  readonly registration: RegistrationToken | undefined
  /** Of a gateway or coordinator that was given one. */
  readonly registrant: Registrant | undefined
  /** Of a coordinator whose store has less than it had. */
  readonly lost: Refusal | undefined
}

/**
 * Puts a node together from its settings. Nothing listens before {@link Node.start}.
 *
 * @throws EdgeCoderError `bad-config`, `store-locked`, `store-corrupt`, `store-failed`
 */
export async function createNode(loaded: LoadedConfig): Promise<Node> {
  const { config } = loaded
  if (config.networkFile === undefined) {
    throw new EdgeCoderError('bad-config', 'no network to join: EDGE_NETWORK_FILE is not set', {
      next: 'Set it to the network file you were given; or run `edgecoder up` for a local mesh of your own.',
    })
  }
  checkAddresses(config)
  const mode = MODES[config.mode]
  const network = readNetworkFile(config.networkFile)
  const listen = listenOf(config, mode)
  await makeDataFolder(config.dataDir)
  const policy = createPolicySource(network, [...network.bootstrap, ...config.bootstrap])
  const registration = registrationOf(config)
  // Asked for as soon as the network is up; there is none before the store is open.
  let isolations: Isolations | undefined
  const isIsolated = (peerId: string): boolean => isolations?.has(peerId) === true
  const bars = (peerId: string): boolean => policy.bars(peerId) || isIsolated(peerId)
  const guests = new Guests(network.id, bars)
  const gate = (peerId: string): boolean => policy.admits(peerId) && !isIsolated(peerId)
  const services = await openServices(config, network, mode, listen, { gate, guests, bars })
  try {
    isolations = await isolationsOf(services, mode)
    const lost = mode.coordinator ? await lostStore(services, network.id) : undefined
    guardOpenAdmission(network, listen, services.log)
    const isGuest = (peerId: string): boolean => guests.admits(peerId)
    const signed = await policy.open(services, { serves: mode.coordinator || mode.gateway, isGuest })
    const enrollment = mode.coordinator && signed ? enrollmentOf(services, signed, guests) : undefined
    const about = { agent: config.agentId, networkId: network.id, mode }
    const registrant = registrantOf(services, about, policy, signed, registration)
    return await assemble(loaded, mode, network.id, services, {
      policy,
      signed,
      enrollment,
      isolations,
      registration,
      registrant,
      lost,
    })
  } catch (error) {
    await services.close()
    throw error
  }
}

async function assemble(
  loaded: LoadedConfig,
  mode: Mode,
  networkId: string,
  services: Services,
  policies: Policies,
): Promise<Node> {
  const { config } = loaded
  const { log, clock, random, metrics, store, libp2p, audit } = services
  const files = mode.worker ? modelFolderOf(config, services) : undefined
  const roles = createRoles(config, mode, networkId, services, policies, files)
  const models = modelsOf(networkId, services, { ...roles, files, view: policies.policy.view })
  const keys = createApiKeys({ store, clock, random, log })
  const stopAsked = Promise.withResolvers<void>()
  const drained = new AbortController()
  const bridge = bridgeOf(config, roles, keys, services)
  const control: NodeControl = {
    version: VERSION,
    network: networkId,
    peerId: libp2p.peerId,
    agentId: config.agentId,
    mode: config.mode,
    startedMs: clock.nowMs(),
    bridgeUrl: () => bridge?.url(),
    addresses: () => libp2p.addresses(),
    peers: () => libp2p.peers(),
    mesh: () => libp2p.mesh(),
    config: () => loaded.entries,
    requestStop: (drainMs) => {
      if (drainMs !== undefined) clock.after(drainMs, () => drained.abort())
      stopAsked.resolve()
    },
  }
  const admin = createAdminApi(
    {
      ...roles,
      ...(bridge === undefined ? {} : { keys }),
      ...(models && { pulls: models.pulls }),
      log,
      audit,
      metrics,
      clock,
      random,
      node: control,
      awaits: () => awaitedBy(policies),
    },
    { port: config.adminPort, tokenFile: join(config.dataDir, 'admin-token') },
  )
  const parts = [
    ...firstParts(config, services, policies, admin),
    ...registrationParts(services, networkId, policies),
    startable('keys', keys),
    ...roleParts(config, roles),
    ...(models === undefined ? [] : [models.part]),
    ...(bridge === undefined ? [] : [bridge.part]),
  ]
  const names = rolesOf(mode)
  let starting: Promise<void> | undefined
  let started = false
  return {
    peerId: libp2p.peerId,
    roles: names,
    stopRequested: stopAsked.promise,
    start: async () => {
      starting = startParts(parts, log).catch(async (error: unknown) => {
        await services.close()
        throw error
      })
      await starting
      started = true
      log.info('node-started', { peerId: libp2p.peerId, roles: [...names], network: networkId })
    },
    stop: async (hurry) => {
      log.info('node-stopping')
      if (starting !== undefined && !started) {
        // It may be waiting for its policy, or to be admitted, and for ever.
        await policies.registrant?.stop()
        await policies.signed?.stop()
        await starting.catch(() => {})
        if (!started) return
      }
      const signals = hurry === undefined ? [drained.signal] : [drained.signal, hurry]
      await stopParts(parts, log, AbortSignal.any(signals))
      await services.close()
      log.info('node-stopped')
    },
  }
}

function createRoles(
  config: Config,
  mode: Mode,
  networkId: string,
  services: Services,
  { policy: { view: policy }, signed, enrollment, isolations, registration }: Policies,
  files: ModelFiles | undefined,
): Roles {
  const { network, store, clock, random, signer, log, metrics, known, capabilities } = services
  const shared = { network, clock, random, signer, metrics, policy }
  // No network file need tell a process of the coordinator that it is itself.
  const self = mode.coordinator ? [{ peerId: network.peerId, addresses: [] }] : []
  const others = known.list().filter((peer) => !mode.coordinator || peer.peerId !== network.peerId)
  const coordinators = [...self, ...others]
  const chain = signed === undefined ? {} : { chain: signed.chain }
  const onPolicy = (listener: () => void) => signed?.onChange(listener) ?? (() => {})
  const find = { networkId, version: VERSION, coordinators, onCoordinators: known.remember }
  return {
    ...(signed && { policy: signed }),
    ...(enrollment && { enrollment }),
    ...(mode.coordinator && {
      coordinator: createCoordinator(
        {
          ...shared,
          store,
          audit: services.audit,
          log: log.child({ role: 'coordinator' }),
          ...chain,
          onPolicy,
          ...(enrollment && { enrollment }),
          isolations,
          reach: services.reach,
          copied: services.copied,
          addressesOf: (peerId) => known.list().find((peer) => peer.peerId === peerId)?.addresses ?? [],
        },
        { networkId, leaseMs: config.leaseMs, sliceIdleMs: config.sliceIdleMs },
      ),
    }),
    ...(mode.gateway && {
      gateway: createGateway({ ...shared, store, log, ...chain }, find),
    }),
    ...(mode.worker && {
      worker: createWorker(
        {
          ...shared,
          ...capabilities,
          ...(files && { files }),
          log: log.child({ role: 'worker' }),
          lent: { store, machine: services.machine, wall: systemWallClock, texts: config },
          standing: () =>
            policy().blacklist?.peer(network.peerId) ??
            awaitedPolicy(signed) ??
            (signed && standingRefusal(enrolledNode(signed.chain, network.peerId))),
        },
        {
          ...find,
          registration,
          agentId: config.agentId,
          slots: config.slots,
        },
      ),
    }),
  }
}

/** Known before anything listens: who is isolated must not come in while the coordinator starts. */
async function isolationsOf(
  { store, clock, log, metrics }: Services,
  { coordinator }: Mode,
): Promise<Isolations | undefined> {
  if (!coordinator) return undefined
  const isolations = new Isolations({ store, clock, log: log.child({ role: 'coordinator' }), metrics })
  await isolations.load()
  return isolations
}

/** Why the node has not begun. */
function awaitedBy({ registrant, signed, lost }: Policies): Refusal | undefined {
  return registrant?.why ?? policyAfterLoss(signed, lost) ?? awaitedPolicy(signed)
}

/** Writes down that the node ran: between a start and the next one without a stop it crashed. */
function lifePart(audit: Audit, mode: string): Part {
  const note = async (kind: 'node-started' | 'node-stopped') =>
    audit.note({ kind, by: 'node', of: mode, outcome: 'done', facts: { version: VERSION } })
  return quick(
    'audit',
    () => note('node-started'),
    () => note('node-stopped'),
  )
}

/** Until there is a policy: what follows begins once there is. */
function firstParts(
  config: Config,
  { audit, libp2p }: Services,
  { enrollment, signed }: Policies,
  admin: AdminApi,
): readonly Part[] {
  return [
    lifePart(audit, config.mode),
    ...enrollmentParts(enrollment),
    ...adminParts(config, admin),
    startable('network', libp2p),
    ...(signed === undefined ? [] : [startable('policy', signed)]),
  ]
}

function adminParts(config: Config, admin: AdminApi): readonly Part[] {
  let url = ''
  return [
    quick(
      'admin',
      async () => {
        url = (await admin.start()).url
      },
      () => admin.stop(),
    ),
    quick(
      'admin-file',
      () => writeAdminFile(config.dataDir, url),
      async () => {},
    ),
  ]
}

function roleParts(config: Config, { coordinator, gateway, worker }: Roles): readonly Part[] {
  return [
    ...(coordinator ? [startable('coordinator', coordinator)] : []),
    ...(gateway ? [startable('gateway', gateway)] : []),
    ...(worker
      ? [
          {
            name: 'worker',
            stopMs: config.drainMs,
            start: () => worker.start(),
            stop: (signal: AbortSignal) => worker.stop(signal),
          },
        ]
      : []),
  ]
}

/** The bridge of a gateway, as a part; its URL is known once it listens. */
function bridgeOf(
  config: Config,
  roles: Roles,
  keys: ReturnType<typeof createApiKeys>,
  { log, metrics, clock, random }: Services,
): { readonly part: Part; url(): string | undefined } | undefined {
  const { gateway } = roles
  if (gateway === undefined) return undefined
  const bridge = createBridge(
    { ...roles, gateway, keys, log: log.child({ part: 'bridge' }), metrics, clock, random },
    { host: config.bridgeHost, port: config.bridgePort, version: VERSION },
  )
  let url: string | undefined
  const start = async () => {
    url = (await bridge.start()).url
  }
  return { part: quick('bridge', start, () => bridge.stop()), url: () => url }
}

function startable(name: string, part: { start(): Promise<void>; stop(): Promise<void> }): Part {
  return quick(
    name,
    () => part.start(),
    () => part.stop(),
  )
}
