import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { PeerAddress } from '../../src/ports/network.js'
import { CLIENT_LINKS, SERVER_LINKS } from '../../src/roles/policy/constants.js'
import { PolicyExchange } from '../../src/roles/policy/policy-exchange.js'
import { PolicyKeeper } from '../../src/roles/policy/policy-keeper.js'
import { systemClock } from '../../src/services/clock/system-clock.js'
import { systemRandom } from '../../src/services/clock/system-random.js'
import { createIdentity } from '../../src/services/identity/identity.js'
import { createLibp2pNetwork, type Libp2pNetwork } from '../../src/services/network/libp2p-network.js'
import { openLevelStore } from '../../src/services/store/level-store.js'
import { protocolIds } from '../../src/wire/protocol-ids.js'
import { LongPolicy } from '../../test/helpers/policy-peers.js'
import { simulateReach } from '../../test/helpers/policy-reach.js'
import type { Metrics } from './main.js'
import { quantile } from './quantile.js'
import { QUIET_LOG, QUIET_METRICS } from './synthetic-peer.js'

const PEERS = 50
const SERVERS = 5
const MESSAGES = 10
const SIMULATED = { servers: 20, workers: 980, messages: 3, lossRatio: 0.05, seed: 7 }
const LONGEST_MS = 60_000

interface Peer {
  readonly network: Libp2pNetwork
  readonly keeper: PolicyKeeper
  readonly exchange: PolicyExchange
}

/**
 * From publishing a policy message at one peer until another one has checked it and has it on its disk: over all
 * peers and messages, on loopback in one process; and simulated, with loss.
 */
export async function bench(): Promise<Metrics> {
  const real = await realReach()
  const simulated = await simulateReach(SIMULATED)
  return {
    peers: PEERS,
    real_p50_ms: quantile(real, 0.5),
    real_p99_ms: quantile(real, 0.99),
    simulated_peers: SIMULATED.servers + SIMULATED.workers,
    simulated_p50_ms: quantile(simulated.reachesMs, 0.5),
    simulated_p99_ms: quantile(simulated.reachesMs, 0.99),
    simulated_missed: simulated.missed,
  }
}

async function realReach(): Promise<readonly number[]> {
  const policy = new LongPolicy(1)
  const servers: PeerAddress[] = []
  const peers: Peer[] = []
  for (let at = 0; at < PEERS; at++) peers.push(await startPeer(at, policy.network, servers))
  const [first, ...others] = peers
  await first?.exchange.publish(policy.bytes[0] ?? new Uint8Array())
  await all(peers, policy.length)
  const reachesMs: number[] = []
  for (let at = 0; at < MESSAGES; at++) {
    const message = policy.add()
    const startMs = performance.now()
    const undo = others.map(({ keeper }) =>
      keeper.onChange(() => reachesMs.push(performance.now() - startMs)),
    )
    await first?.exchange.publish(message)
    await all(peers, policy.length)
    for (const each of undo) each()
  }
  for (const { exchange, network } of peers) {
    exchange.stop()
    await network.stop()
  }
  return reachesMs
}

async function all(peers: readonly Peer[], length: number): Promise<void> {
  const startMs = performance.now()
  while (peers.some(({ keeper }) => keeper.length < length)) {
    if (performance.now() - startMs > LONGEST_MS) throw new Error(`message ${length - 1} did not reach all`)
    await wait(5)
  }
}

/** @param servers those before it; one that serves is added */
async function startPeer(at: number, networkId: string, servers: PeerAddress[]): Promise<Peer> {
  const clock = systemClock()
  const serves = at < SERVERS
  const network = await createLibp2pNetwork(
    { identity: createIdentity(), clock, log: QUIET_LOG, metrics: QUIET_METRICS, gate: () => true },
    {
      networkId,
      listen: serves ? ['/ip4/127.0.0.1/tcp/0'] : [],
      bootstrap: servers.flatMap(({ peerId, addresses }) =>
        addresses
          .slice(0, 1)
          .map((address) => (address.includes('/p2p/') ? address : `${address}/p2p/${peerId}`)),
      ),
      dht: serves ? 'server' : 'client',
      topics: [protocolIds(networkId).policyMessages],
    },
  )
  await network.start()
  if (serves) servers.push({ peerId: network.peerId, addresses: network.addresses() })
  const store = await openLevelStore(join(process.env['BENCH_DIR'] ?? '', `peer-${at}`))
  const keeper = new PolicyKeeper(store, networkId)
  await keeper.load()
  const exchange = new PolicyExchange(
    { network, clock, random: systemRandom(clock), log: QUIET_LOG, keeper },
    { networkId, serves, links: serves ? SERVER_LINKS : CLIENT_LINKS, servers: () => servers },
  )
  exchange.start()
  return { network, keeper, exchange }
}
