import {
  boundsOf,
  type Contact,
  DEFAULT_LIVENESS,
  judgeLiveness,
  type Liveness,
  type LivenessBounds,
  silentSinceMs,
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
  /** It has leases from now on, if it had none: it is to beat more often. */
  leased(worker: string, nowMs: number): void
  /** It has no lease any more. */
  idle(worker: string): void
  /** Its last link closed. */
  closed(worker: string, nowMs: number): void
  /** It said goodbye, or was put out: watched no more, and no sign of a storm. */
  forget(worker: string): void
  /**
   * Judges those whose silence may have come to something; call it about every 500 ms. Costs nothing for
   * workers that beat. A worker in a change to `lost` is watched no more.
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

interface Watched extends Contact {
  readonly worker: string
  lastHeardMs: number
  closedMs: number | undefined
  leasedMs: number | undefined
  liveness: Liveness
  /** When it is looked at next, unless it is away. */
  lookMs: number
}

/** Who is looked at in a sweep is found by steps of this length. */
const LOOK_STEP_MS = 250

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
  /** Those that were not live when they were last looked at, or are not now: looked at in each sweep. */
  readonly #away = new Set<Watched>()
  /** The others, by the step in which they may be silent for too long. One that was moved stays in its old step, too. */
  readonly #looks = new Map<number, Watched[]>()
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
    if (known !== undefined) {
      known.lastHeardMs = nowMs
      known.closedMs = undefined
      return
    }
    const made: Watched = {
      worker,
      lastHeardMs: nowMs,
      closedMs: undefined,
      leasedMs: undefined,
      liveness: 'live',
      lookMs: 0,
    }
    this.#watched.set(worker, made)
    this.#lookLater(made)
  }

  heard(worker: string, nowMs: number): void {
    const known = this.#watched.get(worker)
    if (known !== undefined && known.closedMs === undefined) known.lastHeardMs = nowMs
  }

  leased(worker: string, nowMs: number): void {
    const known = this.#watched.get(worker)
    if (known === undefined || known.leasedMs !== undefined) return
    known.leasedMs = nowMs
    this.#lookSooner(known)
  }

  idle(worker: string): void {
    const known = this.#watched.get(worker)
    if (known === undefined) return
    known.leasedMs = undefined
    this.#lookSooner(known)
  }

  closed(worker: string, nowMs: number): void {
    const known = this.#watched.get(worker)
    if (known === undefined || known.closedMs !== undefined) return
    known.closedMs = nowMs
    this.#away.add(known)
  }

  forget(worker: string): void {
    const known = this.#watched.get(worker)
    if (known !== undefined) this.#drop(known)
  }

  sweep(nowMs: number): readonly LivenessChange[] {
    this.#lookAt(nowMs)
    this.#storm = judgeStorm(this.#storm, this.#count(nowMs), this.#stormBounds, nowMs)
    const changes: LivenessChange[] = []
    for (const known of this.#away) {
      const to = judgeLiveness(known, this.#bounds, nowMs, this.#excusedUntilMs(known))
      if (to === 'live') {
        this.#away.delete(known)
        this.#lookLater(known)
      }
      if (to === known.liveness) continue
      changes.push({ worker: known.worker, from: known.liveness, to })
      known.liveness = to
      if (to !== 'lost') continue
      this.#drop(known)
      this.#lost.set(known.worker, awaySinceMs(known))
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

  /** Puts those that may have been silent for too long among those away, or finds when they may have been. */
  #lookAt(nowMs: number): void {
    for (const [step, those] of this.#looks) {
      if (step * LOOK_STEP_MS > nowMs) continue
      this.#looks.delete(step)
      for (const known of those) {
        // It was looked at, moved or dropped since.
        if (Math.ceil(known.lookMs / LOOK_STEP_MS) !== step || this.#away.has(known)) continue
        if (judgeLiveness(known, this.#bounds, nowMs) === 'live') this.#lookLater(known)
        else this.#away.add(known)
      }
    }
  }

  #drop(known: Watched): void {
    this.#watched.delete(known.worker)
    this.#away.delete(known)
    known.lookMs = Number.NaN
  }

  /** It is judged by other bounds. A look that was set for an earlier time stands, and finds what holds then. */
  #lookSooner(known: Watched): void {
    if (!this.#away.has(known) && this.#dueMs(known) < known.lookMs) this.#lookLater(known)
  }

  #dueMs(known: Watched): number {
    return silentSinceMs(known) + boundsOf(known, this.#bounds).quietMs
  }

  #lookLater(known: Watched): void {
    known.lookMs = this.#dueMs(known)
    const step = Math.ceil(known.lookMs / LOOK_STEP_MS)
    const those = this.#looks.get(step)
    if (those === undefined) this.#looks.set(step, [known])
    else those.push(known)
  }

  #count(nowMs: number): StormCounts {
    const { windowMs } = this.#stormBounds
    let away = 0
    let lately = 0
    for (const known of this.#away) {
      if (judgeLiveness(known, this.#bounds, nowMs) === 'live') continue
      away += 1
      if (nowMs - awaySinceMs(known) < windowMs) lately += 1
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
    const before = endedMs !== undefined && awaySinceMs(contact) <= endedMs
    return before ? endedMs + this.#stormBounds.settleMs : Number.NEGATIVE_INFINITY
  }
}

function awaySinceMs(contact: Contact): number {
  return contact.closedMs ?? silentSinceMs(contact)
}
