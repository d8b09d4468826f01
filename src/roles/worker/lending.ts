import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { PeerAddress } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import type { Announcement } from '../../wire/generated/edgecoder/gossip/v1/announcement_pb.js'
import type { Attachment } from './attachment.js'
import { canDo, type Means } from './capabilities.js'
import type { Home } from './home.js'
import type { LeaseDesk } from './lease-desk.js'
import type { SlotBook } from './slot-book.js'
import { backoffMs, pause } from './waiting.js'
import type { WorkerLimits } from './worker-limits.js'

export interface LendingComponents {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits: WorkerLimits
  readonly slots: SlotBook
  readonly desk: LeaseDesk
  readonly home: Home
  readonly means: Means
  readonly attach: (coordinator: PeerAddress, signal: AbortSignal) => Promise<Attachment | Refusal>
}

/** Of the time before a coordinator is lent to again, when it had no work for a worker that came. */
const MOST_DOUBLINGS = 4

/**
 * Lends the free slots to another coordinator that announced work this worker can do, and brings them home
 * when no more comes. One coordinator at a time; meanwhile home is offered none.
 */
export class Lending {
  readonly #components: LendingComponents
  readonly #signal: AbortSignal
  /** When each coordinator may be lent to again, and how often in a row it had no work after all. */
  readonly #visited = new Map<string, { readonly notBeforeMs: number; readonly vain: number }>()
  #going = false

  /** @param signal ends all lending */
  constructor(components: LendingComponents, signal: AbortSignal) {
    this.#components = components
    this.#signal = signal
  }

  /** Takes an announcement in; goes there when that makes sense. */
  consider(coordinator: string, announcement: Announcement): void {
    if (this.#going || !this.#mayLendTo(coordinator)) return
    const { means } = this.#components
    if (!announcement.waiting.some((waiting) => canDo(means, waiting))) return
    this.#going = true
    void this.#lend({ peerId: coordinator, addresses: announcement.addresses }).finally(() => {
      this.#going = false
    })
  }

  #mayLendTo(coordinator: string): boolean {
    const { slots, home, clock } = this.#components
    if (this.#signal.aborted || slots.free === 0) return false
    if (home.attachment === undefined || home.attachment.peerId === coordinator) return false
    return (this.#visited.get(coordinator)?.notBeforeMs ?? 0) <= clock.monotonicMs()
  }

  async #lend(coordinator: PeerAddress): Promise<void> {
    const { clock, random, limits, slots, desk, attach, log } = this.#components
    await pause(clock, random.fraction() * limits.announcementJitterMs, this.#signal)
    if (!this.#mayLendTo(coordinator.peerId)) return
    slots.lend(coordinator.peerId)
    // Home must know before the other can: never is a slot offered twice.
    desk.tellOffers()
    const attachment = await attach(coordinator, this.#signal)
    let hadWork = false
    if (isRefusal(attachment)) {
      log.debug('lend-failed', {
        coordinator: coordinator.peerId,
        code: attachment.code,
        detail: attachment.detail,
      })
    } else {
      log.info('lent', { coordinator: coordinator.peerId, slots: attachment.offered })
      hadWork = await this.#workedOut(attachment)
    }
    this.#bringHome(coordinator.peerId, hadWork)
    if (!isRefusal(attachment)) await this.#settle(attachment)
  }

  /** Resolves when no work came for a while, or the link is gone. @returns whether any came */
  async #workedOut(attachment: Attachment): Promise<boolean> {
    const { clock, limits, desk } = this.#components
    const sinceMs = clock.monotonicMs()
    const gone = goneSignal(attachment)
    for (;;) {
      const workMs = desk.lastWorkMs(attachment.peerId) ?? 0
      const lastMs = Math.max(sinceMs, workMs)
      const leftMs = desk.isBoundTo(attachment.peerId)
        ? limits.lingerMs
        : lastMs + limits.lingerMs - clock.monotonicMs()
      if (gone.aborted || leftMs <= 0) return workMs >= sinceMs
      await pause(clock, leftMs, gone)
    }
  }

  /** What waits there may suit others only: who goes in vain goes less and less often. */
  #bringHome(coordinator: string, hadWork: boolean): void {
    const { clock, limits, slots, desk } = this.#components
    const nowMs = clock.monotonicMs()
    const vain = hadWork ? 0 : (this.#visited.get(coordinator)?.vain ?? 0) + 1
    const againMs = limits.lendAgainMs * 2 ** Math.min(Math.max(0, vain - 1), MOST_DOUBLINGS)
    for (const [peerId, { notBeforeMs }] of this.#visited)
      if (notBeforeMs + limits.lendAgainMs * 2 ** MOST_DOUBLINGS <= nowMs) this.#visited.delete(peerId)
    this.#visited.set(coordinator, { notBeforeMs: nowMs + againMs, vain })
    slots.bringHome()
    desk.tellOffers()
  }

  /**
   * Ends the visit: what was leased there is seen through, over new links if need be; then the link closes.
   * The short wait lets a lease that was under way arrive, to be run or declined rather than lost.
   */
  async #settle(attachment: Attachment): Promise<void> {
    const { clock, random, limits, desk, attach } = this.#components
    const { coordinator, peerId } = attachment
    for (let tries = 0; !this.#signal.aborted; tries++) {
      const link = desk.attachmentTo(peerId)
      const bound = desk.isBoundTo(peerId)
      if (link !== undefined) {
        await pause(clock, attachment.graceMs, goneSignal(link))
        if (!bound && !desk.isBoundTo(peerId)) break
      } else {
        if (!bound) return
        await pause(clock, backoffMs(tries, limits, random), this.#signal)
        await attach(coordinator, this.#signal)
      }
    }
    desk.attachmentTo(peerId)?.leave()
  }
}

/** Aborts when the attachment is closed, as it also is when the worker stops. */
function goneSignal(attachment: Attachment): AbortSignal {
  const gone = new AbortController()
  void attachment.closed.then(() => gone.abort())
  return gone.signal
}
