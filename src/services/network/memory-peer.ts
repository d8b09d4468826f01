import { EdgeCoderError } from '../../core/errors.js'
import type { Clock } from '../../ports/clock.js'
import type {
  DialOptions,
  GossipMessage,
  GossipVerdict,
  Link,
  Network,
  Offence,
  PeerAddress,
  PeerState,
  ServeOptions,
} from '../../ports/network.js'
import { GOSSIP_BYTES } from '../../wire/limits.js'
import { BURST_SECONDS, DIAL_TIMEOUT_MS, GOSSIP_SEEN } from './bounds.js'
import type { MemoryConnection, MemoryEnd } from './memory-connection.js'
import { MemoryLink, type MemoryPath } from './memory-link.js'
import { createPeerScores, type PeerScores } from './peer-scores.js'
import { createQuota, type Quota } from './quota.js'
import { createRecentSet, type RecentSet } from './recent-set.js'

export interface MemoryPeerInit {
  /** Peers it deals with; default all. */
  readonly gate?: (peerId: string) => boolean
  /** Can be dialled; default true. One behind NAT cannot. */
  readonly listens?: boolean
}

/** What peers see of the mesh they are in. */
export interface MemoryRoom {
  readonly clock: Clock
  readonly providers: Map<string, Set<string>>
  peer(peerId: string): MemoryPeer | undefined
  mode(a: string, b: string): 'open' | 'silent' | 'closed'
  path(a: string, b: string): MemoryPath
  connect(dialler: string, listener: string): MemoryConnection
  /** Closes `by`'s end now, the other one when the news has travelled. */
  close(by: string, other: string, reason: string): void
  /** Closes both ends now. */
  drop(a: string, b: string, reason: string): void
}

type Judge = (message: GossipMessage) => GossipVerdict | Promise<GossipVerdict>

interface Gossip extends GossipMessage {
  readonly id: string
}

interface Served {
  readonly options: ServeOptions
  readonly accept: (link: Link) => void
  /** Frames each peer may still send, over all its links of the protocol. */
  readonly quotas: Map<string, Quota>
}

const memoryAddress = (peerId: string): string => `/memory/${peerId}/p2p/${peerId}`

/** A peer of a memory mesh: its port to the roles, and what the mesh itself and the other peers call. */
export class MemoryPeer implements Network {
  readonly peerId: string
  readonly #room: MemoryRoom
  readonly #init: MemoryPeerInit
  readonly #scores: PeerScores
  readonly #served = new Map<string, Served>()
  readonly #judges = new Map<string, Judge>()
  readonly #seen: RecentSet
  readonly #ends = new Map<string, MemoryEnd>()
  readonly #listeners = new Set<(peerId: string) => void>()
  #published = 0
  #alive = true

  constructor(room: MemoryRoom, peerId: string, init: MemoryPeerInit) {
    this.#room = room
    this.peerId = peerId
    this.#init = init
    this.#scores = createPeerScores(room.clock)
    this.#seen = createRecentSet(GOSSIP_SEEN)
  }

  addresses(): readonly string[] {
    return this.#init.listens === false ? [] : [memoryAddress(this.peerId)]
  }

  async dial(peer: PeerAddress, protocol: string, options: DialOptions): Promise<Link> {
    const { signal } = options
    if (!this.#alive) throw new EdgeCoderError('shutting-down', 'This peer is stopped.')
    if (!this.admits(peer.peerId)) throw notAdmitted(peer.peerId)
    await this.#travel(peer.peerId, signal)
    const remote = this.#remote(peer)
    if (!remote.admits(this.peerId)) throw notAdmitted(peer.peerId)
    const served = remote.#served.get(protocol)
    if (served === undefined) {
      throw new EdgeCoderError('protocol-missing', `Peer ${peer.peerId} does not speak ${protocol}.`)
    }
    this.#connect(remote)
    return this.#open(remote, protocol, options, served)
  }

  serve(protocol: string, options: ServeOptions, accept: (link: Link) => void): () => void {
    const served: Served = { options, accept, quotas: new Map() }
    this.#served.set(protocol, served)
    return () => {
      if (this.#served.get(protocol) === served) this.#served.delete(protocol)
    }
  }

  async publish(topic: string, bytes: Uint8Array): Promise<void> {
    if (bytes.length > GOSSIP_BYTES) {
      throw new EdgeCoderError('frame-too-large', `Gossip of ${bytes.length} bytes, at most ${GOSSIP_BYTES}.`)
    }
    if (!this.#alive) return
    const id = `${this.peerId}|${this.#published++}`
    this.#seen.add(id)
    this.#forward({ id, topic, from: this.peerId, bytes: bytes.slice() }, this.peerId)
  }

  subscribe(topic: string, judge: Judge): () => void {
    this.#judges.set(topic, judge)
    return () => {
      if (this.#judges.get(topic) === judge) this.#judges.delete(topic)
    }
  }

  provide(rendezvous: string): () => void {
    const providers = this.#room.providers.get(rendezvous) ?? new Set()
    this.#room.providers.set(rendezvous, providers.add(this.peerId))
    return () => providers.delete(this.peerId)
  }

  async *findProviders(rendezvous: string, signal: AbortSignal): AsyncIterable<PeerAddress> {
    for (const peerId of [...(this.#room.providers.get(rendezvous) ?? [])]) {
      if (peerId === this.peerId) continue
      await waitFor(this.#room.clock, this.#room.path(this.peerId, peerId).delayMs(), signal)
      if (signal.aborted) return
      yield { peerId, addresses: [memoryAddress(peerId)] }
    }
  }

  peers(): readonly PeerState[] {
    return [...this.#ends.values()].map(({ remote, direction }) => ({
      peerId: remote,
      addresses: [memoryAddress(remote)],
      direction,
      relayed: false,
    }))
  }

  onDisconnect(listener: (peerId: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async ping(peerId: string, signal: AbortSignal): Promise<number> {
    const startMs = this.#room.clock.monotonicMs()
    await this.#travel(peerId, signal)
    this.#remote({ peerId, addresses: [] })
    return this.#room.clock.monotonicMs() - startMs
  }

  penalise(peerId: string, offence: Offence): void {
    if (this.#scores.penalise(peerId, offence)) this.#room.close(this.peerId, peerId, 'denied for offences')
  }

  async disconnect(peerId: string): Promise<void> {
    this.#room.close(this.peerId, peerId, 'disconnected here')
  }

  connected(): readonly string[] {
    return [...this.#ends.keys()]
  }

  disconnected(peerId: string): void {
    if (!this.#ends.delete(peerId) || !this.#alive) return
    for (const listener of [...this.#listeners]) listener(peerId)
  }

  /** From here on nothing that happens reaches the roles of this peer. */
  die(): void {
    this.#alive = false
    for (const { links } of this.#ends.values()) {
      for (const link of links) link.receive({ frame() {}, closed() {} })
    }
  }

  admits(peerId: string): boolean {
    return !this.#scores.denied(peerId) && this.#init.gate?.(peerId) !== false
  }

  /** There and back; over a silent cut nobody answers until the dial gives up. */
  async #travel(to: string, signal: AbortSignal): Promise<void> {
    const path = this.#room.path(this.peerId, to)
    await this.#wait(path.delayMs() + path.delayMs(), signal)
    if (this.#room.mode(this.peerId, to) === 'silent') await this.#wait(DIAL_TIMEOUT_MS, signal)
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    await waitFor(this.#room.clock, ms, signal)
    if (signal.aborted) throw new EdgeCoderError('cancelled', 'The dial was given up.')
  }

  #remote(peer: PeerAddress): MemoryPeer {
    const remote = this.#room.peer(peer.peerId)
    const known =
      this.#ends.has(peer.peerId) ||
      peer.addresses.length === 0 ||
      peer.addresses.some((address) => address.startsWith(`/memory/${peer.peerId}`))
    const dialable = this.#ends.has(peer.peerId) || (remote !== undefined && remote.addresses().length > 0)
    const open = this.#room.mode(this.peerId, peer.peerId) === 'open'
    if (remote === undefined || remote === this || !known || !dialable || !open) {
      throw new EdgeCoderError('unreachable', `No address of peer ${peer.peerId} answered.`)
    }
    return remote
  }

  #connect(remote: MemoryPeer): void {
    if (this.#ends.has(remote.peerId) && remote.#ends.has(this.peerId)) return
    this.#room.drop(this.peerId, remote.peerId, 'connection closed')
    const [mine, theirs] = this.#room.connect(this.peerId, remote.peerId).ends
    this.#ends.set(remote.peerId, mine)
    remote.#ends.set(this.peerId, theirs)
  }

  #open(remote: MemoryPeer, protocol: string, options: DialOptions, served: Served): Link {
    const { framesPerSecond, streamsPerPeer, maxFrameBytes } = served.options
    const quota =
      served.quotas.get(this.peerId) ??
      createQuota(framesPerSecond, framesPerSecond * BURST_SECONDS, () => this.#room.clock.monotonicMs())
    served.quotas.set(this.peerId, quota)
    const there = remote.#ends.get(this.peerId)
    const full =
      [...(there?.links ?? [])].filter((link) => link.protocol === protocol).length >= streamsPerPeer
    const near = this.#end(remote.peerId, protocol, options.maxFrameBytes)
    const far = remote.#end(this.peerId, protocol, maxFrameBytes, quota)
    near.join(far)
    far.join(near)
    if (full) far.abort('too many streams')
    else served.accept(far)
    return near
  }

  #end(remote: string, protocol: string, maxFrameBytes: number, quota?: Quota) {
    const links = this.#ends.get(remote)?.links
    const link: MemoryLink = new MemoryLink(this.#room.path(this.peerId, remote), {
      peerId: remote,
      protocol,
      remoteAddress: memoryAddress(remote),
      maxFrameBytes,
      ...(quota === undefined ? {} : { quota }),
      onOffence: (offence) => this.penalise(remote, offence),
      onEnd: () => links?.delete(link),
    })
    links?.add(link)
    return link
  }

  #forward(message: Gossip, cameFrom: string): void {
    for (const peerId of this.#ends.keys()) {
      if (peerId === cameFrom || this.#room.mode(this.peerId, peerId) !== 'open') continue
      const { clock } = this.#room
      clock.after(this.#room.path(this.peerId, peerId).delayMs(), () => {
        const remote = this.#room.peer(peerId)
        if (remote !== undefined) void remote.#take(message, this.peerId)
      })
    }
  }

  async #take(message: Gossip, cameFrom: string): Promise<void> {
    const judge = this.#judges.get(message.topic)
    if (judge === undefined || !this.#alive || !this.#seen.add(message.id)) return
    const { topic, from, bytes } = message
    if ((await judge({ topic, from, bytes })) === 'accept') this.#forward(message, cameFrom)
  }
}

function notAdmitted(peerId: string): EdgeCoderError {
  return new EdgeCoderError('not-admitted', `Peer ${peerId} is not admitted, or does not admit this peer.`)
}

/** Resolves after `ms`, or earlier when the signal is aborted. */
function waitFor(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.after(ms, done)
    if (signal.aborted) done()
    else signal.addEventListener('abort', done)
  })
}
