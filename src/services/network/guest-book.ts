import type { Connection } from '@libp2p/interface'
import type { Clock, Timer } from '../../ports/clock.js'
import { GUEST_LOOK_MS, GUEST_MS, GUESTS } from './bounds.js'

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

/**
 * Connections of peers that are no members. There are few, they last for a short time, and libp2p treats them
 * as relayed ones: DHT and gossip do not run on them.
 */
export class GuestBook {
  readonly #components: Components
  readonly #rules: GuestRules
  readonly #sinceMs = new Map<Connection, number>()
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

  /** May a peer that is no member come in now? */
  admits(peerId: string): boolean {
    if (this.#sinceMs.size >= GUESTS) return false
    // A second connection of one guest takes nothing that the first one has not.
    const isHere = [...this.#sinceMs.keys()].some(({ remotePeer }) => remotePeer.toString() === peerId)
    return !isHere && this.#rules.admits(peerId)
  }

  opened(connection: Connection): void {
    const { clock, isMember } = this.#components
    if (connection.direction !== 'inbound' || isMember(connection.remotePeer.toString())) return
    // Several may have been let in while none of them had opened.
    if (this.#sinceMs.size >= GUESTS) {
      connection.abort(new Error('too many guests'))
      return
    }
    // What libp2p asks before it runs a protocol that was not meant for such connections.
    connection.limits = {}
    this.#sinceMs.set(connection, clock.monotonicMs())
    connection.addEventListener('close', () => this.#sinceMs.delete(connection))
  }

  /** May this be spoken on this connection? */
  allows(connection: Connection, protocol: string): boolean {
    return !this.#sinceMs.has(connection) || this.#rules.protocols.includes(protocol)
  }

  #look(): void {
    const { clock, isMember } = this.#components
    const nowMs = clock.monotonicMs()
    for (const [connection, sinceMs] of this.#sinceMs) {
      // One that was admitted meanwhile comes back, and is a guest no more.
      if (nowMs - sinceMs < GUEST_MS && !isMember(connection.remotePeer.toString())) continue
      this.#sinceMs.delete(connection)
      connection.abort(new Error('the visit is over'))
    }
  }
}
