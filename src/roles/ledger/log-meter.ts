import type { Clock } from '../../ports/clock.js'
import type { Metrics } from '../../ports/metrics.js'

/** What is measured of one's own log. */
export interface LogMeter {
  /** An entry was staged. */
  appended(): void
  /** The oldest `entries` of those staged are durable. */
  committed(entries: number): void
}

const LATENCY_BUCKETS = [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30]
const ENTRY_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000]

export function createLogMeter(clock: Clock, metrics: Metrics): LogMeter {
  const latency = metrics.histogram(
    'edgecoder_ledger_append_seconds',
    'From taking a ledger entry to having it on the disk.',
    LATENCY_BUCKETS,
  )
  const sizes = metrics.histogram(
    'edgecoder_ledger_commit_entries',
    'Ledger entries written in one commit.',
    ENTRY_BUCKETS,
  )
  const total = metrics.counter('edgecoder_ledger_entries_total', 'Ledger entries written to the own log.')
  let stagedAtMs: number[] = []
  return {
    appended() {
      stagedAtMs.push(clock.monotonicMs())
    },
    committed(entries) {
      const nowMs = clock.monotonicMs()
      for (const atMs of stagedAtMs.slice(0, entries)) latency.observe((nowMs - atMs) / 1_000)
      stagedAtMs = stagedAtMs.slice(entries)
      sizes.observe(entries)
      total.add(entries)
    },
  }
}
