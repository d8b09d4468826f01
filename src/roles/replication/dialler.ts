import { EdgeCoderError } from '../../core/errors.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Link, Network, PeerAddress } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import { LEDGER_FRAME_BYTES } from '../../wire/limits.js'
import { Backoff } from './backoff.js'
import { DIAL_MS, MOST_REDIAL_MS } from './constants.js'

interface Components {
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

interface DiallerEvents {
  /** By policy, as it is now. */
  coordinators(): readonly PeerAddress[]
  /** Is there a stream to it, or one that has not said hello yet? */
  linked(peerId: string): boolean
  opened(link: Link): void
}

/** Does the first of these two open their stream? Both ends ask the same, and never both dial. */
export function dials(peerId: string, other: string): boolean {
  return peerId < other
}

/**
 * Keeps a stream open to each coordinator whose peer id sorts after this one's; the others dial here. It has
 * one stream to each at a time, and opens the next when that is over: so for the other end the latest counts.
 */
export class Dialler {
  readonly #components: Components
  readonly #protocol: string
  readonly #events: DiallerEvents
  readonly #backoffs = new Map<string, Backoff>()
  readonly #busy = new Set<string>()
  readonly #timers = new Map<string, Timer>()
  readonly #stopping = new AbortController()

  constructor(components: Components, protocol: string, events: DiallerEvents) {
    this.#components = components
    this.#protocol = protocol
    this.#events = events
  }

  /** Dials those that have no stream: at once, or when they have been left alone long enough. */
  dial(): void {
    const here = this.#components.network.peerId
    for (const peer of this.#events.coordinators()) {
      if (dials(here, peer.peerId) && !this.#events.linked(peer.peerId)) this.#dial(peer)
    }
  }

  /** A stream that lasted is over: it is dialled at once, and not as one that ends as soon as it is there. */
  lasted(peerId: string): void {
    this.#backoffs.get(peerId)?.succeeded()
  }

  stop(): void {
    this.#stopping.abort()
    for (const timer of this.#timers.values()) timer.cancel()
  }

  #dial(peer: PeerAddress): void {
    const { network, clock, log } = this.#components
    const { peerId } = peer
    if (this.#busy.has(peerId) || this.#stopping.signal.aborted) return
    const backoff = this.#backoffs.get(peerId) ?? new Backoff(this.#components, MOST_REDIAL_MS)
    this.#backoffs.set(peerId, backoff)
    const waitMs = backoff.untilMs - clock.monotonicMs()
    if (waitMs > 0) {
      if (this.#timers.has(peerId)) return
      const again = (): void => {
        this.#timers.delete(peerId)
        this.dial()
      }
      this.#timers.set(peerId, clock.after(waitMs, again))
      return
    }
    this.#busy.add(peerId)
    // Counts as a failure until it has lasted.
    backoff.failed()
    const giveUp = new AbortController()
    const timer = clock.after(DIAL_MS, () => giveUp.abort())
    const signal = AbortSignal.any([this.#stopping.signal, giveUp.signal])
    network.dial(peer, this.#protocol, { signal, maxFrameBytes: LEDGER_FRAME_BYTES }).then(
      (link) => {
        timer.cancel()
        this.#busy.delete(peerId)
        if (this.#stopping.signal.aborted) link.abort('shutting down')
        else this.#events.opened(link)
      },
      (cause: unknown) => {
        timer.cancel()
        this.#busy.delete(peerId)
        if (!(cause instanceof EdgeCoderError)) throw cause
        if (this.#stopping.signal.aborted) return
        log.debug('coordinator-unreachable', { peer: peerId, code: cause.code })
        this.dial()
      },
    )
  }
}
