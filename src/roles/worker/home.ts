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
  /** Why the policy holds this worker off, as far as it is here. */
  readonly standing: () => Refusal | undefined
  /** The coordinator that made its registration token. */
  readonly issuer: string | undefined
}

/** Answers of a coordinator that a worker is not admitted by: there is no use in asking the others. */
const ENROLLING: ReadonlySet<string> = new Set(['approval-pending', 'registration-refused'])

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
  /** What the coordinator last said about the token. */
  #enrolling: Refusal | undefined
  /** The token was shown to who made it. */
  #hasShown = false
  #told = ''
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
      this.#enrolling ??
      this.#components.standing() ??
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
      if (attachment !== undefined && !isRefusal(attachment)) {
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
      const askAgainMs = isRefusal(attachment) ? attachment.retryAfterMs : undefined
      await this.#rest(askAgainMs ?? Math.min(longestMs, backoffMs(tries, limits, random)), signal)
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

  /** @returns what a coordinator says of the enrollment of this worker: no other one would take it either */
  async #findOne(signal: AbortSignal): Promise<Attachment | Refusal | undefined> {
    const { search, desk, slots, issuer } = this.#components
    const only = this.#isBound()
    const first = only || this.#hasShown ? this.#last : (issuer ?? this.#last)
    for await (const peer of search.candidates(first, signal)) {
      if (signal.aborted) return undefined
      // One link per coordinator: the one that slots are lent to has its own.
      if (peer.peerId === slots.lentTo || desk.attachmentTo(peer.peerId) !== undefined) continue
      if (only && peer.peerId !== first) break
      const attachment = await this.#tryOne(peer, signal)
      if (!isRefusal(attachment) || ENROLLING.has(attachment.code)) return attachment
    }
    return undefined
  }

  async #tryOne(peer: PeerAddress, signal: AbortSignal): Promise<Attachment | Refusal> {
    const { attach, slots, search, desk, log, issuer } = this.#components
    slots.belongTo(peer.peerId)
    const attachment = await attach(peer, signal)
    if (isRefusal(attachment)) {
      slots.belongTo(undefined)
      this.#why = withNext(peer.peerId, attachment)
      if (ENROLLING.has(attachment.code)) this.#waits(this.#why)
      log.debug('attach-failed', {
        coordinator: peer.peerId,
        code: attachment.code,
        detail: attachment.detail,
      })
      return attachment
    }
    this.#attachment = attachment
    this.#last = peer.peerId
    this.#enrolling = undefined
    if (peer.peerId === issuer) this.#hasShown = true
    search.learn(peer)
    desk.tellOffers()
    return attachment
  }

  /** Said once, and not each time that it is asked again. */
  #waits(why: Refusal): void {
    const { log } = this.#components
    if (this.#told !== why.detail) log.warn(why.code, { detail: why.detail, next: why.next })
    this.#told = why.detail
    this.#enrolling = why
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
