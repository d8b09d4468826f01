import type { Clock } from '../../ports/clock.js'
import type { Metrics } from '../../ports/metrics.js'
import type { ReplicationView } from './replication.js'

/** Heads of the own log whose age is remembered; later ones are counted with the last. */
const HEADS_REMEMBERED = 1_024

/** Since when entries of the own log wait to be final. */
export class UnfinalAge {
  readonly #clock: Clock
  #heads: { readonly size: number; readonly atMs: number }[] = []
  #size = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  grown(size: number): void {
    if (size <= this.#size) return
    this.#size = size
    const head = { size, atMs: this.#clock.monotonicMs() }
    const last = this.#heads.at(-1)
    if (last !== undefined && this.#heads.length >= HEADS_REMEMBERED)
      this.#heads[this.#heads.length - 1] = { ...last, size }
    else this.#heads.push(head)
  }

  final(size: number): void {
    this.#heads = this.#heads.filter((head) => head.size > size)
  }

  get ms(): number {
    const [oldest] = this.#heads
    return oldest === undefined ? 0 : this.#clock.monotonicMs() - oldest.atMs
  }
}

/** @returns shows a view to whoever measures */
export function createReplicationMeter(metrics: Metrics): (view: ReplicationView) => void {
  const lag = metrics.gauge(
    'edgecoder_ledger_lag_entries',
    'Ledger entries that are here and that another coordinator does not hold yet.',
    ['peer'],
  )
  const missing = metrics.gauge(
    'edgecoder_ledger_missing_entries',
    'Ledger entries that others have and that are not here yet.',
  )
  const unfinal = metrics.gauge(
    'edgecoder_ledger_unfinal_age_seconds',
    'Age of the oldest own ledger entry that too few coordinators have cosigned.',
  )
  const isolated = metrics.gauge(
    'edgecoder_ledger_isolated_logs',
    'Logs that are not taken any more, as there is evidence against their coordinators.',
  )
  const unproven = metrics.gauge(
    'edgecoder_ledger_unproven_logs',
    'Logs whose end is followed by a snapshot that is not proven yet.',
  )
  return (view) => {
    for (const { peerId, behindEntries } of view.peers) lag.set(behindEntries, { peer: peerId })
    missing.set(view.logs.reduce((sum, { claimedSize, size }) => sum + claimedSize - size, 0))
    unfinal.set(view.unfinalAgeMs / 1_000)
    isolated.set(view.logs.filter((each) => each.isolated).length)
    unproven.set(view.logs.filter(({ tip }) => tip?.proven === false).length)
  }
}
