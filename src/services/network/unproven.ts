import type { MultiaddrConnection } from '@libp2p/interface'
import { hostOf } from './addresses.js'

type Incoming = Pick<MultiaddrConnection, 'remoteAddr' | 'addEventListener'>

/**
 * Incoming connections on which nobody has proven a key yet. Each holds one of few places, and who says
 * nothing holds it until it times out: so a host gets no more of them than it leaves to all others, and
 * cannot keep them out.
 */
export class Unproven {
  readonly #most: number
  readonly #hosts = new Map<Incoming, string>()

  /** @param most at once, of all hosts */
  constructor(most: number) {
    this.#most = most
  }

  /**
   * Takes a place, which is given back when the connection is proven or closed.
   *
   * @returns false when there is none for it
   */
  admits(connection: Incoming): boolean {
    const host = hostOf(connection.remoteAddr.toString())
    let ofHost = 0
    for (const each of this.#hosts.values()) if (each === host) ofHost++
    if (ofHost >= this.#most - this.#hosts.size) return false
    this.#hosts.set(connection, host)
    connection.addEventListener('close', () => this.proven(connection))
    return true
  }

  proven(connection: Incoming): void {
    this.#hosts.delete(connection)
  }
}
