import type { Connection } from '@libp2p/interface'
import type { Clock, Timer } from '../../ports/clock.js'
import { hostOf } from './addresses.js'
import { GUEST_LOOK_MS, GUEST_MS, GUESTS, GUESTS_PER_HOST } from './bounds.js'

/** Who may connect though they are no members, and what for. */
export interface GuestRules {
  admits(peerId: string): boolean
  /** Protocols of the roles that they may speak; others are reset. */
  readonly protocols: readonly string[]
}

interface Components {
  readonly clock: Clock
  isMember(peerId: string): boolean
}

interface Visit {
  readonly sinceMs: number
  readonly host: string
}

/**
 * Connections of peers that are no members. There are few, of one host fewer, they last for a short time, and
 * libp2p treats them as relayed ones: DHT and gossip do not run on them.
 */
export class GuestBook {
  readonly #components: Components
  readonly #rules: GuestRules
  readonly #visits = new Map<Connection, Visit>()
  #timer: Timer | undefined

  constructor(components: Components, rules: GuestRules) {
    this.#components = components
    this.#rules = rules
  }

  start(): void {
    this.#timer = this.#components.clock.every(GUEST_LOOK_MS, () => this.#look())
  }

  stop(): void {
    this.#timer?.cancel()
  }

  /** May a peer that is no member come in now? @param address multiaddr that it comes from */
  admits(peerId: string, address: string): boolean {
    if (this.#isFull(hostOf(address))) return false
    // A second connection of one guest takes nothing that the first one has not.
    const isHere = [...this.#visits.keys()].some(({ remotePeer }) => remotePeer.toString() === peerId)
    return !isHere && this.#rules.admits(peerId)
  }

  opened(connection: Connection): void {
    const { clock, isMember } = this.#components
    if (connection.direction !== 'inbound' || isMember(connection.remotePeer.toString())) return
    const host = hostOf(connection.remoteAddr.toString())
    // Several may have been let in while none of them had opened.
    if (this.#isFull(host)) {
      connection.abort(new Error('too many guests'))
      return
    }
    // What libp2p asks before it runs a protocol that was not meant for such connections.
    connection.limits = {}
    this.#visits.set(connection, { sinceMs: clock.monotonicMs(), host })
    connection.addEventListener('close', () => this.#visits.delete(connection))
  }

  /** May this be spoken on this connection? */
  allows(connection: Connection, protocol: string): boolean {
    return !this.#visits.has(connection) || this.#rules.protocols.includes(protocol)
  }

  /** Who has many keys and one address must not keep others from enrolling. */
  #isFull(host: string): boolean {
    if (this.#visits.size >= GUESTS) return true
    let ofHost = 0
    for (const visit of this.#visits.values()) if (visit.host === host) ofHost++
    return ofHost >= GUESTS_PER_HOST
  }

  #look(): void {
    const { clock, isMember } = this.#components
    const nowMs = clock.monotonicMs()
    for (const [connection, { sinceMs }] of this.#visits) {
      // One that was admitted meanwhile comes back, and is a guest no more.
      if (nowMs - sinceMs < GUEST_MS && !isMember(connection.remotePeer.toString())) continue
      this.#visits.delete(connection)
      connection.abort(new Error('the visit is over'))
    }
  }
}
