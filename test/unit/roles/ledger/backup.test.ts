import { describe, expect, it } from 'vitest'
import { isRefusal, refusal } from '../../../../src/core/refusal.js'
import type { Store } from '../../../../src/ports/store.js'
import { auditLog, auditParts } from '../../../../src/roles/ledger/audit-log.js'
import { backupLogs } from '../../../../src/roles/ledger/backup.js'
import { backupParts, verifyBackup } from '../../../../src/roles/ledger/backup-file.js'
import type { EvidenceReader } from '../../../../src/roles/ledger/evidence.js'
import { createLogCommitter } from '../../../../src/roles/ledger/log-committer.js'
import type { LogWriter } from '../../../../src/roles/ledger/log-writer.js'
import { restoreBackup } from '../../../../src/roles/ledger/restore.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import { noteKey } from '../../../../src/wire/note-key.js'
import {
  commitAll,
  contentOf,
  firstWishes,
  KEYS,
  LOG_KEY,
  mustAppend,
  ORIGIN,
  openOwnLog,
  PREFIX,
  someWishes,
} from '../../../helpers/ledger-log.js'
import {
  COORDINATOR,
  GATEWAY,
  NETWORK,
  seededSigner,
  signedEvidence,
  Wishes,
} from '../../../helpers/signed-ledger.js'

const wishes = new Wishes()
const FIRST = await firstWishes(wishes)
const MORE = await someWishes(wishes, 300)
const LATER = await someWishes(wishes, 40, 1_000)
const clock = createVirtualClock(1_800_000_000_000)
const EXPECTED = { network: NETWORK, coordinator: COORDINATOR.peerId }

async function written(rest: typeof MORE = MORE) {
  const disk = createMemoryDisk()
  const store = disk.open()
  const log = await openOwnLog(store)
  for (const wish of [...FIRST, ...rest]) mustAppend(log, wish)
  await commitAll(log, store)
  return { disk, store, log }
}

async function backup(log: LogWriter, network = NETWORK, signer = COORDINATOR): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  const logs = [{ key: log.key, reader: log.reader }]
  for await (const chunk of backupLogs({ signer, clock }, { network, logs })) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** The file in chunks that keep to no frame. */
function source(file: Uint8Array, chunk = 1_009): () => AsyncIterable<Uint8Array> {
  return async function* () {
    for (let at = 0; at < file.length; at += chunk) yield file.subarray(at, at + chunk)
  }
}

function restore(store: Store, file: Uint8Array, expected: object = EXPECTED, options = {}) {
  const init = {
    ...EXPECTED,
    ...expected,
    prefixOf: (origin: string) => (origin === ORIGIN ? PREFIX : undefined),
  }
  return restoreBackup({ store, evidenceOf: async () => signedEvidence() }, source(file), init, options)
}

describe('a backup', () => {
  it('made under load is whole, and restored elsewhere is the same log', async () => {
    const { store, log } = await written()
    const committer = createLogCommitter(log, store)
    const chunks: Uint8Array[] = []
    let next = 0
    const logs = [{ key: log.key, reader: log.reader }]
    for await (const chunk of backupLogs({ signer: COORDINATOR, clock }, { network: NETWORK, logs })) {
      chunks.push(chunk)
      mustAppend(log, LATER[next++] as (typeof LATER)[number])
      await committer.settle()
    }
    expect(next).toBeGreaterThan(5)
    const file = Buffer.concat(chunks)
    const verified = await verifyBackup(source(file)(), EXPECTED)
    if (isRefusal(verified)) throw new Error(verified.detail)
    const size = verified.logs[0]?.size ?? 0
    expect([size >= 1_207 && size < log.size, verified.entries]).toEqual([true, size])
    const there = createMemoryDisk().open()
    const steps = new Set<string>()
    const restored = await restore(
      there,
      file,
      {},
      { onProgress: ({ step }: { step: string }) => steps.add(step) },
    )
    expect(restored).toEqual([{ origin: ORIGIN, size, own: true }])
    expect([...steps]).toEqual(['verify', 'restore'])
    const again = await openOwnLog(there)
    for (let index = 0; index < size; index++) {
      expect(await again.reader.entry(index)).toEqual(await log.reader.entry(index))
    }
    const report = await auditLog(
      { store: there, evidence: signedEvidence() },
      { key: LOG_KEY, prefix: PREFIX },
    )
    expect(report).toMatchObject({ complete: true, size, mismatches: [], root: verified.logs[0]?.root })
  })

  it('is restored to the very records of the log it was made of', async () => {
    const { store, log } = await written()
    const there = createMemoryDisk().open()
    await restore(there, await backup(log))
    const [mine, theirs] = [new Map(await contentOf(store)), new Map(await contentOf(there))]
    expect(Buffer.from(theirs.get(KEYS.flag) ?? '', 'hex').toString()).toBe('unconfirmed')
    theirs.delete(KEYS.flag)
    for (const content of [mine, theirs]) content.delete(KEYS.verified)
    expect(theirs).toEqual(mine)
  })

  it('that was restored takes nothing before others confirmed its latest checkpoint, over restarts too', async () => {
    const { log } = await written()
    const disk = createMemoryDisk()
    await restore(disk.open(), await backup(log))
    disk.crash()
    const again = await openOwnLog(disk.open())
    const wish = LATER[0] as (typeof LATER)[number]
    expect(again.closed).toMatchObject({ code: 'log-unconfirmed', next: expect.any(String) })
    expect(again.append(wish)).toMatchObject({ code: 'log-unconfirmed' })
    const { size, root } = log.head ?? { size: 0, root: new Uint8Array() }
    expect(await again.confirm({ size: size + 1, root })).toMatchObject({ code: 'log-unconfirmed' })
    expect(await again.confirm({ size, root: new Uint8Array(32) })).toMatchObject({ code: 'log-forked' })
    expect(await again.confirm({ size: 5, root })).toMatchObject({ code: 'log-forked' })
    expect(again.append(wish)).toMatchObject({ code: 'log-unconfirmed' })
    expect(await again.confirm({ size, root })).toBeUndefined()
    expect(again.append(wish)).toMatchObject({ outcome: 'applied' })
    disk.crash()
    expect((await openOwnLog(disk.open())).closed).toBeUndefined()
  })

  it('is audited as a file', async () => {
    const { log } = await written()
    const file = await backup(log)
    const report = await auditParts(
      backupParts(source(file)(), EXPECTED, ORIGIN),
      { evidence: signedEvidence() },
      { key: LOG_KEY },
    )
    expect(report).toMatchObject({ complete: true, size: 1_207, mismatches: [] })
    const cut = await auditParts(
      backupParts(source(file.subarray(0, file.length - 300))(), EXPECTED, ORIGIN),
      { evidence: signedEvidence() },
      { key: LOG_KEY },
    )
    expect(cut).toMatchObject({ complete: false, mismatches: [{ where: 'log', code: 'malformed' }] })
  })
})

describe('a backup that must not be restored', () => {
  it('is refused with nothing written: cut off, edited, longer, of another network or coordinator', async () => {
    const { log } = await written()
    const file = await backup(log)
    const edited = (at: number) => {
      const copy = Buffer.from(file)
      copy[at] = (copy[at] ?? 0) ^ 1
      return copy
    }
    const bad: [Uint8Array, object?][] = [
      [new Uint8Array()],
      [Buffer.from('something else')],
      [Buffer.concat([file, Buffer.from('x')])],
      [file, { network: 'other' }],
      [file, { coordinator: GATEWAY.peerId }],
    ]
    for (let n = 0; n < 12; n++) {
      bad.push([file.subarray(0, Math.floor((file.length * n) / 12) + (n === 11 ? 0 : 1))])
      bad.push([edited(Math.floor((file.length * n) / 12) + n)])
    }
    const codes = new Set<string>()
    for (const [each, expected] of bad) {
      const store = createMemoryDisk().open()
      const outcome = await restore(store, each, expected)
      expect(isRefusal(outcome) && outcome.detail !== '').toBe(true)
      if (isRefusal(outcome)) codes.add(outcome.code)
      expect((await contentOf(store)).size).toBe(0)
    }
    for (const code of ['malformed', 'wrong-type', 'wrong-network', 'bad-signature'])
      expect(codes).toContain(code)
    // The same file, signed by another.
    const other = await backup(log, NETWORK, seededSigner(77))
    expect(await restore(createMemoryDisk().open(), other)).toMatchObject({ code: 'bad-signature' })
  })

  it('is refused with any one byte changed', async () => {
    const { log } = await written([])
    const file = await backup(log)
    const whole = await verifyBackup(source(file)(), EXPECTED)
    expect(isRefusal(whole)).toBe(false)
    for (let at = 0; at < file.length; at += 11) {
      const copy = Buffer.from(file)
      copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8))
      expect([at, isRefusal(await verifyBackup(source(copy)(), EXPECTED))]).toEqual([at, true])
    }
  })

  it('is refused when it is older than what is there, or something else; and goes on from what is less', async () => {
    const { store, log } = await written()
    const older = await backup((await written(MORE.slice(0, 500))).log)
    const before = await contentOf(store)
    expect(await restore(store, older)).toMatchObject({ code: 'stale-backup', next: expect.any(String) })
    const fork = await written([...LATER, ...MORE.slice(0, 1_100)])
    expect(await restore(store, await backup(fork.log))).toMatchObject({ code: 'log-forked' })
    expect(await contentOf(store)).toEqual(before)
    expect(await restore(store, await backup(log))).toMatchObject([{ size: 1_207 }])
    expect(await contentOf(store)).toEqual(before)
    // A log that lacks its latest entries gets them.
    const less = await written(MORE.slice(0, 500))
    expect(await restore(less.store, await backup(log))).toMatchObject([{ size: 1_207, own: true }])
    const again = await openOwnLog(less.store)
    expect([again.head, again.closed?.code]).toEqual([log.head, 'log-unconfirmed'])
  })

  it('by the rules, such as by an older policy, leaves nothing of it behind', async () => {
    const { log } = await written()
    const evidence = signedEvidence()
    let left = 900
    const older: EvidenceReader = {
      signatures: 0,
      prove: (entry) =>
        left-- > 0 ? evidence.prove(entry) : refusal('not-found', 'policy message 9 is not here yet'),
    }
    const store = createMemoryDisk().open()
    const init = { ...EXPECTED, prefixOf: (origin: string) => (origin === ORIGIN ? PREFIX : undefined) }
    const outcome = await restoreBackup(
      { store, evidenceOf: async () => older },
      source(await backup(log)),
      init,
    )
    expect(outcome).toMatchObject({ code: 'not-found' })
    expect((await contentOf(store)).size).toBe(0)
  })

  it('has a log under another key than policy gives it', async () => {
    const { log } = await written([])
    const keyOf = () => noteKey('note', ORIGIN, GATEWAY.publicKey)
    const verified = await verifyBackup(source(await backup(log))(), { ...EXPECTED, keyOf })
    expect(verified).toMatchObject({ code: 'bad-signature' })
  })

  it('and was interrupted, leaves a log that does not open until it is restored', async () => {
    const { log } = await written()
    const file = await backup(log)
    const disk = createMemoryDisk()
    const store = disk.open()
    const stop = new AbortController()
    const onProgress = ({ step }: { step: string }) => step === 'restore' && stop.abort()
    expect(await restore(store, file, {}, { signal: stop.signal, onProgress })).toMatchObject({
      code: 'cancelled',
    })
    disk.crash()
    const after = disk.open()
    await expect(openOwnLog(after)).rejects.toMatchObject({ code: 'log-unconfirmed' })
    expect(await restore(after, file)).toMatchObject([{ size: 1_207 }])
    expect((await openOwnLog(after)).head).toEqual(log.head)
  })
})
