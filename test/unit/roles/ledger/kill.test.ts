import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { findLostEnds } from '../../../../src/roles/coordinator/lost-end.js'
import { auditLog } from '../../../../src/roles/ledger/audit-log.js'
import { systemClock } from '../../../../src/services/clock/system-clock.js'
import { openLevelStore } from '../../../../src/services/store/level-store.js'
import { openLogReach } from '../../../../src/services/store/log-reach-file.js'
import { isMalformed } from '../../../../src/wire/frame.js'
import { decodeEntry } from '../../../../src/wire/ledger/entry.js'
import { LOG_KEY, ORIGIN, openOwnLog, PREFIX } from '../../../helpers/ledger-log.js'
import { memoryLog } from '../../../helpers/memory-log.js'
import { runAndKill } from '../../../helpers/run-and-kill.js'
import { HOME, NETWORK, signedEvidence } from '../../../helpers/signed-ledger.js'

/** How often a process is killed; 100 by hand: `LEDGER_KILLS=100 npx vitest run test/unit/roles/ledger/kill.test.ts`. */
const KILLS = Number(process.env['LEDGER_KILLS'] ?? 4)
const child = fileURLToPath(new URL('../../../helpers/appending-child.ts', import.meta.url))

test('kill -9 under load loses no entry that was acknowledged, nor any that was said to be durable', {
  timeout: 60_000 + KILLS * 30_000,
}, async () => {
  const path = await mkdtemp(join(tmpdir(), 'edgecoder-kill-'))
  const reachPath = `${path}.reach`
  onTestFinished(async () => {
    for (const each of [path, reachPath, `${reachPath}.new`]) await rm(each, { recursive: true, force: true })
  })
  let acknowledged = 0
  let before = 0
  const said: number[] = []
  for (let round = 0; round < KILLS; round++) {
    const lines = await runAndKill(child, path, { round, killAfter: 20 + ((round * 7919) % 1_500) })
    acknowledged += lines.length
    const store = await openLevelStore(path)
    const reach = await openLogReach({ clock: systemClock(), log: memoryLog() }, reachPath)
    said.push(reach.known.get(ORIGIN)?.size ?? 0)
    expect(await findLostEnds({ store, reach }, { networkId: NETWORK, self: HOME })).toEqual([])
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
  // Most lives have said something, or nothing was proven; one that is killed soon has not.
  expect(new Set(said).size).toBeGreaterThan(KILLS / 2)
})
