import type {
  DialOptions,
  GossipMessage,
  GossipVerdict,
  Link,
  LinkReceiver,
  Network,
  Offence,
  PeerAddress,
  ServeOptions,
} from '../../src/ports/network.js'
import type { EventBody } from './events.js'
import { roleOf, speechOf } from './events.js'
import type { Gate } from './gate.js'

interface TapInit {
  readonly name: string
  readonly gate: Gate
  readonly nameOf: (peerId: string) => string
  readonly tell: (event: EventBody) => void
  readonly nextLink: () => number
}

/** The network of one process: everything that crosses it is told, and waits while the process is frozen. */
export class TappedNetwork implements Network {
  readonly #inner: Network
  readonly #init: TapInit
  /** Links that are open at this end. */
  readonly open = new Set<number>()

  constructor(inner: Network, init: TapInit) {
    this.#inner = inner
    this.#init = init
  }

  get peerId(): string {
    return this.#inner.peerId
  }

  addresses(): readonly string[] {
    return this.#inner.addresses()
  }

  async dial(peer: PeerAddress, protocol: string, options: DialOptions): Promise<Link> {
    const { gate } = this.#init
    const dialled = this.#inner.dial(peer, protocol, options)
    await dialled.catch(() => {})
    await gate.turn()
    return this.#tap(await dialled)
  }

  serve(protocol: string, options: ServeOptions, accept: (link: Link) => void): () => void {
    return this.#inner.serve(protocol, options, (link) => {
      this.#init.gate.run(() => accept(this.#tap(link)))
    })
  }

  publish(topic: string, bytes: Uint8Array): Promise<void> {
    return this.#inner.publish(topic, bytes)
  }

  subscribe(
    topic: string,
    judge: (message: GossipMessage) => GossipVerdict | Promise<GossipVerdict>,
  ): () => void {
    const { gate, tell, nameOf } = this.#init
    return this.#inner.subscribe(topic, async (message) => {
      await gate.turn()
      tell({ type: 'gossip', peer: nameOf(message.from), bytes: message.bytes })
      return judge(message)
    })
  }

  provide(rendezvous: string): () => void {
    return this.#inner.provide(rendezvous)
  }

  findProviders(rendezvous: string, signal: AbortSignal): AsyncIterable<PeerAddress> {
    return this.#inner.findProviders(rendezvous, signal)
  }

  peers() {
    return this.#inner.peers()
  }

  onDisconnect(listener: (peerId: string) => void): () => void {
    return this.#inner.onDisconnect((peerId) => this.#init.gate.run(() => listener(peerId)))
  }

  ping(peerId: string, signal: AbortSignal): Promise<number> {
    return this.#inner.ping(peerId, signal)
  }

  penalise(peerId: string, offence: Offence): void {
    this.#init.tell({ type: 'note', text: `penalises ${this.#init.nameOf(peerId)}: ${offence}` })
    this.#inner.penalise(peerId, offence)
  }

  disconnect(peerId: string): Promise<void> {
    return this.#inner.disconnect(peerId)
  }

  #tap(link: Link): Link {
    const number = this.#init.nextLink()
    this.open.add(number)
    return new TappedLink(link, number, this.#init, () => this.open.delete(number))
  }
}

class TappedLink implements Link {
  readonly #inner: Link
  readonly #number: number
  readonly #init: TapInit
  readonly #onClosed: () => void
  /** Given up here: what waits for a frozen process is not for it any more. */
  #over = false

  constructor(inner: Link, number: number, init: TapInit, onClosed: () => void) {
    this.#inner = inner
    this.#number = number
    this.#init = init
    this.#onClosed = onClosed
  }

  get peerId(): string {
    return this.#inner.peerId
  }

  get protocol(): string {
    return this.#inner.protocol
  }

  get remoteAddress(): string {
    return this.#inner.remoteAddress
  }

  send(frame: Uint8Array): boolean {
    if (this.#init.gate.dead) return false
    this.#tell('sent', frame)
    return this.#inner.send(frame)
  }

  drained(signal?: AbortSignal): Promise<void> {
    return this.#inner.drained(signal)
  }

  receive(receiver: LinkReceiver): void {
    const { gate, tell, nameOf } = this.#init
    this.#inner.receive({
      frame: (bytes) =>
        gate.run(() => {
          if (this.#over) return
          this.#tell('received', bytes)
          receiver.frame(bytes)
        }),
      closed: (reason) => {
        this.#onClosed()
        gate.run(() => {
          tell({ type: 'closed', peer: nameOf(this.peerId), link: this.#number })
          receiver.closed(reason)
        })
      },
    })
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  abort(reason: string): void {
    this.#over = true
    this.#inner.abort(reason)
  }

  #tell(type: 'sent' | 'received', bytes: Uint8Array): void {
    const { name, nameOf, tell } = this.#init
    const peer = nameOf(this.peerId)
    const [from, to] = type === 'sent' ? [name, peer] : [peer, name]
    const speech = speechOf(roleOf(from), roleOf(to), bytes)
    tell({ type, peer, link: this.#number, bytes, speech })
  }
}
