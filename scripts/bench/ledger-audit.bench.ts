import { join } from 'node:path'
import { auditLog } from '../../src/roles/ledger/audit-log.js'
import { openLogWriter } from '../../src/roles/ledger/log-writer.js'
import { systemClock } from '../../src/services/clock/system-clock.js'
import { openLevelStore } from '../../src/services/store/level-store.js'
import { BenchWishes, benchEvidence, COORDINATOR, mustAppend, noMetrics, ORIGIN } from './ledger-world.js'
import type { Metrics } from './main.js'

/** As many as can be built and audited twice within a minute; the figure for a million is the rate, carried on. */
const ENTRIES = 100_000
const MILLION = 1_000_000
const COMMIT = 1_024

/**
 * A whole audit of a log in a level store: every hash, checkpoint, rule and stored record; once of transfers whose
 * statements are taken at their word, once with a gateway's signature to check in every fourth entry.
 */
export async function bench(): Promise<Metrics> {
  const plain = await audited('none')
  const signed = await audited('signed')
  return {
    entries: plain.entries,
    seconds: plain.seconds,
    seconds_per_million: plain.secondsPerMillion,
    seconds_signed: signed.seconds,
    seconds_per_million_signed: signed.secondsPerMillion,
    signatures: signed.orders,
    cpu_s_per_million: plain.cpuSecondsPerMillion,
    cpu_s_per_million_signed: signed.cpuSecondsPerMillion,
    mismatches: plain.mismatches + signed.mismatches,
    rss_mib: process.memoryUsage().rss / 2 ** 20,
  }
}

async function audited(orders: 'none' | 'signed') {
  const store = await openLevelStore(join(process.env['BENCH_DIR'] ?? '', orders))
  const log = await openLogWriter(
    { store, signer: COORDINATOR, clock: systemClock(), metrics: noMetrics },
    { origin: ORIGIN, prefix: 'ledger|0' },
  )
  const wishes = new BenchWishes(orders)
  for (const each of wishes.first()) mustAppend(log, each)
  while (log.size < ENTRIES) {
    for (let n = 0; n < COMMIT && log.size < ENTRIES; n++) mustAppend(log, wishes.next())
    await store.commit(log.writes())
    log.committed()
  }
  do await store.commit(log.writes())
  while (log.committed())
  const atMs = performance.now()
  const before = process.cpuUsage()
  const report = await auditLog({ store, evidence: benchEvidence() }, { key: log.key, prefix: 'ledger|0' })
  const seconds = (performance.now() - atMs) / 1_000
  const { user, system } = process.cpuUsage(before)
  await store.close()
  if (!report.complete || report.size !== ENTRIES) throw new Error(`only ${report.size} entries were audited`)
  for (const { where, at, detail } of report.mismatches.slice(0, 3))
    process.stderr.write(`${where} ${at}: ${detail}\n`)
  return {
    entries: report.size,
    seconds,
    secondsPerMillion: (seconds / report.size) * MILLION,
    cpuSecondsPerMillion: ((user + system) / 1e6 / report.size) * MILLION,
    orders: report.kinds.hold ?? 0,
    mismatches: report.mismatchCount,
  }
}
