import type { Network } from '../../src/ports/network.js'
import type { Random } from '../../src/ports/random.js'
import { CLIENT_LINKS, SERVER_LINKS } from '../../src/roles/policy/constants.js'
import { createSeededRandom } from '../../src/services/clock/seeded-random.js'
import { createVirtualClock } from '../../src/services/clock/virtual-clock.js'
import { createMemoryMesh } from '../../src/services/network/memory-network.js'
import { LongPolicy, type PolicyPeerUnderTest, startPolicyPeer } from './policy-peers.js'
import { ISSUED_MS } from './sample-policy.js'

export interface ReachInit {
  readonly servers: number
  readonly workers: number
  readonly messages: number
  /** Of gossip this much is lost for good; of what is on streams it comes late. */
  readonly lossRatio: number
  readonly seed: number
}

export interface Reach {
  /** From publishing until a peer has it on its disk, for each message and peer that got it. */
  readonly reachesMs: readonly number[]
  /** Messages that a peer did not get within {@link LONGEST_MS}. */
  readonly missed: number
}

const LATENCY_MS = 25
const JITTER_MS = 50
/** Until every peer has its streams. */
const SETTLE_MS = 10_000
const LONGEST_MS = 60_000

/** How long messages take to all peers of a large mesh with loss; each is published at another server. */
export async function simulateReach(init: ReachInit): Promise<Reach> {
  const clock = createVirtualClock(ISSUED_MS)
  const random = createSeededRandom(init.seed)
  const mesh = createMemoryMesh({
    clock,
    random,
    latencyMs: LATENCY_MS,
    jitterMs: JITTER_MS,
    lossRatio: init.lossRatio,
  })
  const policy = new LongPolicy(1)
  const servers = Array.from({ length: init.servers }, (_, at) => `server-${at}`)
  const names = [...servers, ...Array.from({ length: init.workers }, (_, at) => `worker-${at}`)]
  const peers: PolicyPeerUnderTest[] = []
  for (const [at, name] of names.entries()) {
    const serves = at < init.servers
    peers.push(
      await startPolicyPeer({
        networkId: policy.network,
        network: losing(mesh.network(name, { listens: serves }), random, init.lossRatio),
        clock,
        random,
        servers,
        links: serves ? SERVER_LINKS : CLIENT_LINKS,
      }),
    )
  }
  const complete = (): boolean => peers.every(({ keeper }) => keeper.length === policy.length)
  await peers[0]?.exchange.publish(policy.bytes[0] ?? new Uint8Array())
  await clock.advance(SETTLE_MS)
  const reachesMs: number[] = []
  let missed = 0
  for (let round = 0; round < init.messages; round++) {
    const bytes = policy.add()
    const startMs = clock.monotonicMs()
    const from = policy.length % init.servers
    const undo = peers.map(({ keeper }) =>
      keeper.onChange(() => reachesMs.push(clock.monotonicMs() - startMs)),
    )
    await peers[from]?.exchange.publish(bytes)
    if (!(await clock.runUntil(complete, LONGEST_MS))) {
      missed += peers.filter(({ keeper }) => keeper.length < policy.length).length
    }
    for (const each of undo) each()
  }
  for (const { exchange } of peers) exchange.stop()
  clock.dispose()
  return { reachesMs, missed }
}

/** A network that loses part of the gossip, as nothing sends it again. */
function losing(network: Network, random: Random, lossRatio: number): Network {
  const { subscribe } = network
  network.subscribe = (topic, judge) =>
    subscribe.call(network, topic, (message) => (random.fraction() < lossRatio ? 'ignore' : judge(message)))
  return network
}
