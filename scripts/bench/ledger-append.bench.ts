import { join } from 'node:path'
import { createLogCommitter } from '../../src/roles/ledger/log-committer.js'
import { openLogWriter } from '../../src/roles/ledger/log-writer.js'
import { systemClock } from '../../src/services/clock/system-clock.js'
import { openLevelStore } from '../../src/services/store/level-store.js'
import { BenchWishes, COORDINATOR, mustAppend, noMetrics, ORIGIN } from './ledger-world.js'
import type { Metrics } from './main.js'
import { quantile } from './quantile.js'

const WRITERS = 64
const WARM_UP_MS = 3_000
const MEASURED_MS = 8_000

/** Entries decided, written, signed over and fsynced, by 64 writers that each wait for theirs, and by one. */
export async function bench(): Promise<Metrics> {
  const store = await openLevelStore(join(process.env['BENCH_DIR'] ?? '', 'store'))
  const log = await openLogWriter(
    { store, signer: COORDINATOR, clock: systemClock(), metrics: noMetrics },
    { origin: ORIGIN, prefix: 'ledger|0' },
  )
  const committer = createLogCommitter(log, store)
  const wishes = new BenchWishes('one')
  for (const each of wishes.first()) mustAppend(log, each)
  await committer.settle()

  async function run(writers: number, forMs: number) {
    const untilMs = performance.now() + forMs
    const tookMs: number[] = []
    const before = process.cpuUsage()
    await Promise.all(
      Array.from({ length: writers }, async () => {
        while (performance.now() < untilMs) {
          const atMs = performance.now()
          mustAppend(log, wishes.next())
          await committer.settle()
          tookMs.push(performance.now() - atMs)
        }
      }),
    )
    const { user, system } = process.cpuUsage(before)
    return {
      cpuUs: (user + system) / tookMs.length,
      perS: tookMs.length / (forMs / 1_000),
      p99Ms: quantile(tookMs, 0.99),
      p50Ms: quantile(tookMs, 0.5),
    }
  }
  await run(WRITERS, WARM_UP_MS)
  const many = await run(WRITERS, MEASURED_MS)
  const one = await run(1, MEASURED_MS)
  await store.close()
  return {
    entries_per_s_64: many.perS,
    p50_ms_64: many.p50Ms,
    p99_ms_64: many.p99Ms,
    cpu_us_per_entry_64: many.cpuUs,
    entries_per_s_1: one.perS,
    p99_ms_1: one.p99Ms,
  }
}
