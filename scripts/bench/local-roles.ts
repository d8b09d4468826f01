import { join } from 'node:path'
import type { PolicyView } from '../../src/core/policy/policy-view.js'
import type { Engine } from '../../src/ports/engine.js'
import type { Network, PeerAddress } from '../../src/ports/network.js'
import { createGateway } from '../../src/roles/gateway/create-gateway.js'
import type { Gateway } from '../../src/roles/gateway/gateway.js'
import { createWorker } from '../../src/roles/worker/create-worker.js'
import type { Worker } from '../../src/roles/worker/worker.js'
import { systemClock } from '../../src/services/clock/system-clock.js'
import { systemRandom } from '../../src/services/clock/system-random.js'
import { openLevelStore } from '../../src/services/store/level-store.js'
import { until } from '../../test/helpers/until.js'
import { QUIET_LOG, QUIET_METRICS, type SyntheticPeer } from './synthetic-peer.js'

/** Real roles in the process of the bench, so that one clock sees both ends of what is measured. */
interface LocalInit {
  readonly networkId: string
  readonly coordinator: PeerAddress
}

const MODEL = { name: 'bench-model', contextTokens: 4096, warm: true, tokensPerS: 50 }

/** A gateway with its own durable store, attached to the coordinator. */
export async function startGateway(
  peer: SyntheticPeer,
  init: LocalInit & { readonly dir: string },
): Promise<Gateway> {
  const store = await openLevelStore(join(init.dir, `gateway-${peer.signer.peerId.slice(-8)}`))
  const gateway = createGateway(
    { ...portsOf(peer, init.networkId), store },
    { networkId: init.networkId, coordinators: [init.coordinator], version: 'bench' },
  )
  await gateway.start()
  await until('the gateway to be attached', () => gateway.status().notReady === undefined)
  return gateway
}

/** A worker over this engine, attached to the coordinator. */
export async function startWorker(
  peer: SyntheticPeer,
  init: LocalInit & { readonly engine: Engine; readonly network?: Network },
): Promise<Worker> {
  const { networkId, engine, network = peer.network } = init
  const worker = createWorker(
    { ...portsOf(peer, networkId), network, engine, models: [MODEL] },
    {
      networkId,
      agentId: `bench-${peer.signer.peerId.slice(-8)}`,
      slots: 1,
      coordinators: [init.coordinator],
      version: 'bench',
    },
  )
  await worker.start()
  await until('the worker to be attached', () => worker.status().notReady === undefined)
  return worker
}

function portsOf({ signer, network }: SyntheticPeer, networkId: string) {
  const clock = systemClock()
  const policy: PolicyView = {
    network: networkId,
    admission: 'open',
    coordinators: new Set(),
    gateways: new Set(),
    workers: new Set(),
  }
  const quiet = { log: QUIET_LOG, metrics: QUIET_METRICS }
  return { network, signer, clock, random: systemRandom(clock), policy: () => policy, ...quiet }
}
