import { EdgeCoderError } from '../../core/errors.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Link, Network, PeerAddress } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import { LEDGER_FRAME_BYTES } from '../../wire/limits.js'
import { Backoff } from './backoff.js'
import { DIAL_MS } from './constants.js'

interface Components {
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** Keeps a stream open to each coordinator whose peer id sorts after this one's; the others dial here. */
export class Dialler {
  readonly #components: Components
  readonly #protocol: string
  readonly #opened: (link: Link) => void
  readonly #backoffs = new Map<string, Backoff>()
  readonly #busy = new Set<string>()
  readonly #timers = new Map<string, Timer>()
  readonly #stopping = new AbortController()

  constructor(components: Components, protocol: string, opened: (link: Link) => void) {
    this.#components = components
    this.#protocol = protocol
    this.#opened = opened
  }

  /** @param linked whether there is a stream already */
  dial(coordinators: readonly PeerAddress[], linked: (peerId: string) => boolean): void {
    for (const peer of coordinators) {
      if (peer.peerId > this.#components.network.peerId && !linked(peer.peerId)) this.#dial(peer)
    }
  }

  /** A stream has said hello: the next time it is lost it is dialled at once. */
  held(peerId: string): void {
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
    const backoff = this.#backoffs.get(peerId) ?? new Backoff(this.#components)
    this.#backoffs.set(peerId, backoff)
    const waitMs = backoff.untilMs - clock.monotonicMs()
    if (waitMs > 0) {
      if (this.#timers.has(peerId)) return
      const again = (): void => {
        this.#timers.delete(peerId)
        this.#dial(peer)
      }
      this.#timers.set(peerId, clock.after(waitMs, again))
      return
    }
    this.#busy.add(peerId)
    // Counts as a failure until it has said hello.
    backoff.failed()
    const giveUp = new AbortController()
    const timer = clock.after(DIAL_MS, () => giveUp.abort())
    const signal = AbortSignal.any([this.#stopping.signal, giveUp.signal])
    network.dial(peer, this.#protocol, { signal, maxFrameBytes: LEDGER_FRAME_BYTES }).then(
      (link) => {
        timer.cancel()
        this.#busy.delete(peerId)
        if (this.#stopping.signal.aborted) link.abort('shutting down')
        else this.#opened(link)
      },
      (cause: unknown) => {
        timer.cancel()
        this.#busy.delete(peerId)
        if (!(cause instanceof EdgeCoderError)) throw cause
        if (this.#stopping.signal.aborted) return
        log.debug('coordinator-unreachable', { peer: peerId, code: cause.code })
        this.#dial(peer)
      },
    )
  }
}
