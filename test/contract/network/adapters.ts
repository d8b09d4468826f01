import type { Log } from '../../../src/ports/log.js'
import type { Metrics } from '../../../src/ports/metrics.js'
import type { Network } from '../../../src/ports/network.js'
import { createSeededRandom } from '../../../src/services/clock/seeded-random.js'
import { systemClock } from '../../../src/services/clock/system-clock.js'
import { createIdentity } from '../../../src/services/identity/identity.js'
import {
  createLibp2pNetwork,
  type Libp2pNetworkComponents,
  type Libp2pNetworkInit,
} from '../../../src/services/network/libp2p-network.js'
import { createMemoryMesh } from '../../../src/services/network/memory-network.js'

/** A mesh under test: peers join it one by one and know nobody but the first. */
export interface TestMesh {
  join(init?: { gate?: (peerId: string) => boolean }): Promise<Network>
  /** An address that nobody answers at, of a peer that is not there. */
  readonly deadAddress: string
  leave(network: Network): Promise<void>
  close(): Promise<void>
}

export const TOPIC = '/edgecoder/contract/gossip/1'

export const quietLog: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => quietLog }
export const noMetrics: Metrics = {
  counter: () => ({ add() {} }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ observe() {} }),
}

export function memoryMesh(): TestMesh {
  const clock = systemClock()
  const mesh = createMemoryMesh({ clock, random: createSeededRandom(7), latencyMs: 1, jitterMs: 1 })
  return {
    async join(init = {}) {
      return mesh.network(createIdentity().signer.peerId, init)
    },
    deadAddress: `/memory/gone/p2p/${createIdentity().signer.peerId}`,
    async leave(network) {
      mesh.kill(network.peerId)
    },
    async close() {},
  }
}

export function libp2pMesh(): TestMesh {
  const running: { network: Awaited<ReturnType<typeof libp2pPeer>> }[] = []
  return {
    async join(init = {}) {
      const bootstrap = running[0]?.network.addresses() ?? []
      const network = await libp2pPeer({ bootstrap }, init.gate)
      running.push({ network })
      return network
    },
    deadAddress: '/ip4/127.0.0.1/tcp/1',
    async leave(network) {
      await running.find((each) => each.network === network)?.network.stop()
    },
    async close() {
      await Promise.all(running.map(({ network }) => network.stop()))
    },
  }
}

/** A started peer on loopback; a DHT server unless told otherwise. */
export async function libp2pPeer(
  init: Partial<Libp2pNetworkInit> & {
    identity?: ReturnType<typeof createIdentity>
    guests?: Libp2pNetworkComponents['guests']
    bars?: NonNullable<Libp2pNetworkComponents['bars']>
  } = {},
  gate: (peerId: string) => boolean = () => true,
) {
  const { identity = createIdentity(), guests, bars = () => false, ...rest } = init
  const parts = { identity, clock: systemClock(), log: quietLog, metrics: noMetrics, gate, bars }
  const network = await createLibp2pNetwork(guests === undefined ? parts : { ...parts, guests }, {
    networkId: 'contract',
    listen: ['/ip4/127.0.0.1/tcp/0'],
    bootstrap: [],
    dht: 'server',
    topics: [TOPIC],
    ...rest,
  })
  await network.start()
  return network
}

/** Resolves when `holds`, asked again and again; fails loudly after a generous while. */
export async function eventually(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const until = performance.now() + 20_000
  while (!(await holds())) {
    if (performance.now() > until) throw new Error(`never happened: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
