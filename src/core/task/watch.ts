import {
  type Contact,
  DEFAULT_LIVENESS,
  judgeLiveness,
  type Liveness,
  type LivenessBounds,
} from './liveness.js'
import {
  CALM,
  DEFAULT_STORM,
  judgeStorm,
  type Storm,
  type StormBounds,
  type StormCounts,
} from './storm-guard.js'

export interface LivenessChange {
  readonly worker: string
  readonly from: Liveness
  readonly to: Liveness
}

/** Watches over the attached workers. All times are of one clock that never goes back. */
export interface Watch {
  /** A link of the worker opened, for the first time or again. */
  opened(worker: string, nowMs: number): void
  /** Any frame of the worker: a sign of life. */
  heard(worker: string, nowMs: number): void
  /** Its last link closed. */
  closed(worker: string, nowMs: number): void
  /** It said goodbye, or was put out: watched no more, and no sign of a storm. */
  forget(worker: string): void
  /**
   * Judges everybody; call it about every 500 ms. A worker in a change to `lost` is watched no more.
   *
   * @returns changes since the last sweep; also those back to `live`
   */
  sweep(nowMs: number): readonly LivenessChange[]
  /** As of the last sweep; undefined = not watched. */
  liveness(worker: string): Liveness | undefined
  /** As of the last sweep. */
  storm(): Storm
  /** A storm lasts or has just ended: give every lease an `extend` before its `clock`. */
  lenient(nowMs: number): boolean
}

interface Watched {
  contact: Contact
  liveness: Liveness
}

export function createWatch(
  liveness: LivenessBounds = DEFAULT_LIVENESS,
  storm: StormBounds = DEFAULT_STORM,
): Watch {
  return new WorkerWatch(liveness, storm)
}

class WorkerWatch implements Watch {
  readonly #bounds: LivenessBounds
  readonly #stormBounds: StormBounds
  readonly #watched = new Map<string, Watched>()
  /** When the silence of those judged lost began; kept for one window, so at most what was attached in it. */
  readonly #lost = new Map<string, number>()
  #storm: Storm = CALM

  constructor(bounds: LivenessBounds, stormBounds: StormBounds) {
    this.#bounds = bounds
    this.#stormBounds = stormBounds
  }

  opened(worker: string, nowMs: number): void {
    this.#lost.delete(worker)
    const known = this.#watched.get(worker)
    if (known === undefined) this.#watched.set(worker, { contact: { lastHeardMs: nowMs }, liveness: 'live' })
    else known.contact = { lastHeardMs: nowMs }
  }

  heard(worker: string, nowMs: number): void {
    const known = this.#watched.get(worker)
    if (known !== undefined && known.contact.closedMs === undefined) known.contact = { lastHeardMs: nowMs }
  }

  closed(worker: string, nowMs: number): void {
    const known = this.#watched.get(worker)
    if (known !== undefined && known.contact.closedMs === undefined)
      known.contact = { ...known.contact, closedMs: nowMs }
  }

  forget(worker: string): void {
    this.#watched.delete(worker)
  }

  sweep(nowMs: number): readonly LivenessChange[] {
    this.#storm = judgeStorm(this.#storm, this.#count(nowMs), this.#stormBounds, nowMs)
    const changes: LivenessChange[] = []
    for (const [worker, known] of this.#watched) {
      const to = judgeLiveness(known.contact, this.#bounds, nowMs, this.#excusedUntilMs(known.contact))
      if (to === known.liveness) continue
      changes.push({ worker, from: known.liveness, to })
      known.liveness = to
      if (to !== 'lost') continue
      this.#watched.delete(worker)
      this.#lost.set(worker, silentSinceMs(known.contact))
    }
    return changes
  }

  liveness(worker: string): Liveness | undefined {
    return this.#watched.get(worker)?.liveness
  }

  storm(): Storm {
    return this.#storm
  }

  lenient(nowMs: number): boolean {
    if (this.#storm.state === 'storm') return true
    const { endedMs } = this.#storm
    return endedMs !== undefined && nowMs < endedMs + this.#stormBounds.settleMs
  }

  #count(nowMs: number): StormCounts {
    const { windowMs } = this.#stormBounds
    let away = 0
    let lately = 0
    for (const { contact } of this.#watched.values()) {
      if (judgeLiveness(contact, this.#bounds, nowMs) === 'live') continue
      away += 1
      if (nowMs - silentSinceMs(contact) < windowMs) lately += 1
    }
    for (const [worker, sinceMs] of this.#lost) {
      if (nowMs - sinceMs >= windowMs) this.#lost.delete(worker)
    }
    const lost = this.#lost.size
    return { workers: this.#watched.size + lost, away: away + lost, lately: lately + lost }
  }

  #excusedUntilMs(contact: Contact): number {
    if (this.#storm.state === 'storm') return Number.POSITIVE_INFINITY
    const { endedMs } = this.#storm
    const before = endedMs !== undefined && silentSinceMs(contact) <= endedMs
    return before ? endedMs + this.#stormBounds.settleMs : Number.NEGATIVE_INFINITY
  }
}

function silentSinceMs(contact: Contact): number {
  return contact.closedMs ?? contact.lastHeardMs
}
