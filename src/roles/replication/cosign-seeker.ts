import { EdgeCoderError } from '../../core/errors.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import { openCheckpoint, type SignedCheckpoint, withSignatures } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import type { CosignAnswer } from '../../wire/generated/edgecoder/ledger/v1/replication_pb.js'
import type { NoteSignature } from '../../wire/note.js'
import type { NoteKey } from '../../wire/note-key.js'
import { COSIGN_MS, LEAST_BACKOFF_MS, LEAST_ROUND_MS, MOST_BACKOFF_MS, ROUND_MS } from './constants.js'
import type { CoordinatorLink } from './coordinator-link.js'
import { type HeldLog, sizeOf } from './held-log.js'

/** A cosignature says the second that it was made in, and so on average its middle. */
const HALF_SECOND_MS = 500

interface Components {
  readonly clock: Clock
  readonly log: Log
}

/** What comes of asking for cosignatures. */
export interface SeekerEvents {
  links(): Iterable<CoordinatorLink>
  /** The key that a coordinator cosigns with. */
  cosigner(peerId: string): NoteKey | undefined
  /** How many must have cosigned, the own signature among them. */
  quorum(): number
  /** The note that proves it, with the own signature and enough of others. */
  final(note: Uint8Array, checkpoint: SignedCheckpoint): void
  /** Somebody shows a checkpoint that it has cosigned instead; nothing of it is checked. */
  shown(note: Uint8Array): void
}

/** One checkpoint that is offered to everybody. */
interface Round {
  readonly checkpoint: SignedCheckpoint
  readonly note: Uint8Array
  readonly lines: Map<string, NoteSignature>
  readonly startedMs: number
  final: boolean
}

interface Asked {
  readonly ask: number
  readonly round: Round
  readonly oldSize: number
  readonly timer: Timer
}

/**
 * Offers the checkpoints of the own log to the others. All are asked for the same one, so that their
 * cosignatures stand in one note that proves it to anybody; the next is the latest there is soon after enough
 * have cosigned, or when a second has passed.
 */
export class CosignSeeker {
  readonly #components: Components
  readonly #own: HeldLog
  readonly #events: SeekerEvents
  /** What each has cosigned, as far as is known here. */
  readonly #sizes = new Map<string, number>()
  readonly #asked = new Map<string, Asked>()
  readonly #clocksMs = new Map<string, number>()
  #round: Round | undefined
  #beginning = false
  #timer: Timer | undefined
  #stopped = false

  constructor(components: Components, own: HeldLog, events: SeekerEvents) {
    this.#components = components
    this.#own = own
    this.#events = events
  }

  cosignedBy(peerId: string): number {
    return this.#sizes.get(peerId) ?? 0
  }

  /** How far another's clock is ahead of ours, by its newest cosignature, to a second; undefined = it gave none. */
  clockAheadMs(peerId: string): number | undefined {
    return this.#clocksMs.get(peerId)
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    for (const { timer } of this.#asked.values()) timer.cancel()
    this.#asked.clear()
  }

  /** The own log is longer. */
  grown(): void {
    if (this.#stopped || this.#beginning || sizeOf(this.#own) <= (this.#round?.checkpoint.size ?? 0)) return
    const { clock } = this.#components
    const waitMs = this.#dueMs - clock.monotonicMs()
    this.#timer?.cancel()
    if (waitMs > 0) this.#timer = clock.after(waitMs, () => this.grown())
    else void this.#begin()
  }

  opened(link: CoordinatorLink): void {
    this.#ask(link)
  }

  gone(link: CoordinatorLink): void {
    this.#asked.get(link.peerId)?.timer.cancel()
    this.#asked.delete(link.peerId)
  }

  async answered(link: CoordinatorLink, { ask, outcome }: CosignAnswer): Promise<void> {
    const asked = this.#asked.get(link.peerId)
    // Late, or twice.
    if (asked?.ask !== ask) return
    asked.timer.cancel()
    if (outcome.case === 'cosignature') await this.#cosigned(link, asked, outcome.value)
    else if (outcome.case === 'cosignedSize') this.#stale(link, asked, Number(outcome.value))
    else {
      if (outcome.case === 'conflict') this.#events.shown(outcome.value)
      const why = outcome.case === 'why' ? outcome.value : undefined
      const { code = 'log-forked', detail = '', retryAfterMs = 0 } = why ?? {}
      this.#components.log.warn('not-cosigned', { peer: link.peerId, code, detail })
      this.#later(link, code === 'cancelled' ? LEAST_BACKOFF_MS : retryAfterMs || MOST_BACKOFF_MS)
    }
  }

  /** When the next checkpoint may be offered. */
  get #dueMs(): number {
    const round = this.#round
    if (round === undefined) return 0
    return round.startedMs + (round.final ? LEAST_ROUND_MS : ROUND_MS)
  }

  async #begin(): Promise<void> {
    const { head, key } = this.#own
    if (head === undefined) return
    this.#beginning = true
    const checkpoint = await openCheckpoint(head.note, key, [])
    this.#beginning = false
    if (isMalformed(checkpoint) || this.#stopped) return
    const startedMs = this.#components.clock.monotonicMs()
    this.#round = { checkpoint, note: head.note, lines: new Map(), startedMs, final: false }
    for (const link of this.#events.links()) this.#ask(link)
    this.#settle(this.#round)
  }

  #ask(link: CoordinatorLink): void {
    const round = this.#round
    if (round === undefined || this.#stopped || this.#asked.has(link.peerId)) return
    if (round.lines.has(link.peerId)) return
    const oldSize = Math.min(this.cosignedBy(link.peerId), round.checkpoint.size)
    const ask = link.nextAsk()
    const timer = this.#components.clock.after(COSIGN_MS, () => this.#later(link, 0))
    this.#asked.set(link.peerId, { ask, round, oldSize, timer })
    this.#own.reader.consistency(oldSize, round.checkpoint.size).then(
      (proof) => {
        const value = { ask, oldSize: BigInt(oldSize), checkpoint: round.note, proof: [...proof] }
        if (this.#asked.get(link.peerId)?.ask === ask) link.say({ case: 'cosignAsk', value })
      },
      (cause: unknown) => {
        if (!(cause instanceof EdgeCoderError)) throw cause
        this.#components.log.error('proof-unreadable', { error: cause })
        this.#later(link, MOST_BACKOFF_MS)
      },
    )
  }

  async #cosigned(link: CoordinatorLink, asked: Asked, signature: Uint8Array): Promise<void> {
    const { round } = asked
    const { checkpoint, lines } = round
    const key = this.#events.cosigner(link.peerId)
    if (key === undefined) {
      this.#later(link, MOST_BACKOFF_MS)
      return
    }
    const line = { name: key.name, keyId: key.keyId, signature }
    const opened = await openCheckpoint(withSignatures(checkpoint, [line]), this.#own.key, [key])
    if (isMalformed(opened) || opened.cosigners.length === 0) {
      link.offend('bad-signature', 'a cosignature that does not hold')
      return
    }
    const signedMs = (opened.cosigners[0]?.timeS ?? 0) * 1_000 + HALF_SECOND_MS
    this.#clocksMs.set(link.peerId, signedMs - this.#components.clock.nowMs())
    this.#sizes.set(link.peerId, Math.max(this.cosignedBy(link.peerId), checkpoint.size))
    lines.set(link.peerId, line)
    // The link may have closed meanwhile, and who came back over another been asked anew.
    const isLast = this.#asked.get(link.peerId) === asked
    if (isLast) this.#asked.delete(link.peerId)
    this.#settle(round)
    if (isLast) this.#ask(link)
  }

  /** Somebody has cosigned another size than was thought here. */
  #stale(link: CoordinatorLink, { round, oldSize }: Asked, size: number): void {
    this.#sizes.set(link.peerId, size)
    // The same answer again, or a size past this round: it can do no more for this round.
    if (size === oldSize || size > round.checkpoint.size) this.#later(link, MOST_BACKOFF_MS)
    else {
      this.#asked.delete(link.peerId)
      this.#ask(link)
    }
  }

  /** Asks again after a while; until then nothing is asked of it. */
  #later(link: CoordinatorLink, waitMs: number): void {
    const asked = this.#asked.get(link.peerId)
    if (asked === undefined || this.#stopped) return
    asked.timer.cancel()
    const timer = this.#components.clock.after(waitMs, () => {
      this.#asked.delete(link.peerId)
      this.#ask(link)
    })
    this.#asked.set(link.peerId, { ...asked, ask: 0, timer })
  }

  #settle(round: Round): void {
    if (round.final || round.lines.size + 1 < this.#events.quorum()) return
    round.final = true
    this.#events.final(withSignatures(round.checkpoint, [...round.lines.values()]), round.checkpoint)
    this.grown()
  }
}
