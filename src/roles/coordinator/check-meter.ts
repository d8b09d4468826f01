import type { Judgement } from '../../core/verification/judgement.js'
import type { Metrics } from '../../ports/metrics.js'

/** Why nobody was asked about a result, or what was asked came to nothing. */
export type Unchecked =
  /** Not drawn: its worker is known well. */
  | 'trusted'
  /** A bound of the sandbox ended its tests: that is compared with nothing. */
  | 'stopped'
  /** The same tests were judged lately. */
  | 'judged-lately'
  /** Policy has enrolled its worker for nobody. */
  | 'owner-unknown'
  /** Its gateway showed the result, and the worker has not been here lately: its sandbox is not known. */
  | 'worker-gone'
  /** Nobody is attached that belongs to somebody else and has such a sandbox. */
  | 'no-independent-worker'
  /** This coordinator has not earned what a check costs. */
  | 'unpayable'
  | 'too-many'
  | 'gateway-refused'
  | 'check-failed'
  | 'late'

type Judged = Exclude<Judgement['type'], 'open'>

/** What became of checks since this coordinator started. */
export interface CheckCounts {
  readonly judged: Readonly<Record<Judged, number>>
  readonly unchecked: readonly { readonly reason: Unchecked; readonly count: number }[]
  /** Of what was judged, workers that were tried on tests whose outcome was known. */
  readonly probes: number
}

/** Counts what checks come to, for people and for Prometheus. */
export class CheckMeter {
  readonly #judged: Record<Judged, number> = { agreed: 0, wrong: 0, flaky: 0, undecided: 0 }
  readonly #unchecked = new Map<Unchecked, number>()
  readonly open: (cases: number) => void
  readonly #countJudged: (type: Judged) => void
  readonly #countUnchecked: (reason: Unchecked) => void
  readonly #countProbe: (type: Judged) => void
  #probes = 0

  constructor(metrics: Metrics) {
    const judged = metrics.counter(
      'edgecoder_coordinator_checks_judged_total',
      'Results that independent workers ran the tests of again, by what that came to.',
      ['judgement'],
    )
    const unchecked = metrics.counter(
      'edgecoder_coordinator_results_unchecked_total',
      'Results with tests that were not checked, by why.',
      ['reason'],
    )
    const probes = metrics.counter(
      'edgecoder_coordinator_probes_total',
      'Workers tried on tests whose outcome was known, by what that came to.',
      ['judgement'],
    )
    const open = metrics.gauge(
      'edgecoder_coordinator_checks_open',
      'Results that others are asked about now.',
    )
    this.#countJudged = (judgement) => judged.add(1, { judgement })
    this.#countUnchecked = (reason) => unchecked.add(1, { reason })
    this.#countProbe = (judgement) => probes.add(1, { judgement })
    this.open = (cases) => open.set(cases)
  }

  judged(type: Judged, isProbe: boolean): void {
    this.#judged[type]++
    this.#countJudged(type)
    if (!isProbe) return
    this.#probes++
    this.#countProbe(type)
  }

  unchecked(reason: Unchecked): void {
    this.#unchecked.set(reason, (this.#unchecked.get(reason) ?? 0) + 1)
    this.#countUnchecked(reason)
  }

  counts(): CheckCounts {
    const unchecked = [...this.#unchecked].map(([reason, count]) => ({ reason, count }))
    const byCount = unchecked.toSorted((a, b) => b.count - a.count)
    return { judged: { ...this.#judged }, unchecked: byCount, probes: this.#probes }
  }
}
