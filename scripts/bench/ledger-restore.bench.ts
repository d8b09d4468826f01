import { createReadStream, createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { backupLogs } from '../../src/roles/ledger/backup.js'
import { openLogWriter } from '../../src/roles/ledger/log-writer.js'
import { restoreBackup } from '../../src/roles/ledger/restore.js'
import { systemClock } from '../../src/services/clock/system-clock.js'
import { openLevelStore } from '../../src/services/store/level-store.js'
import {
  BenchWishes,
  benchEvidence,
  COORDINATOR,
  mustAppend,
  NETWORK,
  noMetrics,
  ORIGIN,
} from './ledger-world.js'
import type { Metrics } from './main.js'

/** As many as can be written, backed up and restored within a minute; the figure for a million is the rate. */
const ENTRIES = 150_000
const MILLION = 1_000_000
const COMMIT = 1_024
const PREFIX = 'ledger|0'

/**
 * A backup of one log restored into an empty level store: the file verified to its end, then each entry read,
 * hashed, checked by the rules, and written with the state that follows from it. Entries are transfers, whose
 * owners' statements are taken at their word.
 */
export async function bench(): Promise<Metrics> {
  const dir = process.env['BENCH_DIR'] ?? ''
  const file = join(dir, 'ledger.backup')
  await writeBackup(join(dir, 'written'), file)
  const store = await openLevelStore(join(dir, 'restored'))
  const atMs = performance.now()
  const before = process.cpuUsage()
  const restored = await restoreBackup(
    { store, evidenceOf: async () => benchEvidence() },
    () => createReadStream(file, { highWaterMark: 256 * 1024 }),
    { network: NETWORK, coordinator: COORDINATOR.peerId, prefixOf: () => PREFIX },
  )
  const seconds = (performance.now() - atMs) / 1_000
  const { user, system } = process.cpuUsage(before)
  await store.close()
  const [log] = 'refused' in restored ? [] : restored
  if (log?.size !== ENTRIES) throw new Error(`only ${log?.size ?? 0} entries were restored`)
  return {
    entries: log.size,
    seconds,
    seconds_per_million: (seconds / log.size) * MILLION,
    cpu_us_per_entry: (user + system) / log.size,
    rss_mib: process.memoryUsage().rss / 2 ** 20,
  }
}

async function writeBackup(folder: string, file: string): Promise<void> {
  const store = await openLevelStore(folder)
  const clock = systemClock()
  const log = await openLogWriter(
    { store, signer: COORDINATOR, clock, metrics: noMetrics },
    { origin: ORIGIN, prefix: PREFIX },
  )
  const wishes = new BenchWishes('none')
  for (const each of wishes.first()) mustAppend(log, each)
  while (log.size < ENTRIES) {
    for (let n = 0; n < COMMIT && log.size < ENTRIES; n++) mustAppend(log, wishes.next())
    await store.commit(log.writes())
    log.committed()
  }
  do await store.commit(log.writes())
  while (log.committed())
  const chunks = backupLogs({ signer: COORDINATOR, clock }, { network: NETWORK, logs: [log] })
  await pipeline(Readable.from(chunks), createWriteStream(file))
  await store.close()
}
