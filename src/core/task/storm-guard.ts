/**
 * When a large share of the workers falls silent at once, it is more likely that we were cut off than that
 * all of them died: while a storm lasts nobody is judged lost, penalised or evicted, and leases are
 * extended.
 */
export interface StormBounds {
  /**
   * Share of the workers that must fall silent together. Below it, real failures (a rack, a home network, a
   * bad release on some machines) are likelier than our own link; 40 % lets two such groups fail and still
   * be evicted.
   */
  readonly share: number
  /**
   * Fewer than this is never a storm: with one or two workers a loss and a cut look the same, and a wrong
   * eviction costs one repeated attempt, while a wrong storm makes a user wait for `longestMs`.
   */
  readonly leastWorkers: number
  /**
   * Silences that began within this time of each other count together. Longer than the time to judge silence
   * lost, so that the whole of a cut is counted, closed links (noticed at once) with silent ones (noticed
   * late).
   */
  readonly windowMs: number
  /** The storm ends when no more than this share of those it took (at its worst) is still away. */
  readonly stillAwayShare: number
  /** A storm ends after this time whatever happens, and the next may begin only after as long again. */
  readonly longestMs: number
  /** After a storm everybody still away has this long to come back before being judged. */
  readonly settleMs: number
}

export const DEFAULT_STORM: StormBounds = {
  share: 0.4,
  leastWorkers: 3,
  windowMs: 15_000,
  stillAwayShare: 1 / 3,
  longestMs: 120_000,
  settleMs: 12_000,
}

/** How many workers there are and how many are silent now. */
export interface StormCounts {
  /** Attached, or lost since less than `windowMs`. */
  readonly workers: number
  /** Of them: quiet, unknown, closed or lost. */
  readonly away: number
  /** Of those away: their silence began less than `windowMs` ago. */
  readonly lately: number
}

export type Storm =
  | {
      readonly state: 'calm'
      /** When the last storm ended; the silence of the workers it left away is counted from then. */
      readonly endedMs?: number
      /** No storm begins before this time. */
      readonly notBeforeMs?: number
    }
  | {
      readonly state: 'storm'
      readonly sinceMs: number
      /** Most workers away at one time. */
      readonly worst: number
    }

export const CALM: Storm = { state: 'calm' }

/** What the counts at this time make of calm or storm. Times are of a clock that never goes back. */
export function judgeStorm(storm: Storm, counts: StormCounts, bounds: StormBounds, nowMs: number): Storm {
  if (storm.state === 'storm') {
    if (nowMs - storm.sinceMs >= bounds.longestMs)
      return { state: 'calm', endedMs: nowMs, notBeforeMs: nowMs + bounds.longestMs }
    const worst = Math.max(storm.worst, counts.away)
    if (counts.away <= worst * bounds.stillAwayShare) return { state: 'calm', endedMs: nowMs }
    return worst === storm.worst ? storm : { ...storm, worst }
  }
  if (storm.notBeforeMs !== undefined && nowMs < storm.notBeforeMs) return storm
  const least = Math.max(bounds.leastWorkers, Math.ceil(bounds.share * counts.workers))
  return counts.lately >= least ? { state: 'storm', sinceMs: nowMs, worst: counts.away } : storm
}
