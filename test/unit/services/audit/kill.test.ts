import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { checkAudit } from '../../../../src/services/audit/audit-check.js'
import { auditFiles, auditLines, linesOf } from '../../../../src/services/audit/audit-folder.js'
import { readLine } from '../../../../src/services/audit/audit-record.js'
import { recordsIn } from '../../../helpers/audit-log.js'
import { runAndKill } from '../../../helpers/run-and-kill.js'

const KILLS = Number(process.env['AUDIT_KILLS'] ?? 3)
const child = fileURLToPath(new URL('../../../helpers/auditing-child.ts', import.meta.url))

test('kill -9 loses no act that was acknowledged, and the chain holds', {
  timeout: 60_000 + KILLS * 30_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'edgecoder-audit-kill-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const acknowledged: string[] = []
  for (let round = 0; round < KILLS; round++) {
    acknowledged.push(
      ...(await runAndKill(child, folder, { round, killAfter: 20 + ((round * 7919) % 1_500) })),
    )
    const kept = new Set((await recordsIn(folder)).map(({ of }) => of))
    expect(acknowledged.filter((each) => !kept.has(each))).toEqual([])
  }
  expect(acknowledged.length).toBeGreaterThanOrEqual(20 * KILLS)
  // Each process had a key of its own, so that only the chain is compared, and not who sealed it.
  const { faults } = await checkAudit(auditLines(folder))
  expect(faults.filter(({ what }) => !what.startsWith('sealed by'))).toEqual([])
  for (const { path } of await auditFiles(folder)) {
    for await (const { bytes } of linesOf(path)) expect(readLine(bytes)).toBeDefined()
  }
})
