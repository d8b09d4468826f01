/** A peer and where it can be dialled (multiaddrs, without or with its /p2p part). */
export interface PeerAddress {
  readonly peerId: string
  readonly addresses: readonly string[]
}

/** A long-lived stream of length-prefixed frames with one authenticated peer. */
export interface Link {
  /** Proven by the noise handshake. */
  readonly peerId: string
  readonly protocol: string
  /** The other end's multiaddr on this connection. */
  readonly remoteAddress: string
  /**
   * Queues one frame, in order.
   *
   * @returns false when the queue is over its high-water mark: await {@link drained} before sending more.
   *   A peer that lets it grow past the hard bound (8 MiB) is aborted.
   */
  send(frame: Uint8Array): boolean
  /** Resolves when there is room again. @throws EdgeCoderError `link-closed` */
  drained(signal?: AbortSignal): Promise<void>
  /** Sets the one receiver. Frames that came before are handed over first, in order. */
  receive(receiver: LinkReceiver): void
  /** Sends what is queued, then closes. */
  close(): Promise<void>
  /** Drops the link now; the other end sees it closed. */
  abort(reason: string): void
}

export interface LinkReceiver {
  frame(bytes: Uint8Array): void
  /** Exactly once, whoever closed it; no frame follows. */
  closed(reason: string): void
}

export type GossipVerdict = 'accept' | 'ignore' | 'reject'

export interface GossipMessage {
  readonly topic: string
  /** Who published it (not who forwarded it). */
  readonly from: string
  readonly bytes: Uint8Array
}

export interface PeerState {
  readonly peerId: string
  readonly addresses: readonly string[]
  readonly direction: 'inbound' | 'outbound'
  readonly relayed: boolean
  /** Round trip by the last ping, when one was made. */
  readonly latencyMs?: number
}

/** How a peer is woven into the mesh. */
export interface MeshView {
  /** Multiaddrs that others are told. */
  readonly addresses: readonly string[]
  /** As which address peers say that they see this one, most of them first. */
  readonly observed: readonly { readonly address: string; readonly peers: number }[]
  /** Peer ids of those that relay for this one. */
  readonly relays: readonly string[]
  readonly connections: {
    readonly inbound: number
    readonly outbound: number
    readonly relayed: number
    /** Of the inbound ones, those from public addresses: proof that it can be reached. */
    readonly inboundPublic: number
  }
  readonly dht: { readonly mode: 'client' | 'server'; readonly peers: number }
  /** Gossip, by topic, with how many neighbours listen. */
  readonly topics: readonly { readonly topic: string; readonly peers: number }[]
}

/** Offences a peer is scored for. At the threshold it is disconnected and refused for a while. */
export type Offence =
  | 'malformed-frame'
  | 'flood'
  | 'bad-signature'
  | 'wrong-network'
  | 'not-admitted'
  | 'protocol-violation'

/** The mesh as the roles see it. */
export interface Network {
  readonly peerId: string
  /** Addresses others can dial, announced ones first. */
  addresses(): readonly string[]
  /**
   * Opens a framed stream, over an existing connection when there is one.
   *
   * @throws EdgeCoderError `unreachable` (no address answered), `protocol-missing`, `not-admitted`,
   *   `cancelled`
   */
  dial(peer: PeerAddress, protocol: string, options: DialOptions): Promise<Link>
  /**
   * Accepts streams of a protocol until the returned function is called. `accept` must set a receiver at
   * once.
   */
  serve(protocol: string, options: ServeOptions, accept: (link: Link) => void): () => void
  /** Publishes to the topic's mesh; nobody listening is no error. @throws EdgeCoderError `frame-too-large` */
  publish(topic: string, bytes: Uint8Array): Promise<void>
  /** Judges and takes each message once; only accepted ones are passed on to others. */
  subscribe(
    topic: string,
    judge: (message: GossipMessage) => GossipVerdict | Promise<GossipVerdict>,
  ): () => void
  /**
   * Says in the DHT that this peer provides a rendezvous; said again by itself before it lapses, until the
   * returned function is called. Others may still find it for an hour after that.
   */
  provide(rendezvous: string): () => void
  /** Peers that provide a rendezvous, as they are found; ends when the search is exhausted or aborted. */
  findProviders(rendezvous: string, signal: AbortSignal): AsyncIterable<PeerAddress>
  peers(): readonly PeerState[]
  /** Called when the last connection with a peer is gone, whichever end dropped it. */
  onDisconnect(listener: (peerId: string) => void): () => void
  /** Round trip now, in milliseconds. @throws EdgeCoderError `unreachable` */
  ping(peerId: string, signal: AbortSignal): Promise<number>
  penalise(peerId: string, offence: Offence): void
  /** Drops all connections with a peer. */
  disconnect(peerId: string): Promise<void>
}

export interface DialOptions {
  readonly signal: AbortSignal
  readonly maxFrameBytes: number
}

export interface ServeOptions {
  readonly maxFrameBytes: number
  /** Streams one peer may hold open; further ones are reset. */
  readonly streamsPerPeer: number
  /**
   * Frames one peer may send per second, averaged; past a burst of four seconds' worth it is aborted and
   * penalised (`flood`).
   */
  readonly framesPerSecond: number
}
