import { onTestFinished } from 'vitest'
import type { IncidentRecord } from '../../../../src/core/policy/policy-records.js'
import type { PolicyView } from '../../../../src/core/policy/policy-view.js'
import type { Refusal } from '../../../../src/core/refusal.js'
import type { Engine } from '../../../../src/ports/engine.js'
import type { Metrics } from '../../../../src/ports/metrics.js'
import type { Network, Offence, PeerAddress } from '../../../../src/ports/network.js'
import type { Sandbox } from '../../../../src/ports/sandbox.js'
import type { MeasuredModel } from '../../../../src/roles/worker/capabilities.js'
import { createWorker } from '../../../../src/roles/worker/create-worker.js'
import type { Lent } from '../../../../src/roles/worker/lent-terms.js'
import type { Worker } from '../../../../src/roles/worker/worker.js'
import type { WorkerLimits } from '../../../../src/roles/worker/worker-limits.js'
import { createSeededRandom } from '../../../../src/services/clock/seeded-random.js'
import { createVirtualClock, type VirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createMemoryMesh, type MemoryMesh } from '../../../../src/services/network/memory-network.js'
import { memoryLog } from '../../../helpers/memory-log.js'
import { FakeCoordinator, NETWORK } from './fake-coordinator.js'
import { FakeGateway } from './fake-gateway.js'
import { newSigner } from './test-signer.js'

export interface WorldInit {
  readonly engine?: (clock: VirtualClock) => Engine
  readonly sandbox?: (clock: VirtualClock) => Sandbox
  readonly models?: readonly MeasuredModel[]
  readonly slots?: number
  /** Told to the worker at start; the others it must find. */
  readonly known?: 'all' | 'first' | 'none'
  readonly admitted?: 'open' | 'first'
  readonly coordinators?: number
  /** All but the first are not in the DHT. */
  readonly hidden?: boolean
  readonly limits?: Partial<WorkerLimits>
  /** Which coordinator made the registration token that it was given; left out = it has none. */
  readonly issuer?: number
  readonly standing?: () => Refusal | undefined
  readonly incident?: IncidentRecord
  /** Left out = lent at all times. */
  readonly lent?: Lent
}

export const SECRET = new Uint8Array(32).fill(7)

export interface World {
  readonly clock: VirtualClock
  readonly mesh: MemoryMesh
  readonly worker: Worker
  readonly workerId: string
  readonly home: FakeCoordinator
  readonly coordinators: readonly FakeCoordinator[]
  readonly gateway: FakeGateway
  readonly log: ReturnType<typeof memoryLog>
  readonly offences: { readonly peerId: string; readonly offence: Offence }[]
  readonly remembered: (readonly PeerAddress[])[]
  /** Lets time pass until it holds; fails after a minute of it. */
  until(what: string, holds: () => boolean, limitMs?: number): Promise<void>
}

export const MODEL: MeasuredModel = { name: 'tiny', contextTokens: 512, tokensPerS: 100, warm: true }

const silentMetrics: Metrics = {
  counter: () => ({ add() {} }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ observe() {} }),
}

/** A worker among scripted coordinators and a scripted gateway, in a mesh in memory under virtual time. */
export function createWorld(init: WorldInit = {}): World {
  const clock = createVirtualClock(1_700_000_000_000)
  onTestFinished(() => clock.dispose())
  const mesh = createMemoryMesh({ clock, random: createSeededRandom(1) })
  const coordinators = Array.from({ length: init.coordinators ?? 1 }, (_, i) => {
    const signer = newSigner()
    return new FakeCoordinator(mesh.network(signer.peerId), signer, init.hidden === true && i > 0)
  })
  const home = coordinators[0]
  if (home === undefined) throw new Error('a world needs a coordinator')
  const gatewaySigner = newSigner()
  const gateway = new FakeGateway(mesh.network(gatewaySigner.peerId), gatewaySigner, () => clock.nowMs())
  const signer = newSigner()
  const offences: World['offences'] = []
  const network = watchOffences(mesh.network(signer.peerId), offences)
  const known = { all: coordinators, first: [home], none: [] }[init.known ?? 'all']
  const policy: PolicyView = {
    network: NETWORK,
    admission: init.admitted === 'first' ? 'listed' : 'open',
    coordinators: new Set([home.peerId]),
    gateways: new Set(),
    workers: new Set(),
    ...(init.incident === undefined ? {} : { incident: init.incident }),
  }
  const log = memoryLog()
  const remembered: (readonly PeerAddress[])[] = []
  const worker = createWorker(
    {
      network,
      clock,
      random: createSeededRandom(2, clock),
      signer,
      log,
      metrics: silentMetrics,
      policy: () => policy,
      models: init.models ?? [MODEL],
      ...(init.engine === undefined ? {} : { engine: init.engine(clock) }),
      ...(init.sandbox === undefined ? {} : { sandbox: init.sandbox(clock) }),
      ...(init.lent === undefined ? {} : { lent: init.lent }),
      ...(init.standing === undefined ? {} : { standing: init.standing }),
    },
    {
      agentId: 'agent-1',
      networkId: NETWORK,
      slots: init.slots ?? 1,
      coordinators: known.map((each) => addressOf(each.peerId)),
      version: '0.0.0',
      ...(init.issuer === undefined
        ? {}
        : { registration: { issuer: coordinators[init.issuer]?.peerId ?? '', secret: SECRET } }),
      onCoordinators: (all) => void remembered.push(all),
      ...(init.limits === undefined ? {} : { limits: init.limits }),
    },
  )
  return {
    clock,
    mesh,
    worker,
    workerId: signer.peerId,
    home,
    coordinators,
    gateway,
    log,
    offences,
    remembered,
    async until(what, holds, limitMs = 60_000) {
      if (await clock.runUntil(holds, limitMs)) return
      throw new Error(
        `${what}: not within ${limitMs} ms; log: ${JSON.stringify(log.events.slice(-8), plain)}`,
      )
    },
  }
}

/** A world whose worker has started and is attached to its home. */
export async function attachedWorld(init: WorldInit = {}): Promise<World> {
  const world = createWorld(init)
  await world.worker.start()
  await world.until('attached', () => world.worker.status().coordinators.length === 1)
  return world
}

export function addressOf(peerId: string): PeerAddress {
  return { peerId, addresses: [`/memory/${peerId}/p2p/${peerId}`] }
}

function watchOffences(network: Network, offences: World['offences']): Network {
  return new Proxy(network, {
    get(target, property) {
      if (property === 'penalise') {
        return (peerId: string, offence: Offence) => {
          offences.push({ peerId, offence })
          target.penalise(peerId, offence)
        }
      }
      const value: unknown = Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
