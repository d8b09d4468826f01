import type { Task } from '../../core/task/task.js'
import type { Clock } from '../../ports/clock.js'
import { RecentMap } from '../ledger/recent-map.js'
import type { CheckCounts } from './check-meter.js'
import {
  QUALITY_ATTEMPTS,
  QUALITY_MODELS,
  QUALITY_REASONS,
  QUALITY_SAMPLES,
  QUALITY_WORKERS,
} from './constants.js'
import type { AnswerCounts } from './known-answers.js'

/** How many attempts ended how. */
export interface AttemptCounts {
  readonly success: number
  /** By the worker's own fault. */
  readonly failure: number
  /** Of workers that vanished. */
  readonly lost: number
}

/** Of the newest samples, in milliseconds; absent = there is none. */
export interface Spread {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly samples: number
}

/** How well tasks were assigned since this coordinator started. */
export interface QualityView {
  readonly sinceMs: number
  readonly attempts: AttemptCounts
  readonly done: number
  /** Of those, done by the first worker that had it. */
  readonly doneAtFirst: number
  /** Leases beyond the first one of a task. */
  readonly retries: number
  /** From submit to the first lease. */
  readonly wait?: Spread
  /** From lease to end, of attempts that succeeded. */
  readonly run?: Spread
  readonly models: readonly (AttemptCounts & { readonly model: string; readonly doneAtFirst: number })[]
  readonly workers: readonly (AttemptCounts & {
    readonly peerId: string
    /** Why attempts failed, by code, the most frequent first. */
    readonly reasons: readonly { readonly code: string; readonly count: number }[]
  })[]
  /** What independent workers said of results; left out where nobody is asked. */
  readonly checks?: ChecksView
}

/** Judgements since this coordinator started; what is known of workers is kept over restarts. */
export interface ChecksView extends CheckCounts {
  /** Results that others are asked about now. */
  readonly open: number
  /** Tests that workers can be tried on, as their outcome is known. */
  readonly answers: AnswerCounts
  readonly workers: readonly {
    readonly peerId: string
    readonly agreed: number
    readonly wrong: number
    /** Of its next results, the share that others are asked about. */
    readonly sampledShare: number
  }[]
}

type Outcome = keyof AttemptCounts

interface Tally {
  counts: Record<Outcome, number>
  doneAtFirst: number
  readonly reasons: Map<string, number>
}

/** Counts, for people, what became of attempts: whose, of which model, why not, and how long they took. */
export class AssignmentQuality {
  readonly #clock: Clock
  readonly #sinceMs: number
  readonly #all = tally()
  readonly #models = new RecentMap<string, Tally>(QUALITY_MODELS)
  readonly #workers = new RecentMap<string, Tally>(QUALITY_WORKERS)
  /** When attempts that run began, by task. */
  readonly #begunMs = new RecentMap<string, number>(QUALITY_ATTEMPTS)
  readonly #waitsMs: number[] = []
  readonly #runsMs: number[] = []
  #retries = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#sinceMs = clock.nowMs()
  }

  /** A lease goes out. */
  granted({ header, attempts }: Task): void {
    this.#begunMs.set(header.id, this.#clock.monotonicMs())
    if (attempts > 1) this.#retries++
    else keep(this.#waitsMs, Math.max(0, this.#clock.nowMs() - header.submittedMs))
  }

  /** An attempt ended. @param task as it stands after it */
  ended(worker: string, outcome: Outcome, task: Task): void {
    const { id, model } = task.header
    const begunMs = this.#begunMs.get(id)
    this.#begunMs.delete(id)
    if (outcome === 'success' && begunMs !== undefined) {
      keep(this.#runsMs, this.#clock.monotonicMs() - begunMs)
    }
    const code = task.state === 'queued' ? task.lastFailure?.code : undefined
    for (const each of [this.#all, tallyOf(this.#models, model), tallyOf(this.#workers, worker)]) {
      each.counts[outcome]++
      if (outcome === 'success' && task.attempts === 1) each.doneAtFirst++
      if (outcome !== 'success') count(each.reasons, code ?? 'attempts-exhausted')
    }
  }

  view(): QualityView {
    const { counts, doneAtFirst } = this.#all
    const [wait, run] = [spreadOf(this.#waitsMs), spreadOf(this.#runsMs)]
    return {
      sinceMs: this.#sinceMs,
      attempts: { ...counts },
      done: counts.success,
      doneAtFirst,
      retries: this.#retries,
      ...(wait === undefined ? {} : { wait }),
      ...(run === undefined ? {} : { run }),
      models: [...this.#models.entries()].map(([model, each]) => {
        return { model, ...each.counts, doneAtFirst: each.doneAtFirst }
      }),
      workers: [...this.#workers.entries()].map(([peerId, each]) => {
        return { peerId, ...each.counts, reasons: reasonsOf(each) }
      }),
    }
  }
}

function tally(): Tally {
  return { counts: { success: 0, failure: 0, lost: 0 }, doneAtFirst: 0, reasons: new Map() }
}

function tallyOf(tallies: RecentMap<string, Tally>, key: string): Tally {
  const known = tallies.get(key) ?? tally()
  tallies.set(key, known)
  return known
}

/** Codes are few; one that a peer makes up must not make them many. */
function count(reasons: Map<string, number>, code: string): void {
  const key = reasons.has(code) || reasons.size < QUALITY_REASONS ? code : 'other'
  reasons.set(key, (reasons.get(key) ?? 0) + 1)
}

function reasonsOf({ reasons }: Tally): QualityView['workers'][number]['reasons'] {
  return [...reasons].map(([code, times]) => ({ code, count: times })).toSorted((a, b) => b.count - a.count)
}

function keep(samples: number[], ms: number): void {
  samples.push(ms)
  // Cut in one go, so that it costs nothing each time.
  if (samples.length >= 2 * QUALITY_SAMPLES) samples.splice(0, QUALITY_SAMPLES)
}

function spreadOf(samples: readonly number[]): Spread | undefined {
  const newest = samples.slice(-QUALITY_SAMPLES).toSorted((a, b) => a - b)
  const at = (share: number): number | undefined =>
    newest[Math.min(newest.length - 1, Math.floor(share * newest.length))]
  const [p50Ms, p99Ms] = [at(0.5), at(0.99)]
  if (p50Ms === undefined || p99Ms === undefined) return undefined
  return { p50Ms, p99Ms, samples: newest.length }
}
