import type { Clock, Timer } from '../../ports/clock.js'
import type { Link, Network, PeerAddress } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import { frames, isMalformed } from '../../wire/frame.js'
import type { GatewayToWorker } from '../../wire/generated/edgecoder/data/v1/data_pb.js'
import { DATA_FRAME_BYTES } from '../../wire/limits.js'
import type { Delivery } from './delivery.js'
import { refusalOf } from './fault.js'
import { leaseKey } from './lease-ref.js'
import { backoffMs, deadline, pause } from './waiting.js'
import type { WorkerLimits } from './worker-limits.js'

export interface GatewayLinkComponents {
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly limits: WorkerLimits
  /** Protocol id of the data stream. */
  readonly protocol: string
}

/**
 * The one data link to a gateway, shared by all attempts for it; dialled while there are any, kept a while
 * after.
 */
export class GatewayLink {
  readonly #components: GatewayLinkComponents
  readonly #onIdle: () => void
  readonly #deliveries = new Map<string, Delivery>()
  readonly #stop = new AbortController()
  #gateway: PeerAddress
  #link: Link | undefined
  #dialling = false
  #idle: Timer | undefined

  /** @param onIdle it has closed and will not be used again */
  constructor(components: GatewayLinkComponents, gateway: PeerAddress, onIdle: () => void) {
    this.#components = components
    this.#gateway = gateway
    this.#onIdle = onIdle
  }

  /** @param addresses where the gateway was last said to be */
  join(delivery: Delivery, addresses: readonly string[]): void {
    this.#idle?.cancel()
    this.#gateway = { peerId: this.#gateway.peerId, addresses }
    this.#deliveries.set(leaseKey(delivery.run.ref), delivery)
    if (this.#link !== undefined) delivery.attached(this.#link)
    else {
      delivery.detached()
      void this.#dial()
    }
  }

  leave(delivery: Delivery): void {
    this.#deliveries.delete(leaseKey(delivery.run.ref))
    if (this.#deliveries.size > 0) return
    if (this.#link === undefined) {
      this.close()
      return
    }
    const { clock, limits } = this.#components
    this.#idle?.cancel()
    this.#idle = clock.after(limits.gatewayIdleMs, () => this.close())
  }

  /** Drops a link that does not carry; it is dialled again if it is still wanted. */
  reset(link: Link): void {
    if (link !== this.#link) return
    link.abort('no answer')
    // The connection under it is as dead: the next dial must not use it again.
    void this.#components.network.disconnect(link.peerId)
  }

  /** Sends what is queued, then closes. */
  close(): void {
    this.#idle?.cancel()
    this.#stop.abort()
    const link = this.#link
    this.#link = undefined
    void link?.close()
    this.#onIdle()
  }

  /** Dials until there is a link or nobody wants one; each attempt gives up by its own bound. */
  async #dial(): Promise<void> {
    if (this.#dialling) return
    this.#dialling = true
    const { network, clock, random, limits, protocol } = this.#components
    const { signal } = this.#stop
    for (let tries = 0; this.#deliveries.size > 0 && !signal.aborted; tries++) {
      const limit = deadline(clock, limits.attachMs, signal)
      try {
        const link = await network.dial(this.#gateway, protocol, {
          signal: limit.signal,
          maxFrameBytes: DATA_FRAME_BYTES,
        })
        this.#open(link)
        break
      } catch (error) {
        const why = refusalOf(error)
        if (why.code === 'not-admitted') {
          for (const delivery of this.#deliveries.values()) delivery.unreachable(why)
          break
        }
      } finally {
        limit.release()
      }
      await pause(clock, backoffMs(tries, limits, random), signal)
    }
    this.#dialling = false
  }

  #open(link: Link): void {
    if (this.#stop.signal.aborted) {
      link.abort('not wanted any more')
      return
    }
    this.#link = link
    link.receive({
      frame: (bytes) => this.#frame(link, bytes),
      closed: () => this.#lose(link),
    })
    for (const delivery of [...this.#deliveries.values()]) delivery.attached(link)
  }

  #lose(link: Link): void {
    if (this.#link !== link) return
    this.#link = undefined
    for (const delivery of this.#deliveries.values()) delivery.detached()
    void this.#dial()
  }

  #frame(link: Link, bytes: Uint8Array): void {
    // What was under way on a link that we left belongs to nothing any more.
    if (link !== this.#link) return
    const { network } = this.#components
    const message = frames.gatewayToWorker.decode(bytes)
    if (isMalformed(message)) {
      network.penalise(link.peerId, 'malformed-frame')
      link.abort(message.code)
      return
    }
    const lease = leaseOf(message.body)
    // Frames of attempts that ended here in the meantime are no offence.
    const offence = lease === undefined ? undefined : this.#deliveries.get(lease)?.frame(message.body)
    if (offence === undefined) return
    network.penalise(link.peerId, 'protocol-violation')
    link.abort(offence)
  }
}

function leaseOf(body: GatewayToWorker['body']): string | undefined {
  const lease = body.value?.lease
  return lease === undefined ? undefined : leaseKey(lease)
}

/** Data links by gateway: one each. */
export class GatewayLinks {
  readonly #components: GatewayLinkComponents
  readonly #links = new Map<string, GatewayLink>()

  constructor(components: GatewayLinkComponents) {
    this.#components = components
  }

  to(gateway: string): GatewayLink {
    const known = this.#links.get(gateway)
    if (known !== undefined) return known
    const made = new GatewayLink(this.#components, { peerId: gateway, addresses: [] }, () => {
      if (this.#links.get(gateway) === made) this.#links.delete(gateway)
    })
    this.#links.set(gateway, made)
    return made
  }

  close(): void {
    for (const link of [...this.#links.values()]) link.close()
  }
}
