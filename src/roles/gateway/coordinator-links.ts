import { EdgeCoderError } from '../../core/errors.js'
import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { PeerAddress } from '../../ports/network.js'
import type { Capacity, CheckAsk, TaskState } from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { CoordinatorLink, CoordinatorSpeech } from './coordinator-link.js'
import type { GatewayStatus } from './gateway.js'
import { wait } from './wait.js'

interface Components {
  readonly clock: Clock
  readonly log: Log
  readonly admits: (peerId: string) => boolean
  /** Opens a stream, and says hello; resolves with the link or throws. */
  readonly attach: (
    peer: PeerAddress,
    speech: CoordinatorSpeech,
    signal: AbortSignal,
  ) => ReturnType<typeof CoordinatorLink.attach>
}

/** What is told of all links. */
export interface LinkEvents {
  attached(link: CoordinatorLink): void
  lost(link: CoordinatorLink): void
  state(link: CoordinatorLink, state: TaskState): void
  capacity(link: CoordinatorLink, capacity: Capacity): void
  check(link: CoordinatorLink, ask: CheckAsk): void
}

/** A link that is wanted by whoever has this. */
export interface HeldLink {
  readonly link: CoordinatorLink
  /** Wall clock of the attach. */
  readonly sinceMs: number
  readonly closed: Promise<void>
  /** It is not wanted any more; once nobody wants it, it is closed. */
  release(): Promise<void>
}

interface Open {
  readonly link: CoordinatorLink
  readonly sinceMs: number
  readonly closed: Promise<void>
  holders: number
  isTold: boolean
}

/** For what is queued to be sent when the gateway stops. */
const CLOSE_MS = 1_000

/**
 * The streams to coordinators: one each, whoever wants it. A second one would cut the first off, as a gateway
 * has one session at a coordinator.
 */
export class CoordinatorLinks {
  readonly #components: Components
  readonly #events: LinkEvents
  readonly #open = new Map<string, Open>()
  readonly #attaching = new Map<string, Promise<Open | Refusal>>()

  constructor(components: Components, events: LinkEvents) {
    this.#components = components
    this.#events = events
  }

  /** @returns undefined when none is attached */
  get(peerId: string): CoordinatorLink | undefined {
    const link = this.#open.get(peerId)?.link
    return link?.open === true ? link : undefined
  }

  *all(): IterableIterator<HeldLink['link']> {
    for (const { link } of this.#open.values()) if (link.open) yield link
  }

  /** Coordinators that are attached. */
  get attached(): GatewayStatus['coordinators'] {
    return [...this.#open.values()].map(({ link: { peerId, clockAheadMs }, sinceMs }) => {
      return { peerId, sinceMs, ...(clockAheadMs === undefined ? {} : { clockAheadMs }) }
    })
  }

  /**
   * The link to a coordinator: the one there is, or a new one.
   *
   * @param taken is called with it before anybody is told that it is attached
   * @returns undefined when it cannot be had, which was logged
   */
  async hold(
    peer: PeerAddress,
    signal: AbortSignal,
    taken: (held: HeldLink) => void = () => {},
  ): Promise<HeldLink | undefined> {
    const { log, admits } = this.#components
    const { peerId } = peer
    if (signal.aborted || !admits(peerId)) return undefined
    try {
      const open = this.#open.get(peerId) ?? (await this.#attach(peer, signal))
      if (isRefusal(open)) {
        log.warn('coordinator-refused-us', { coordinator: peerId, code: open.code, detail: open.detail })
        return undefined
      }
      if (!open.link.open) return undefined
      const held = this.#held(open)
      taken(held)
      if (!open.isTold) this.#tell(open)
      return held
    } catch (cause) {
      if (cause instanceof EdgeCoderError) {
        log.debug('coordinator-unreachable', { coordinator: peerId, code: cause.code })
      } else log.error('coordinator-attach-failed', { coordinator: peerId, error: asError(cause) })
      return undefined
    }
  }

  async stop(): Promise<void> {
    const late = new AbortController()
    const links = [...this.#open.values()].map(({ link }) => link)
    const closed = Promise.all(links.map((link) => link.close()))
    await Promise.race([closed, wait(this.#components.clock, CLOSE_MS, late.signal)])
    late.abort()
    for (const link of links) link.abort('stopping')
  }

  #tell(open: Open): void {
    open.isTold = true
    this.#components.log.info('coordinator-attached', { coordinator: open.link.peerId })
    this.#events.attached(open.link)
  }

  #held(open: Open): HeldLink {
    const { link, sinceMs, closed } = open
    let isHeld = true
    open.holders++
    const release = async (): Promise<void> => {
      if (!isHeld) return
      isHeld = false
      if (--open.holders === 0) await link.close()
    }
    return { link, sinceMs, closed, release }
  }

  #attach(peer: PeerAddress, signal: AbortSignal): Promise<Open | Refusal> {
    const before = this.#attaching.get(peer.peerId)
    if (before !== undefined) return before
    const attaching = this.#attachOnce(peer, signal).finally(() => this.#attaching.delete(peer.peerId))
    this.#attaching.set(peer.peerId, attaching)
    return attaching
  }

  async #attachOnce(peer: PeerAddress, signal: AbortSignal): Promise<Open | Refusal> {
    const { clock, log, attach } = this.#components
    const { lost, state, capacity, check } = this.#events
    const ended = Promise.withResolvers<void>()
    const closed = (link: CoordinatorLink, reason: string): void => {
      if (this.#open.get(peer.peerId)?.link === link) {
        this.#open.delete(peer.peerId)
        log.info('coordinator-lost', { coordinator: peer.peerId, reason })
        lost(link)
      }
      ended.resolve()
    }
    const link = await attach(peer, { state, capacity, check, closed }, signal)
    if (isRefusal(link)) return link
    const open = { link, sinceMs: clock.nowMs(), closed: ended.promise, holders: 0, isTold: false }
    if (link.open) this.#open.set(peer.peerId, open)
    return open
  }
}

function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause))
}
