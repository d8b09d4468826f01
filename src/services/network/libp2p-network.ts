import type { Connection, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { EdgeCoderError } from '../../core/errors.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Counter, Metrics } from '../../ports/metrics.js'
import type {
  DialOptions,
  GossipMessage,
  GossipVerdict,
  Link,
  MeshView,
  Network,
  Offence,
  PeerAddress,
  PeerState,
  ServeOptions,
} from '../../ports/network.js'
import { protocolIds } from '../../wire/protocol-ids.js'
import type { Identity } from '../identity/identity.js'
import { dialTargets, isPeerId } from './addresses.js'
import { CLOSE_TIMEOUT_MS, CLOSING_MS, DIAL_TIMEOUT_MS, LOOKUP_TIMEOUT_MS } from './bounds.js'
import { createConnectionGate } from './connection-gate.js'
import { dialFault, lacksProtocol, notAdmitted } from './dial-errors.js'
import { createGossip, type Gossip } from './gossip.js'
import { GuestBook, type GuestRules } from './guest-book.js'
import { createIntroduction, type Introduction } from './introduction.js'
import { Libp2pLink } from './libp2p-link.js'
import { createMeshNode, type MeshInit, type MeshNode, mostUnproven } from './libp2p-node.js'
import { listenFault } from './listen-errors.js'
import { MeshSight } from './mesh-sight.js'
import { createPeerScores, type PeerScores } from './peer-scores.js'
import { createPeerStore, type PeerStore } from './peer-store.js'
import { createRendezvous, type Rendezvous } from './rendezvous.js'
import { createServedProtocol, type ServedProtocol } from './served-protocol.js'
import { Unproven } from './unproven.js'

export interface Libp2pNetworkComponents {
  readonly identity: Identity
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** Peers to deal with, asked at every connection; the policy of the network. */
  gate(peerId: string): boolean
  /** Peers of which nothing is taken, through whomever it comes: the blacklist. Left out = nobody. */
  readonly bars?: (peerId: string) => boolean
  /** Peers that may connect here though the gate is closed to them; left out = none. */
  readonly guests?: GuestRules
}

export interface Libp2pNetworkInit extends MeshInit {
  readonly networkId: string
  /** Multiaddrs of peers that bring this one into the mesh, each ending in /p2p/<peer id>. */
  readonly bootstrap: readonly string[]
  /** Folder for what is known of peers; without it a restart begins with none. */
  readonly dataDir?: string
}

/** The mesh over libp2p. */
export interface Libp2pNetwork extends Network {
  /**
   * @throws EdgeCoderError `port-in-use`, `bad-config` (cannot listen there), `store-locked`, `store-failed`
   */
  start(): Promise<void>
  /** Closes every link and connection. It cannot be started again. */
  stop(): Promise<void>
  /** How it is woven into the mesh now. */
  mesh(): MeshView
}

export async function createLibp2pNetwork(
  components: Libp2pNetworkComponents,
  init: Libp2pNetworkInit,
): Promise<Libp2pNetwork> {
  const { identity, clock, log, metrics, gate, guests: rules = NO_GUESTS } = components
  const { bars = () => false } = components
  const ids = protocolIds(init.networkId)
  const scores = createPeerScores(clock)
  const admits = (peerId: string): boolean => {
    const admitted = !scores.denied(peerId) && gate(peerId)
    // At debug level: a stranger may come as often as it likes.
    if (!admitted) log.debug('peer-turned-away', { peer: peerId })
    return admitted
  }
  const isMember = (peerId: string): boolean => gate(peerId)
  const guests = new GuestBook({ clock, isMember }, rules)
  const admitsGuest = (peerId: string, address: string): boolean =>
    !scores.denied(peerId) && !gate(peerId) && guests.admits(peerId, address)
  const store = init.dataDir === undefined ? undefined : createPeerStore(init.dataDir)
  const found = (peer: PeerAddress): void => introduction.found(peer)
  const flooded = (streams: readonly Stream[]): void => network.flooded(streams)
  const node = await createMeshNode(
    {
      privateKey: identity.privateKey,
      ids,
      gater: createConnectionGate(admits, admitsGuest, new Unproven(mostUnproven(init))),
      nowMs: () => clock.monotonicMs(),
      found,
      flooded,
      bars,
      ...(store === undefined ? {} : { datastore: store.datastore }),
    },
    init,
  )
  const introduction = createIntroduction({ node, clock, log }, init.bootstrap)
  const rendezvous = createRendezvous({ node, clock, log }, ids.dht)
  const penalise = (peerId: string, offence: Offence): void => network.penalise(peerId, offence)
  const gossip = createGossip({ pubsub: node.services.pubsub, clock, log, penalise, bars }, init.topics)
  const parts = { node, store, scores, introduction, rendezvous, gossip, clock, log, metrics, admits, guests }
  const network = new NetworkOverLibp2p(parts, init.listen)
  return network
}

interface Parts {
  readonly node: MeshNode
  readonly store: PeerStore | undefined
  readonly scores: PeerScores
  readonly introduction: Introduction
  readonly rendezvous: Rendezvous
  readonly gossip: Gossip
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly guests: GuestBook
  admits(peerId: string): boolean
}

const NO_GUESTS: GuestRules = { admits: () => false, protocols: [] }

class NetworkOverLibp2p implements Libp2pNetwork {
  readonly #parts: Parts
  readonly #listen: readonly string[]
  readonly #served = new Map<string, ServedProtocol>()
  readonly #listeners = new Set<(peerId: string) => void>()
  /** Of connected peers. */
  readonly #latenciesMs = new Map<string, number>()
  readonly #sight: MeshSight
  readonly #offences: Counter

  constructor(parts: Parts, listen: readonly string[]) {
    this.#parts = parts
    this.#listen = listen
    this.#sight = new MeshSight(parts.node)
    this.#offences = parts.metrics.counter('edgecoder_network_offences_total', 'Offences of peers.', [
      'offence',
    ])
  }

  get peerId(): string {
    return this.#parts.node.peerId.toString()
  }

  async start(): Promise<void> {
    const { node, store, introduction, guests } = this.#parts
    await store?.open()
    this.#sight.watch()
    node.addEventListener('connection:open', ({ detail }) => guests.opened(detail))
    guests.start()
    node.addEventListener('peer:connect', () => this.#count())
    node.addEventListener('peer:disconnect', ({ detail }) => this.#disconnected(detail.toString()))
    try {
      await node.start()
    } catch (cause) {
      await this.stop()
      throw listenFault(cause, this.#listen)
    }
    introduction.start()
  }

  async stop(): Promise<void> {
    const { node, store, introduction, rendezvous, guests } = this.#parts
    introduction.stop()
    guests.stop()
    rendezvous.stop()
    await node.stop()
    await store?.close()
  }

  addresses(): readonly string[] {
    return this.#parts.node.getMultiaddrs().map(String)
  }

  async dial(peer: PeerAddress, protocol: string, options: DialOptions): Promise<Link> {
    const { signal } = options
    const { peerId } = peer
    if (!isPeerId(peerId)) throw new EdgeCoderError('unreachable', `"${peerId}" is no peer id.`)
    if (!signal.aborted && !this.#parts.admits(peerId)) throw notAdmitted(peerId)
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)])
    let connection = this.#connectionWith(peerId)
    let made = false
    for (;;) {
      try {
        deadline.throwIfAborted()
        made = connection === undefined
        connection ??= await this.#connect(peer, deadline)
        const stream = await connection.newStream(protocol, {
          signal: deadline,
          runOnLimitedConnection: true,
        })
        return this.#link(stream, peerId, connection, options)
      } catch (cause) {
        const alive = connection === undefined || deadline.aborted || lacksProtocol(cause)
        const dropped = connection !== undefined && !alive && (await this.#closesSoon(connection))
        // One that was there before may just have died; a fresh one was turned away.
        if (made || !dropped) {
          throw dialFault(cause, { peerId, protocol, signal, connected: connection !== undefined, dropped })
        }
        connection = undefined
      }
    }
  }

  serve(protocol: string, options: ServeOptions, accept: (link: Link) => void): () => void {
    const { node, clock, log, guests } = this.#parts
    const penalise = (peerId: string, offence: Offence): void => this.penalise(peerId, offence)
    const allows = guests.allows.bind(guests)
    const served = createServedProtocol({ clock, penalise, allows }, protocol, options, accept)
    this.#served.set(protocol, served)
    const failed = (cause: unknown): void => log.error('serve-failed', { protocol, error: asError(cause) })
    node
      .handle(protocol, served.handler, {
        // Above our own bound, since libp2p counts streams that are closing, too.
        maxInboundStreams: 2 * options.streamsPerPeer,
        runOnLimitedConnection: true,
      })
      .catch(failed)
    return () => {
      if (this.#served.get(protocol) !== served) return
      this.#served.delete(protocol)
      node.unhandle(protocol).catch(failed)
    }
  }

  publish(topic: string, bytes: Uint8Array): Promise<void> {
    return this.#parts.gossip.publish(topic, bytes)
  }

  subscribe(
    topic: string,
    judge: (message: GossipMessage) => GossipVerdict | Promise<GossipVerdict>,
  ): () => void {
    return this.#parts.gossip.subscribe(topic, judge)
  }

  provide(rendezvous: string): () => void {
    return this.#parts.rendezvous.provide(rendezvous)
  }

  findProviders(rendezvous: string, signal: AbortSignal): AsyncIterable<PeerAddress> {
    return this.#parts.rendezvous.find(rendezvous, signal)
  }

  peers(): readonly PeerState[] {
    const states = new Map<string, PeerState>()
    for (const connection of this.#parts.node.getConnections()) {
      const peerId = connection.remotePeer.toString()
      const before = states.get(peerId)
      const latencyMs = this.#latenciesMs.get(peerId)
      states.set(peerId, {
        peerId,
        addresses: [...(before?.addresses ?? []), connection.remoteAddr.toString()],
        direction: before?.direction ?? connection.direction,
        relayed: (before?.relayed ?? true) && !connection.direct,
        ...(latencyMs === undefined ? {} : { latencyMs }),
      })
    }
    return [...states.values()]
  }

  mesh(): MeshView {
    return this.#sight.view()
  }

  onDisconnect(listener: (peerId: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async ping(peerId: string, signal: AbortSignal): Promise<number> {
    const { node } = this.#parts
    const protocol = 'ping'
    try {
      const latencyMs = await node.services.ping.ping(peerIdFromString(peerId), { signal })
      if (this.#connectionWith(peerId) !== undefined) this.#latenciesMs.set(peerId, latencyMs)
      return latencyMs
    } catch (cause) {
      throw dialFault(cause, { peerId, protocol, signal, connected: true, dropped: false })
    }
  }

  penalise(peerId: string, offence: Offence): void {
    const { scores, log } = this.#parts
    this.#offences.add(1, { offence })
    log.debug('peer-offended', { peer: peerId, offence })
    if (!scores.penalise(peerId, offence)) return
    log.warn('peer-denied', { peer: peerId, offence })
    void this.disconnect(peerId)
  }

  /** Scores the peer behind a connection by the streams of it. */
  flooded(streams: readonly Stream[]): void {
    const connection = this.#parts.node.getConnections().find((each) => each.streams === streams)
    if (connection !== undefined) this.penalise(connection.remotePeer.toString(), 'flood')
  }

  async disconnect(peerId: string): Promise<void> {
    const { node, log } = this.#parts
    try {
      await node.hangUp(peerIdFromString(peerId), { signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS) })
    } catch (cause) {
      log.debug('disconnect-failed', { peer: peerId, error: asError(cause) })
      for (const each of this.#connectionsWith(peerId)) each.abort(asError(cause))
    }
  }

  /** Over addresses given, else over those known from before or from the DHT. */
  async #connect(peer: PeerAddress, signal: AbortSignal): Promise<Connection> {
    const { node } = this.#parts
    const targets = dialTargets(peer.peerId, peer.addresses)
    const peerId = peerIdFromString(peer.peerId)
    if (targets.length === 0) return node.dial(peerId, { signal })
    try {
      return await node.dial(targets, { signal })
    } catch (cause) {
      const lookup = AbortSignal.any([signal, AbortSignal.timeout(LOOKUP_TIMEOUT_MS)])
      return await node.dial(peerId, { signal: lookup }).catch(() => {
        throw cause
      })
    }
  }

  #link(stream: Stream, peerId: string, connection: Connection, options: DialOptions): Link {
    const link = new Libp2pLink(stream, this.#parts.clock, {
      peerId,
      protocol: stream.protocol,
      remoteAddress: connection.remoteAddr.toString(),
      maxFrameBytes: options.maxFrameBytes,
      onOffence: (offence) => this.penalise(peerId, offence),
      onEnd: () => {},
    })
    return link.open()
  }

  #connectionsWith(peerId: string): Connection[] {
    return this.#parts.node.getConnections(peerIdFromString(peerId)).filter(({ status }) => status === 'open')
  }

  /** An error on a stream may be the first sign of a connection that is being closed. */
  #closesSoon(connection: Connection): Promise<boolean> {
    if (connection.status !== 'open') return Promise.resolve(true)
    return new Promise((resolve) => {
      const timer = this.#parts.clock.after(CLOSING_MS, () => resolve(false))
      connection.addEventListener('close', () => {
        timer.cancel()
        resolve(true)
      })
    })
  }

  /** A direct connection before a relayed one. */
  #connectionWith(peerId: string): Connection | undefined {
    const connections = this.#connectionsWith(peerId)
    return connections.find(({ direct }) => direct) ?? connections[0]
  }

  #disconnected(peerId: string): void {
    this.#latenciesMs.delete(peerId)
    this.#sight.forget(peerId)
    this.#count()
    for (const listener of [...this.#listeners]) listener(peerId)
  }

  #count(): void {
    const { metrics, node } = this.#parts
    metrics.gauge('edgecoder_network_connected_peers', 'Peers connected.').set(node.getPeers().length)
  }
}

function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause))
}
