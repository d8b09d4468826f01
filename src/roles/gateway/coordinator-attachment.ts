import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Network, PeerAddress } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { CoordinatorLinks, HeldLink } from './coordinator-links.js'
import { wait } from './wait.js'

/** What the attachment tells the gateway. */
export interface AttachmentEvents {
  attached(link: CoordinatorLink): void
  /** Coordinators found that were not known. */
  found(addresses: readonly PeerAddress[]): void
}

interface Components {
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly admits: (peerId: string) => boolean
  readonly links: Pick<CoordinatorLinks, 'hold'>
}

interface Init {
  readonly known: readonly PeerAddress[]
  readonly rendezvous: string
  readonly graceMs: number
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000
/** Among them those of the network file; found ones past it push out the oldest found. */
const MOST_KNOWN = 256
const SEARCH_MS = 5_000

/**
 * Keeps the gateway attached to one coordinator, whichever takes it: the one for all tasks that have no other
 * place to go. A lost one may come back for the grace; then the others are tried, the known first, then those
 * that the DHT names.
 */
export class CoordinatorAttachment {
  readonly #components: Components
  readonly #init: Init
  readonly #events: AttachmentEvents
  readonly #known = new Map<string, PeerAddress>()
  readonly #stop = new AbortController()
  #last: string | undefined
  #lostMs: number
  #held: HeldLink | undefined
  #running: Promise<void> | undefined

  constructor(components: Components, init: Init, events: AttachmentEvents) {
    this.#components = components
    this.#init = init
    this.#events = events
    this.#lostMs = components.clock.monotonicMs()
  }

  get link(): CoordinatorLink | undefined {
    return this.#held?.link
  }

  /** @param last the coordinator that a run before was attached to: it has the grace to answer first */
  start(last: PeerAddress | undefined): void {
    for (const peer of this.#init.known) this.#known.set(peer.peerId, peer)
    this.#last = last?.peerId
    if (last !== undefined && !this.#known.has(last.peerId)) this.#known.set(last.peerId, last)
    this.#lostMs = this.#components.clock.monotonicMs()
    this.#running = this.#run()
  }

  /** Nothing is tried from now on. Resolves once the link is closed, which is for others to do. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  /** Where a coordinator was last known to be. */
  addressOf(peerId: string): PeerAddress {
    return this.#known.get(peerId) ?? { peerId, addresses: [] }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    let pauseMs = FIRST_PAUSE_MS
    while (!signal.aborted) {
      const lasted = await this.#round()
      if (lasted) pauseMs = FIRST_PAUSE_MS
      await wait(this.#components.clock, pauseMs * (0.5 + this.#components.random.fraction()), signal)
      const inGrace = this.#components.clock.monotonicMs() - this.#lostMs < this.#init.graceMs
      pauseMs = inGrace ? FIRST_PAUSE_MS : Math.min(LONGEST_PAUSE_MS, pauseMs * 2)
    }
  }

  /** Tries each candidate once, and stays with the first that takes us. @returns whether one did */
  async #round(): Promise<boolean> {
    const tried = new Set<string>()
    const candidates = this.#candidates()
    for (const peer of candidates) {
      tried.add(peer.peerId)
      if (await this.#stayWith(peer)) return true
    }
    if (this.#inGrace() && this.#last !== undefined) return false
    for await (const peer of this.#search()) {
      if (tried.has(peer.peerId)) continue
      tried.add(peer.peerId)
      if (await this.#stayWith(peer)) return true
    }
    return false
  }

  #candidates(): readonly PeerAddress[] {
    const last = this.#last === undefined ? undefined : this.#known.get(this.#last)
    if (last !== undefined && this.#inGrace()) return [last]
    const others = [...this.#known.values()].filter((peer) => peer !== last)
    shuffle(others, this.#components.random)
    return last === undefined ? others : [...others, last]
  }

  #inGrace(): boolean {
    return this.#components.clock.monotonicMs() - this.#lostMs < this.#init.graceMs
  }

  async *#search(): AsyncGenerator<PeerAddress> {
    const { network, clock, log } = this.#components
    const enough = new AbortController()
    const timer = clock.after(SEARCH_MS, () => enough.abort())
    const signal = AbortSignal.any([enough.signal, this.#stop.signal])
    try {
      for await (const peer of network.findProviders(this.#init.rendezvous, signal)) {
        if (peer.peerId === network.peerId || !this.#components.admits(peer.peerId)) continue
        this.#remember(peer)
        yield peer
      }
    } catch (cause) {
      if (!signal.aborted) log.debug('coordinator-search-failed', { error: asError(cause) })
    } finally {
      timer.cancel()
      enough.abort()
    }
  }

  #remember(peer: PeerAddress): void {
    const isNew = !this.#known.has(peer.peerId)
    this.#known.set(peer.peerId, peer)
    if (!isNew) return
    if (this.#known.size > MOST_KNOWN) {
      const told = new Set(this.#init.known.map(({ peerId }) => peerId))
      for (const peerId of this.#known.keys()) {
        if (told.has(peerId) || peerId === this.#last) continue
        this.#known.delete(peerId)
        break
      }
    }
    this.#events.found([peer])
  }

  /** @returns true when it took us, after it was lost again */
  async #stayWith(peer: PeerAddress): Promise<boolean> {
    const { clock, links } = this.#components
    const held = await links.hold(peer, this.#stop.signal, (taken) => {
      this.#held = taken
      this.#last = peer.peerId
    })
    if (held === undefined) return false
    this.#events.attached(held.link)
    await held.closed
    this.#held = undefined
    this.#lostMs = clock.monotonicMs()
    return true
  }
}

function shuffle<T>(items: T[], random: Random): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random.fraction() * (i + 1))
    const [a, b] = [items[i], items[j]]
    if (a === undefined || b === undefined) continue
    items[i] = b
    items[j] = a
  }
}

function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause))
}
