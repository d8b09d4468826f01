import { appendFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { AuditAct } from '../../../../src/core/audit/act.js'
import { checkAudit } from '../../../../src/services/audit/audit-check.js'
import { auditLines } from '../../../../src/services/audit/audit-folder.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createIdentity } from '../../../../src/services/identity/identity.js'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import { openAuditIn, recordsIn } from '../../../helpers/audit-log.js'
import { memoryLog } from '../../../helpers/memory-log.js'

const { signer } = createIdentity()
let folder = ''
let store = createMemoryDisk().open()

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'edgecoder-audit-'))
  store = createMemoryDisk().open()
})
afterEach(() => rm(folder, { recursive: true }))

const created = (of: string): AuditAct => ({ kind: 'key-created', by: 'admin', of, outcome: 'done' })
const check = (expected = {}) => checkAudit(auditLines(folder), expected)
const filesIn = async () => (await readdir(folder)).toSorted()

/** A log of some acts, closed. */
async function written(...acts: readonly AuditAct[]): Promise<string> {
  const audit = await openAuditIn({ folder, store, signer })
  for (const act of acts) await audit.record(act)
  await audit.close()
  return join(folder, (await filesIn()).at(-1) ?? '')
}

it('acts are chained in their order, sealed at the end, and for their owner alone to read', async () => {
  const audit = await openAuditIn({ folder, store, signer })
  await Promise.all(['a', 'b', 'c'].map((each) => audit.record(created(each))))
  expect(await check()).toMatchObject({ records: 3, sealed: 0, faults: [] })
  await audit.close()
  expect(await check()).toMatchObject({
    records: 4,
    first: 0,
    newest: { sequence: 3 },
    peerId: signer.peerId,
    sealed: 4,
    unfinished: false,
    faults: [],
  })
  expect((await recordsIn(folder)).map(({ of }) => of)).toEqual(['a', 'b', 'c', 'net'])
  expect((await stat(join(folder, '0000000000000000.ndjson'))).mode & 0o777).toBe(0o600)
  await expect(audit.record(created('late'))).rejects.toMatchObject({ code: 'shutting-down' })
})

it('goes on where it ended, and seals by itself', async () => {
  const clock = createVirtualClock(1_000)
  await written(created('a'))
  const audit = await openAuditIn({ folder, store, signer, clock })
  await audit.record(created('b'))
  await clock.advance(600_000)
  await audit.record(created('c'))
  expect((await recordsIn(folder)).map(({ kind }) => kind)).toEqual([
    'key-created',
    'audit-sealed',
    'key-created',
    'audit-sealed',
    'key-created',
  ])
  expect(await check()).toMatchObject({ records: 5, sealed: 4, faults: [] })
  await audit.close()
})

it('secrets are blanked, and texts are cut', async () => {
  await written({
    ...created('x'.repeat(1_000)),
    facts: { token: 'hunter2', why: `it was ec_${'A'.repeat(40)}, they said`, count: 3, live: true },
  })
  const [record] = await recordsIn(folder)
  expect(record?.of).toHaveLength(257)
  expect(record?.facts).toEqual({
    token: '[redacted]',
    why: 'it was [redacted], they said',
    count: 3,
    live: true,
  })
})

it('a changed, a dropped and an inserted record are found', async () => {
  const path = await written(created('a'), created('b'), created('c'), created('d'))
  const text = await readFile(path, 'utf8')
  const lines = text.split('\n').slice(0, -1)
  const spoiled = async (changed: readonly string[]) => {
    await writeFile(path, changed.map((line) => `${line}\n`).join(''))
    return (await check({ peerId: signer.peerId })).faults.map(({ line, what }) => `${line}: ${what}`)
  }
  expect(await spoiled(lines)).toEqual([])
  expect(await spoiled(lines.with(1, lines[1]?.replace('"b"', '"x"') ?? ''))).toEqual([
    '3: record 2 does not follow the one before it: one of them was changed',
  ])
  expect(await spoiled(lines.toSpliced(1, 1))).toEqual(['2: record 2 stands where 1 belongs'])
  expect(await spoiled(lines.toSpliced(2, 0, lines[1] ?? ''))).toHaveLength(1)
  expect(await spoiled(lines.with(2, 'not a record'))).toEqual([
    '3: the line is no record',
    '4: record 3 does not follow the one before it: one of them was changed',
  ])
  expect(await spoiled(lines.slice(1))).toEqual(['1: it begins with record 1, and does not say why'])
})

it('one who writes the chain anew cannot sign it', async () => {
  const path = await written(created('a'))
  const [, seal = ''] = (await readFile(path, 'utf8')).split('\n')
  await rm(path)
  const other = createIdentity().signer
  store = createMemoryDisk().open()
  const forged = await openAuditIn({ folder, store, signer: other })
  await forged.record(created('harmless'))
  await forged.close()
  expect((await check({ peerId: signer.peerId })).faults).toMatchObject([{ line: 2 }])
  const lines = (await readFile(path, 'utf8')).split('\n')
  await writeFile(
    path,
    `${lines[0]}\n${seal.replace(/"previous":"[0-9a-f]+"/, previousIn(lines[1] ?? ''))}\n`,
  )
  expect((await check({ peerId: signer.peerId })).faults).toEqual([
    { path, line: 2, what: 'the signature of the seal does not hold' },
  ])
})

function previousIn(line: string): string {
  return /"previous":"[0-9a-f]+"/.exec(line)?.[0] ?? ''
}

it('a record that was noted down elsewhere is asked for', async () => {
  await written(created('a'), created('b'))
  const { newest } = await check()
  await written(created('c'))
  expect(await check({ record: newest })).toMatchObject({ faults: [] })
  expect((await check({ record: { sequence: 1, hash: '0'.repeat(64) } })).faultCount).toBe(1)
})

it('a line that a crash cut off is mended, and said', async () => {
  const path = await written(created('a'))
  await appendFile(path, '{"sequence":2,"prev')
  expect(await check()).toMatchObject({ unfinished: true, faults: [] })
  await written(created('b'))
  expect((await recordsIn(folder)).map(({ kind }) => kind)).toEqual([
    'key-created',
    'audit-sealed',
    'audit-mended',
    'key-created',
    'audit-sealed',
  ])
  expect(await check()).toMatchObject({ unfinished: false, faults: [] })
})

it('who cuts the files while the node is down is found out at the next start', async () => {
  const path = await written(created('a'), created('b'))
  await truncate(path, (await readFile(path, 'utf8')).indexOf('\n') + 1)
  const log = memoryLog()
  const audit = await openAuditIn({ folder, store, signer, log })
  await audit.close()
  expect(log.events.map(({ event }) => event)).toContain('audit-damaged')
  expect((await recordsIn(folder)).map(({ kind }) => kind)).toContain('audit-damaged')
})

it('files are closed by size, and the oldest go, with a word', async () => {
  const audit = await openAuditIn({ folder, store, signer, segmentBytes: 2_000, segments: 3 })
  for (let at = 0; at < 60; at++) await audit.record(created(`key ${at}`))
  await audit.close()
  expect(await filesIn()).toHaveLength(3)
  const checked = await check({ peerId: signer.peerId })
  expect(checked.first).toBeGreaterThan(0)
  expect(checked.faults).toEqual([])
  // Each file but the newest ends with a seal.
  const files = await filesIn()
  for (const file of files.slice(0, -1)) {
    const last = (await readFile(join(folder, file), 'utf8')).trimEnd().split('\n').at(-1)
    expect(JSON.parse(last ?? '')).toMatchObject({ kind: 'audit-sealed' })
  }
  await rm(join(folder, files[0] ?? ''))
  expect((await check()).faultCount).toBe(1)
})

it('what strangers do again and again is a number', async () => {
  const clock = createVirtualClock(1_000)
  const audit = await openAuditIn({ folder, store, signer, clock })
  const refused = (of: string): AuditAct => ({
    kind: 'admission-refused',
    by: of,
    of: 'net',
    outcome: 'refused',
  })
  for (let at = 0; at < 1_000; at++) audit.note(refused('mallory'))
  for (let at = 0; at < 1_000; at++) audit.note(refused(`peer ${at}`))
  await clock.advance(600_000)
  await audit.close()
  const refusals = (await recordsIn(folder)).filter(({ kind }) => kind === 'admission-refused')
  expect(refusals).toHaveLength(34)
  expect(refusals.find(({ by, facts }) => by === 'mallory' && facts !== undefined)?.facts).toEqual({
    more: 999,
  })
  expect(refusals.find(({ by }) => by === 'others')?.facts).toEqual({ more: 969 })
})
