import { EdgeCoderError } from '../../core/errors.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import { openCheckpoint, type SignedCheckpoint } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import type { SealAnswer } from '../../wire/generated/edgecoder/ledger/v1/replication_pb.js'
import type { NoteKey } from '../../wire/note-key.js'
import type { LogCut } from '../ledger/log-line.js'
import { SEAL_GRACE_MS, SEAL_MS, SEAL_RETRY_MS } from './constants.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { LineSeals, SealsOf } from './line-cut.js'
import type { KnownLog } from './log-name.js'

interface Components {
  readonly clock: Clock
  readonly log: Log
  /** Peer id of this coordinator. */
  readonly self: string
}

/** What a seeker of seals asks, and tells. */
export interface SealEvents {
  links(): Iterable<CoordinatorLink>
  /** Logs of earlier epochs, the latest first. */
  earlier(): readonly KnownLog[]
  /** The key that a coordinator cosigns with. */
  cosigner(peerId: string): NoteKey | undefined
  /** Seals of this coordinator itself; or why they are not known yet. */
  own(): Promise<SealsOf | Refusal>
  /** Where these seals cut the line of logs; or why they are not enough. */
  cut(seals: LineSeals): Promise<LogCut | Refusal>
  found(cut: LogCut): void
  /** Others hold entries of the very log: it was begun here before, and is here no more. */
  begun(): void
}

interface Asked {
  readonly ask: number
  readonly timer: Timer
}

/**
 * Asks all coordinators what they cosigned last of a home's logs, until enough of each group that could
 * have made something final has said so. What policy names this coordinator to begin goes on from the
 * largest.
 */
export class SealSeeker {
  readonly #components: Components
  readonly #log: KnownLog
  readonly #events: SealEvents
  readonly #answers = new Map<string, SealsOf>()
  readonly #asked = new Map<string, Asked>()
  #cut: LogCut | Refusal = refusal('not-final', 'no coordinator has said yet what it cosigned last')
  #enoughMs: number | undefined
  #begun = 0
  #looking = false
  #again = false
  #timer: Timer | undefined
  #stopped = false

  /** @param log that is to be begun here */
  constructor(components: Components, log: KnownLog, events: SealEvents) {
    this.#components = components
    this.#log = log
    this.#events = events
  }

  /** What the log goes on from, or why that is not known yet. */
  get cut(): LogCut | Refusal {
    return this.#cut
  }

  /** What others hold of the log has to be fetched, and it is not to be begun again. */
  get wasBegun(): boolean {
    return this.#begun > 0 && !('size' in this.#cut)
  }

  start(): void {
    for (const link of this.#events.links()) this.opened(link)
    this.look()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    for (const { timer } of this.#asked.values()) timer.cancel()
    this.#asked.clear()
  }

  opened(link: CoordinatorLink): void {
    if (this.#stopped || 'size' in this.#cut) return
    this.#asked.get(link.peerId)?.timer.cancel()
    const ask = link.nextAsk()
    const timer = this.#components.clock.after(SEAL_MS, () => this.opened(link))
    this.#asked.set(link.peerId, { ask, timer })
    link.say({ case: 'sealAsk', value: { ask, origin: this.#log.origin } })
  }

  gone(link: CoordinatorLink): void {
    this.#asked.get(link.peerId)?.timer.cancel()
    this.#asked.delete(link.peerId)
  }

  async answered(link: CoordinatorLink, answer: SealAnswer): Promise<void> {
    const asked = this.#asked.get(link.peerId)
    // Late, or twice.
    if (asked?.ask !== answer.ask || this.#stopped) return
    asked.timer.cancel()
    if (answer.why !== undefined) {
      const { code, detail, retryAfterMs } = answer.why
      this.#components.log.info('seal-not-given', {
        peer: link.peerId,
        origin: this.#log.origin,
        code,
        detail,
      })
      const timer = this.#components.clock.after(retryAfterMs || SEAL_MS, () => this.opened(link))
      this.#asked.set(link.peerId, { ask: 0, timer })
      return
    }
    const seals = await this.#open(link, answer)
    if (seals === undefined || this.#stopped) return
    this.#asked.delete(link.peerId)
    this.#answers.set(link.peerId, seals)
    this.look()
  }

  /** Something is different: an answer, more entries of an earlier log, a moment that was waited for. */
  look(): void {
    if (this.#stopped || 'size' in this.#cut) return
    this.#again = true
    if (this.#looking) return
    this.#looking = true
    void this.#look()
  }

  async #look(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false
      try {
        this.#cut = await this.#decide()
      } catch (cause) {
        if (!(cause instanceof EdgeCoderError)) throw cause
        this.#components.log.error('cut-not-found', { origin: this.#log.origin, error: cause })
        this.#cut = refusal(cause.code, cause.message)
      }
      if ('size' in this.#cut) {
        this.#events.found(this.#cut)
        break
      }
    }
    this.#looking = false
    if (this.#stopped || 'size' in this.#cut) return
    this.#timer?.cancel()
    this.#timer = this.#components.clock.after(SEAL_RETRY_MS, () => this.look())
  }

  async #decide(): Promise<LogCut | Refusal> {
    if (this.#begun > 0) {
      const detail = `${this.#log.origin} was begun already: others hold ${this.#begun} entries of it`
      return refusal('log-unconfirmed', detail, { next: 'They are fetched; then it is gone on with.' })
    }
    const own = await this.#events.own()
    if ('refused' in own) return own
    const seals = new Map(this.#answers)
    seals.set(this.#components.self, own)
    const cut = await this.#events.cut(seals)
    if ('refused' in cut) {
      this.#enoughMs = undefined
      return cut
    }
    return this.#waitsFor(cut)
  }

  #waitsFor(cut: LogCut): LogCut | Refusal {
    const nowMs = this.#components.clock.monotonicMs()
    this.#enoughMs ??= nowMs
    const silent = [...this.#events.links()].flatMap(({ peerId }) =>
      this.#answers.has(peerId) ? [] : [peerId],
    )
    if (silent.length === 0 || nowMs - this.#enoughMs >= SEAL_GRACE_MS) return cut
    return refusal('not-final', `enough have sealed; ${silent.join(', ')} may still say more`)
  }

  /** @returns undefined = it is none that an honest coordinator gives, or it says that the log was begun */
  async #open(link: CoordinatorLink, { seals, begun }: SealAnswer): Promise<SealsOf | undefined> {
    if (begun.length > 0) {
      const head = await openCheckpoint(begun, this.#log.key, [])
      if (isMalformed(head)) {
        link.offend('bad-signature', `a checkpoint that does not hold: ${head.detail}`)
        return undefined
      }
      this.#begun = Math.max(this.#begun, head.size)
      if (this.wasBegun) this.#events.begun()
    }
    const opened = new Map<string, SignedCheckpoint>()
    for (const { origin, checkpoint } of seals) {
      const log = this.#events.earlier().find((each) => each.origin === origin)
      // Of an epoch that no policy here knows, or not of this home.
      if (log === undefined) continue
      const key = log.coordinator === link.peerId ? undefined : this.#events.cosigner(link.peerId)
      const seal = await openCheckpoint(checkpoint, log.key, key === undefined ? [] : [key])
      if (isMalformed(seal) || (key !== undefined && seal.cosigners.length === 0)) {
        link.offend('bad-signature', `a seal of ${origin} that does not hold`)
        return undefined
      }
      opened.set(origin, seal)
    }
    return opened
  }
}
