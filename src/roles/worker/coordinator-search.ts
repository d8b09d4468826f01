import { admits, type PolicyView } from '../../core/policy/policy-view.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Network, PeerAddress } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import { refusalOf } from './fault.js'
import { deadline } from './waiting.js'
import type { WorkerLimits } from './worker-limits.js'

export interface CoordinatorSearchComponents {
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits: WorkerLimits
  readonly policy: () => PolicyView
  /** What coordinators provide in the DHT. */
  readonly rendezvous: string
  /** Called with all that are known when one was added or moved. */
  readonly remember: (known: readonly PeerAddress[]) => void
}

/** Coordinators this worker knows of, and the search for others. */
export class CoordinatorSearch {
  readonly #components: CoordinatorSearchComponents
  readonly #known = new Map<string, PeerAddress>()

  constructor(components: CoordinatorSearchComponents, known: readonly PeerAddress[]) {
    this.#components = components
    for (const peer of known.slice(0, components.limits.coordinators)) this.#known.set(peer.peerId, peer)
  }

  /**
   * Those to try, in order: `first`, then the known ones by chance (so that workers spread), then what the
   * DHT finds. Only ones that the policy admits as coordinators; nobody twice.
   */
  async *candidates(first: string | undefined, signal: AbortSignal): AsyncIterable<PeerAddress> {
    const tried = new Set<string>()
    const known = [...this.#known.values()]
    const last = known.filter((peer) => peer.peerId === first)
    for (const peer of [...last, ...shuffled(known, this.#components.random)]) {
      if (tried.has(peer.peerId) || !this.admits(peer.peerId)) continue
      tried.add(peer.peerId)
      yield peer
    }
    for await (const peer of this.#found(signal)) {
      if (tried.has(peer.peerId) || !this.admits(peer.peerId)) continue
      tried.add(peer.peerId)
      yield peer
    }
  }

  admits(peerId: string): boolean {
    return admits(this.#components.policy(), { peerId, role: 'coordinator' }) === undefined
  }

  /**
   * Notes that a coordinator is, or was just said to be, at these addresses. Past the bound the oldest is
   * forgotten.
   */
  learn(peer: PeerAddress): void {
    const before = this.#known.get(peer.peerId)
    if (before !== undefined && sameAddresses(before, peer)) return
    this.#known.delete(peer.peerId)
    this.#known.set(peer.peerId, peer)
    const [oldest] = this.#known.keys()
    if (this.#known.size > this.#components.limits.coordinators && oldest !== undefined)
      this.#known.delete(oldest)
    this.#components.remember([...this.#known.values()])
  }

  async *#found(signal: AbortSignal): AsyncIterable<PeerAddress> {
    const { network, clock, limits, rendezvous, log } = this.#components
    if (signal.aborted) return
    const limit = deadline(clock, limits.searchMs, signal)
    let found = 0
    try {
      for await (const peer of network.findProviders(rendezvous, limit.signal)) {
        if (peer.peerId !== network.peerId) yield peer
        if (++found >= limits.searchResults) return
      }
    } catch (error) {
      log.debug('search-failed', { code: refusalOf(error).code })
    } finally {
      limit.release()
    }
  }
}

function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  return items
    .map((item) => ({ item, order: random.fraction() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item)
}

function sameAddresses(a: PeerAddress, b: PeerAddress): boolean {
  return a.addresses.length === b.addresses.length && a.addresses.every((each, i) => each === b.addresses[i])
}
