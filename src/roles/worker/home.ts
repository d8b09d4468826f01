import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { PeerAddress } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import type { Attachment } from './attachment.js'
import type { CoordinatorSearch } from './coordinator-search.js'
import type { LeaseDesk } from './lease-desk.js'
import type { SlotBook } from './slot-book.js'
import { backoffMs, pause } from './waiting.js'
import type { WorkerLimits } from './worker-limits.js'

export interface HomeComponents {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits: WorkerLimits
  readonly slots: SlotBook
  readonly desk: LeaseDesk
  readonly search: CoordinatorSearch
  readonly attach: (coordinator: PeerAddress, signal: AbortSignal) => Promise<Attachment | Refusal>
}

/** An attachment that lived this long was a good one: the next try starts without delay. */
const GOOD_MS = 10_000

/**
 * Keeps this worker attached to one coordinator. A lost one is tried first, and alone while attempts of its
 * leases run here: it may only be restarting. Then any other, known or found.
 */
export class Home {
  readonly #components: HomeComponents
  #attachment: Attachment | undefined
  #last: string | undefined
  #why: Refusal | undefined
  #hint = new AbortController()

  constructor(components: HomeComponents) {
    this.#components = components
  }

  get attachment(): Attachment | undefined {
    return this.#attachment
  }

  /** Why there is no attachment now. */
  get why(): Refusal {
    return (
      this.#why ??
      refusal('no-coordinator', 'no coordinator was found yet', {
        next: 'check that a coordinator runs, and that the network file or the bootstrap list names it',
      })
    )
  }

  /** A coordinator was just heard of: try again now. */
  lookAgain(): void {
    if (this.#attachment === undefined) this.#hint.abort()
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, limits, log } = this.#components
    signal.addEventListener('abort', () => this.#hint.abort(), { once: true })
    for (let tries = 0; !signal.aborted; tries++) {
      const attachment = await this.#findOne(signal)
      if (attachment !== undefined) {
        const sinceMs = clock.monotonicMs()
        this.#why = await attachment.closed
        this.#attachment = undefined
        this.#components.slots.belongTo(undefined)
        if (signal.aborted) return
        log.warn('coordinator-lost', {
          coordinator: attachment.peerId,
          code: this.#why.code,
          detail: this.#why.detail,
        })
        if (clock.monotonicMs() - sinceMs >= GOOD_MS) tries = 0
      }
      const longestMs = this.#isBound() ? limits.backoffBoundMs : limits.backoffLastMs
      await this.#rest(Math.min(longestMs, backoffMs(tries, limits, random)), signal)
    }
  }

  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    this.#hint = new AbortController()
    if (signal.aborted) return
    await pause(this.#components.clock, ms, this.#hint.signal)
  }

  /** Does something of the last coordinator still run here, or wait for it? */
  #isBound(): boolean {
    return this.#last !== undefined && this.#components.desk.isBoundTo(this.#last)
  }

  async #findOne(signal: AbortSignal): Promise<Attachment | undefined> {
    const { search, desk, slots } = this.#components
    const last = this.#last
    const only = this.#isBound()
    for await (const peer of search.candidates(last, signal)) {
      if (signal.aborted) return undefined
      // One link per coordinator: the one that slots are lent to has its own.
      if (peer.peerId === slots.lentTo || desk.attachmentTo(peer.peerId) !== undefined) continue
      if (only && peer.peerId !== last) break
      const attachment = await this.#tryOne(peer, signal)
      if (attachment !== undefined) return attachment
    }
    return undefined
  }

  async #tryOne(peer: PeerAddress, signal: AbortSignal): Promise<Attachment | undefined> {
    const { attach, slots, search, desk, log } = this.#components
    slots.belongTo(peer.peerId)
    const attachment = await attach(peer, signal)
    if (isRefusal(attachment)) {
      slots.belongTo(undefined)
      this.#why = withNext(peer.peerId, attachment)
      log.debug('attach-failed', {
        coordinator: peer.peerId,
        code: attachment.code,
        detail: attachment.detail,
      })
      return undefined
    }
    this.#attachment = attachment
    this.#last = peer.peerId
    search.learn(peer)
    desk.tellOffers()
    return attachment
  }
}

/** Says which coordinator it was, and what its owner or ours may do. */
function withNext(peerId: string, why: Refusal): Refusal {
  const next =
    why.next ??
    (why.code === 'not-admitted'
      ? 'ask the operator of the network to list this worker'
      : 'check that the coordinator runs and can be reached from here')
  return { ...why, detail: `coordinator ${peerId}: ${why.detail}`, next }
}
