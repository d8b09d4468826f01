// First: libp2p needs what it adds.
import './node-20.js'
import { createHash } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { dcutr } from '@libp2p/dcutr'
import { type GossipSub, gossipsub } from '@libp2p/gossipsub'
import { createTopicScoreParams } from '@libp2p/gossipsub/score'
import { type Identify, identify, identifyPush } from '@libp2p/identify'
import type { ConnectionGater, Libp2p, PrivateKey, ServiceMap, Stream } from '@libp2p/interface'
import { type KadDHT, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { mdns } from '@libp2p/mdns'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import type { LevelDatastore } from 'datastore-level'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import type { PeerAddress } from '../../ports/network.js'
import { GOSSIP_BYTES } from '../../wire/limits.js'
import type { ProtocolIds } from '../../wire/protocol-ids.js'
import { publicAddresses } from './addresses.js'
import { batchedNoise } from './batched-noise.js'
import { boundedWebSockets } from './bounded-websockets.js'
import { boundedYamux } from './bounded-yamux.js'
import { DIAL_TIMEOUT_MS } from './bounds.js'

/** How a peer takes part in the mesh below the roles. */
export interface MeshInit {
  /** Multiaddrs to listen on; empty = this peer only dials. `/p2p-circuit` = be reachable through relays. */
  readonly listen: readonly string[]
  /** Multiaddrs to give out instead of those listened on; for peers behind a known port forwarding. */
  readonly announce?: readonly string[]
  /**
   * `server` answers DHT queries, takes many connections, and announces its public addresses; `client` only
   * asks.
   */
  readonly dht: 'server' | 'client'
  /** Gossip topics; messages and subscriptions of others are dropped unread. */
  readonly topics: readonly string[]
  /** Finds peers of the same network on the local link. Default false. */
  readonly mdns?: boolean
  /** Carries connections for peers that cannot be dialled. Default false. */
  readonly relay?: boolean
  /** Default 12,000 for a DHT server, 300 for a client. */
  readonly maxConnections?: number
  /**
   * What gossipsub subtracts from the score of peers that share one IP address. Default 0: honest meshes sit
   * on
   * one address in offices, labs, behind carrier NAT and in tests, and the score then silences them.
   */
  readonly ipColocationWeight?: number
}

interface MeshServices extends ServiceMap {
  readonly ping: Ping
  readonly identify: Identify
  readonly pubsub: GossipSub
  readonly dht: KadDHT
}

export type MeshNode = Libp2p<MeshServices>

interface NodeParts {
  readonly privateKey: PrivateKey
  readonly ids: Pick<ProtocolIds, 'dht' | 'prefix'>
  readonly gater: ConnectionGater
  readonly datastore?: LevelDatastore
  nowMs(): number
  /** Called for each peer that mDNS finds. */
  found(peer: PeerAddress): void
  /** Is this peer on the blacklist? Left out = nobody is. */
  bars?(peerId: string): boolean
  /** Called with the streams of a connection that opens them faster than allowed; it is closed then. */
  flooded(streams: readonly Stream[]): void
}

/** A dead coordinator stays findable for this long; live ones say so again every ten minutes. */
const PROVIDER_TTL_MS = 60 * 60_000
/**
 * A relayed connection carries a task or two, not a career: dcutr should have made a direct one long before.
 */
const RELAY_TTL_MS = 30 * 60_000
const RELAY_BYTES = 64n * 1024n * 1024n
const RELAY_RESERVATIONS = 256

/**
 * Messages that gossipsub finds invalid itself never come to our judge. After a few of them nothing more is
 * heard from who sent them until they have faded. Nothing else counts: our traffic is too thin to tell a good
 * neighbour by.
 */
const INVALID_ONLY = createTopicScoreParams({
  topicWeight: 1,
  timeInMeshWeight: 0,
  firstMessageDeliveriesWeight: 0,
  meshMessageDeliveriesWeight: 0,
  meshFailurePenaltyWeight: 0,
  invalidMessageDeliveriesWeight: -10,
  invalidMessageDeliveriesDecay: 0.99,
})

/** Far below where gossipsub reads nothing of a neighbour, sends it nothing and drops it from its mesh. */
const BARRED_SCORE = -1_000_000

/** Wires libp2p up for a network, not yet started: TCP and WebSocket, noise and yamux, and nothing else. */
export function createMeshNode(parts: NodeParts, init: MeshInit): Promise<MeshNode> {
  const { ids } = parts
  const prefix = { protocolPrefix: ids.prefix }
  const options: Libp2pOptions<MeshServices> = {
    start: false,
    privateKey: parts.privateKey,
    nodeInfo: { name: 'edgecoder', userAgent: 'edgecoder' },
    addresses: {
      listen: [...init.listen],
      announce: [...(init.announce ?? [])],
      // libp2p gives out a public address only once four strangers have dialled it: never, in a small
      // network.
      appendAnnounce: init.dht === 'server' ? publicAddresses(init.listen, networkInterfaces()) : [],
    },
    transports: [tcp(), boundedWebSockets(), circuitRelayTransport()],
    connectionEncrypters: [batchedNoise()],
    streamMuxers: [boundedYamux(parts)],
    connectionGater: parts.gater,
    connectionManager: connectionLimits(init),
    // It opens a stream per connection and ten seconds; roles send beats over the streams they have.
    connectionMonitor: { enabled: false },
    peerDiscovery: init.mdns === true ? [localDiscovery(ids.prefix, parts.found)] : [],
    services: {
      identify: identify({ ...prefix, runOnLimitedConnection: true }),
      identifyPush: identifyPush({ ...prefix, runOnLimitedConnection: true }),
      ping: ping({ ...prefix, runOnLimitedConnection: true, maxInboundStreams: 4 }),
      dht: distributedHashTable(ids.dht, init),
      pubsub: pubsub(init, parts.bars),
      dcutr: dcutr(),
      ...(init.relay === true ? { relay: relayServer() } : {}),
    },
  }
  if (parts.datastore !== undefined) options.datastore = parts.datastore
  return createLibp2p(options)
}

/** Connections at once on which nobody has proven a key. @see Unproven */
export function mostUnproven({ dht }: Pick<MeshInit, 'dht'>): number {
  return dht === 'server' ? 500 : 50
}

function connectionLimits(init: MeshInit): NonNullable<Libp2pOptions['connectionManager']> {
  const server = init.dht === 'server'
  return {
    maxConnections: init.maxConnections ?? (server ? 12_000 : 300),
    // Per address and second, and counted before anything is known of the peer: a lab or an office restarting
    // at once must get in, or its dials look like failures of the encryption.
    inboundConnectionThreshold: mostUnproven(init),
    maxIncomingPendingConnections: mostUnproven(init),
    dialTimeout: DIAL_TIMEOUT_MS,
    addressDialTimeout: DIAL_TIMEOUT_MS / 2,
    inboundUpgradeTimeout: DIAL_TIMEOUT_MS,
  }
}

function distributedHashTable(protocol: string, init: MeshInit): ReturnType<typeof kadDHT> {
  return kadDHT({
    protocol,
    // Said outright: left out it means client until a public address is proven.
    clientMode: init.dht === 'client',
    // The default drops private addresses, which leaves the tables of a LAN empty.
    peerInfoMapper: passthroughMapper,
    // allowQueryWithZeroPeers must stay off: libp2p's random walk then spins for ever on an empty table.
    // Queries wait for the first look around, which is put off a second by default.
    initialQuerySelfInterval: 100,
    providers: { provideValidity: PROVIDER_TTL_MS / 1000 },
    reprovide: { validity: PROVIDER_TTL_MS, threshold: PROVIDER_TTL_MS / 2, interval: PROVIDER_TTL_MS / 4 },
  })
}

function pubsub(
  init: MeshInit,
  bars: NonNullable<NodeParts['bars']> = () => false,
): ReturnType<typeof gossipsub> {
  return gossipsub({
    globalSignaturePolicy: 'StrictSign',
    allowedTopics: [...init.topics],
    allowPublishToZeroTopicPeers: true,
    emitSelf: false,
    fallbackToFloodsub: false,
    doPX: false,
    // Head room for signature, key and the frame of the message.
    maxInboundDataLength: 2 * GOSSIP_BYTES,
    maxOutboundBufferSize: 4 * 1024 * 1024,
    scoreParams: {
      appSpecificScore: (peerId) => (bars(peerId) ? BARRED_SCORE : 0),
      IPColocationFactorWeight: init.ipColocationWeight ?? 0,
      topics: Object.fromEntries(init.topics.map((topic) => [topic, INVALID_ONLY])),
    },
  })
}

function relayServer(): ReturnType<typeof circuitRelayServer> {
  return circuitRelayServer({
    reservations: {
      maxReservations: RELAY_RESERVATIONS,
      defaultDurationLimit: RELAY_TTL_MS,
      defaultDataLimit: RELAY_BYTES,
    },
  })
}

function localDiscovery(prefix: string, found: (peer: PeerAddress) => void): ReturnType<typeof mdns> {
  return (components) => {
    const discovery = mdns({ serviceTag: mdnsTag(prefix) })(components)
    discovery.addEventListener('peer', ({ detail }) =>
      found({ peerId: detail.id.toString(), addresses: detail.multiaddrs.map(String) }),
    )
    return discovery
  }
}

/** A DNS label holds 63 characters, fewer than a network id may have. */
function mdnsTag(prefix: string): string {
  return `_edge-${createHash('sha256').update(prefix).digest('hex').slice(0, 16)}._udp.local`
}
