import { EdgeCoderError } from '../../core/errors.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Link, Network, PeerAddress } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import { POLICY_FRAME_BYTES } from '../../wire/limits.js'
import { Backoff } from '../replication/backoff.js'
import { BACKOFFS_KEPT, DIAL_MS } from './constants.js'

interface Components {
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** Opens streams to peers that serve policy: those that are connected first, else whichever chance names. */
export class PolicyDialler {
  readonly #components: Components
  readonly #protocol: string
  readonly #opened: (link: Link) => void
  readonly #backoffs = new Map<string, Backoff>()
  readonly #busy = new Set<string>()
  readonly #stopping = new AbortController()

  constructor(components: Components, protocol: string, opened: (link: Link) => void) {
    this.#components = components
    this.#protocol = protocol
    this.#opened = opened
  }

  /** Dials so many more of these, as far as they are not being dialled and have not just failed. */
  dial(peers: readonly PeerAddress[], wanted: number): void {
    const { network, clock, random } = this.#components
    const nowMs = clock.monotonicMs()
    const connected = new Set(network.peers().map(({ peerId }) => peerId))
    const able = peers
      .filter(({ peerId }) => !this.#busy.has(peerId) && (this.#backoffs.get(peerId)?.untilMs ?? 0) <= nowMs)
      .map((peer) => ({ peer, rank: random.fraction() + (connected.has(peer.peerId) ? 0 : 1) }))
      .toSorted((a, b) => a.rank - b.rank)
    for (const { peer } of able.slice(0, Math.max(0, wanted - this.#busy.size))) void this.#dial(peer)
  }

  /** A stream was of use: the peer may be dialled again at once. */
  held(peerId: string): void {
    this.#backoffs.get(peerId)?.succeeded()
  }

  stop(): void {
    this.#stopping.abort()
  }

  async #dial(peer: PeerAddress): Promise<void> {
    const { network, clock, log } = this.#components
    const { peerId } = peer
    this.#busy.add(peerId)
    // Counts as a failure until the peer has said something.
    this.#backoff(peerId).failed()
    const giveUp = new AbortController()
    const timer = clock.after(DIAL_MS, () => giveUp.abort())
    const signal = AbortSignal.any([this.#stopping.signal, giveUp.signal])
    try {
      const link = await network.dial(peer, this.#protocol, { signal, maxFrameBytes: POLICY_FRAME_BYTES })
      if (this.#stopping.signal.aborted) link.abort('shutting down')
      else this.#opened(link)
    } catch (cause) {
      if (!(cause instanceof EdgeCoderError)) throw cause
      if (!this.#stopping.signal.aborted)
        log.debug('policy-peer-unreachable', { peer: peerId, code: cause.code })
    } finally {
      timer.cancel()
      this.#busy.delete(peerId)
    }
  }

  #backoff(peerId: string): Backoff {
    const backoff = this.#backoffs.get(peerId) ?? new Backoff(this.#components)
    this.#backoffs.delete(peerId)
    this.#backoffs.set(peerId, backoff)
    const [oldest] = this.#backoffs.keys()
    if (this.#backoffs.size > BACKOFFS_KEPT && oldest !== undefined) this.#backoffs.delete(oldest)
    return backoff
  }
}
