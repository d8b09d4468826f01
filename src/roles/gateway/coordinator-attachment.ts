import { EdgeCoderError } from '../../core/errors.js'
import { isRefusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Network, PeerAddress } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import type { CoordinatorLink } from './coordinator-link.js'
import { wait } from './wait.js'

/** What the attachment tells the gateway. */
export interface AttachmentEvents {
  attached(link: CoordinatorLink): void
  lost(peerId: string): void
  /** Coordinators found that were not known. */
  found(addresses: readonly PeerAddress[]): void
}

interface Components {
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly admits: (peerId: string) => boolean
  /** Who is to be attached to when they can be, the best first; asked again each time. */
  readonly preferred?: () => readonly string[]
  /** Attaches to one; resolves with the link or throws. */
  readonly attach: (
    peer: PeerAddress,
    signal: AbortSignal,
    onClosed: (reason: string) => void,
  ) => ReturnType<typeof CoordinatorLink.attach>
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
/** Before a coordinator that is preferred, and could not be reached, is gone to again. */
const GO_AGAIN_MS = 30_000
/** For what is queued to be sent when the gateway stops. */
const CLOSE_MS = 1_000

/**
 * Keeps the gateway attached to one coordinator. A lost one may come back for the grace; then the others are
 * tried, the known first, then those that the DHT names.
 */
export class CoordinatorAttachment {
  readonly #components: Components
  readonly #init: Init
  readonly #events: AttachmentEvents
  readonly #known = new Map<string, PeerAddress>()
  readonly #stop = new AbortController()
  readonly #waiters = new Set<() => void>()
  #last: string | undefined
  #lostMs: number
  #link: CoordinatorLink | undefined
  #sinceMs = 0
  #wentTo: string | undefined
  #wentMs = 0
  #running: Promise<void> | undefined

  constructor(components: Components, init: Init, events: AttachmentEvents) {
    this.#components = components
    this.#init = init
    this.#events = events
    this.#lostMs = components.clock.monotonicMs()
  }

  get link(): CoordinatorLink | undefined {
    return this.#link
  }

  /** Wall clock of the attach. */
  get sinceMs(): number {
    return this.#sinceMs
  }

  /** @param last the coordinator that a run before was attached to: it has the grace to answer first */
  start(last: PeerAddress | undefined): void {
    for (const peer of this.#init.known) this.#known.set(peer.peerId, peer)
    this.#last = last?.peerId
    if (last !== undefined && !this.#known.has(last.peerId)) this.#known.set(last.peerId, last)
    this.#lostMs = this.#components.clock.monotonicMs()
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    for (const wake of [...this.#waiters]) wake()
    const link = this.#link
    if (link !== undefined) {
      const late = new AbortController()
      await Promise.race([link.close(), wait(this.#components.clock, CLOSE_MS, late.signal)])
      late.abort()
      link.abort('stopping')
    }
    await this.#running
  }

  /**
   * Leaves the attached coordinator for one that is preferred, unless that was tried of late. Whoever calls
   * it sees to it that nothing is under way at the one that is left, or nothing that can be paid there.
   */
  goTo(peerId: string): void {
    const link = this.#link
    const nowMs = this.#components.clock.monotonicMs()
    if (link === undefined || link.peerId === peerId) return
    if (this.#wentTo === peerId && nowMs - this.#wentMs < GO_AGAIN_MS) return
    this.#wentTo = peerId
    this.#wentMs = nowMs
    this.#components.log.info('coordinator-left', { coordinator: link.peerId, for: peerId })
    this.#link = undefined
    link.abort('another coordinator is the home of the account')
  }

  /** Where a coordinator was last known to be. */
  addressOf(peerId: string): PeerAddress {
    return this.#known.get(peerId) ?? { peerId, addresses: [] }
  }

  /** @returns the attached link, now or within `waitMs`; undefined when there is none */
  async attached(waitMs: number): Promise<CoordinatorLink | undefined> {
    if (this.#link !== undefined || this.#stop.signal.aborted) return this.#link
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.cancel()
        this.#waiters.delete(done)
        resolve()
      }
      const timer = this.#components.clock.after(waitMs, done)
      this.#waiters.add(done)
    })
    return this.#link
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
    const isGoing = this.#components.clock.monotonicMs() - this.#wentMs < GO_AGAIN_MS
    const wanted = isGoing && this.#wentTo !== undefined ? [this.#wentTo] : []
    const names = new Set([...wanted, ...(this.#components.preferred?.() ?? [])])
    const preferred = [...names].map((peerId) => this.addressOf(peerId))
    const best = preferred[0]
    if (last !== undefined && this.#inGrace() && (best ?? last).peerId === last.peerId) return [last]
    const named = new Set(preferred.map(({ peerId }) => peerId))
    const others = [...this.#known.values()].filter((peer) => peer !== last && !named.has(peer.peerId))
    shuffle(others, this.#components.random)
    const least = last === undefined || named.has(last.peerId) ? [] : [last]
    return [...preferred, ...others, ...least]
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
    const { clock, log, admits } = this.#components
    const { signal } = this.#stop
    if (signal.aborted || !admits(peer.peerId)) return false
    let onClosed: () => void = () => {}
    const closed = new Promise<void>((resolve) => {
      onClosed = resolve
    })
    try {
      const link = await this.#components.attach(peer, signal, onClosed)
      if (isRefusal(link)) {
        log.warn('coordinator-refused-us', { coordinator: peer.peerId, code: link.code, detail: link.detail })
        return false
      }
      if (!link.open) return false
      this.#link = link
    } catch (cause) {
      if (cause instanceof EdgeCoderError)
        log.debug('coordinator-unreachable', { coordinator: peer.peerId, code: cause.code })
      else log.error('coordinator-attach-failed', { coordinator: peer.peerId, error: asError(cause) })
      return false
    }
    this.#last = peer.peerId
    this.#sinceMs = clock.nowMs()
    log.info('coordinator-attached', { coordinator: peer.peerId })
    this.#events.attached(this.#link)
    for (const wake of [...this.#waiters]) wake()
    await closed
    this.#link = undefined
    this.#lostMs = clock.monotonicMs()
    if (!signal.aborted) log.warn('coordinator-lost', { coordinator: peer.peerId })
    this.#events.lost(peer.peerId)
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
