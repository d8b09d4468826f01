import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { auditLog } from '../../../../src/roles/ledger/audit-log.js'
import { openLevelStore } from '../../../../src/services/store/level-store.js'
import { isMalformed } from '../../../../src/wire/frame.js'
import { decodeEntry } from '../../../../src/wire/ledger/entry.js'
import { LOG_KEY, openOwnLog, PREFIX } from '../../../helpers/ledger-log.js'
import { runAndKill } from '../../../helpers/run-and-kill.js'
import { signedEvidence } from '../../../helpers/signed-ledger.js'

/** How often a process is killed; 100 by hand: `LEDGER_KILLS=100 npx vitest run test/unit/roles/ledger/kill.test.ts`. */
const KILLS = Number(process.env['LEDGER_KILLS'] ?? 4)
const child = fileURLToPath(new URL('../../../helpers/appending-child.ts', import.meta.url))

test('kill -9 under load loses no entry that was acknowledged', {
  timeout: 60_000 + KILLS * 30_000,
}, async () => {
  const path = await mkdtemp(join(tmpdir(), 'edgecoder-kill-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  let acknowledged = 0
  let before = 0
  for (let round = 0; round < KILLS; round++) {
    const lines = await runAndKill(child, path, { round, killAfter: 20 + ((round * 7919) % 1_500) })
    acknowledged += lines.length
    const store = await openLevelStore(path)
    // Opening checks what was written since the last time: indexes, hashes, root, state.
    const log = await openOwnLog(store)
    const lost: string[] = []
    for (const line of lines) {
      const [index, id] = line.split(' ') as [string, string]
      const entry = decodeEntry((await log.reader.entry(Number(index))) ?? new Uint8Array())
      if (isMalformed(entry) || Buffer.from(entry.id).toString() !== id) lost.push(line)
    }
    expect(lost).toEqual([])
    expect(log.size).toBeGreaterThanOrEqual(before + lines.length)
    before = log.size
    if (round === KILLS - 1) {
      const report = await auditLog({ store, evidence: signedEvidence() }, { key: LOG_KEY, prefix: PREFIX })
      expect(report).toMatchObject({ complete: true, size: before, mismatches: [] })
      process.stdout.write(`kill -9 × ${KILLS}: ${acknowledged} acknowledged, 0 lost, ${before} in the log\n`)
    }
    await store.close()
  }
  expect(acknowledged).toBeGreaterThanOrEqual(20 * KILLS)
})
