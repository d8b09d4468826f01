import { describe, expect, it } from 'vitest'
import type { Store } from '../../../../src/ports/store.js'
import { auditLog, auditParts } from '../../../../src/roles/ledger/audit-log.js'
import type { LogPart } from '../../../../src/roles/ledger/log-reader.js'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import { encodeCbor } from '../../../../src/wire/cbor.js'
import { type Entry, encodeEntry } from '../../../../src/wire/ledger/entry.js'
import {
  commitAll,
  firstWishes,
  KEYS,
  LOG_KEY,
  mustAppend,
  openOwnLog,
  PREFIX,
  someWishes,
} from '../../../helpers/ledger-log.js'
import { signedEvidence, Wishes } from '../../../helpers/signed-ledger.js'

const wishes = new Wishes()
const FIRST = await firstWishes(wishes)
const MORE = await someWishes(wishes, 300)
const LATER = await someWishes(wishes, 2, 1_000)
const WHERE = { key: LOG_KEY, prefix: PREFIX }

async function written() {
  const store = createMemoryDisk().open()
  const log = await openOwnLog(store)
  for (const wish of [...FIRST, ...MORE]) mustAppend(log, wish)
  await commitAll(log, store)
  return { store, log }
}
const audit = (store: Store, options = {}) => auditLog({ store, evidence: signedEvidence() }, WHERE, options)

describe('an audit', () => {
  it('finds nothing wrong in what is right, and says what it read', async () => {
    const { store, log } = await written()
    const sizes: number[] = []
    const report = await audit(store, { onProgress: ({ size }: { size: number }) => sizes.push(size) })
    expect(report).toMatchObject({
      complete: true,
      size: 1_207,
      mismatches: [],
      mismatchCount: 0,
      checkpoints: 2,
    })
    expect(report.root).toEqual(log.head?.root)
    expect(report.kinds).toMatchObject({
      genesis: 1,
      hold: 300,
      settle: 300,
      release: 300,
      'transfer-out': 300,
    })
    // One each for the admin's statements (the policy of the genesis among them) and orders, two for a settlement.
    expect(report.signatures).toBe(7 + 300 + 600 + 300)
    // ann, bob, cid, fees, treasury, issuance.
    expect(report.balances).toBe(6)
    expect(report.records).toBeGreaterThan(1_207 + 600)
    expect(sizes).toEqual([1_024, 1_207])
  })

  it('is right about a log that goes on meanwhile', async () => {
    const { store, log } = await written()
    let more = 0
    const report = await audit(store, {
      onProgress: () => {
        mustAppend(log, LATER[more++] as (typeof LATER)[number])
        void store.commit(log.writes()).then(() => log.committed())
      },
    })
    expect(report).toMatchObject({ complete: true, mismatches: [] })
    expect(report.size).toBeGreaterThan(1_207)
  })

  it('stops when it is told to, and says so', async () => {
    const { store } = await written()
    const stop = new AbortController()
    const report = await audit(store, { signal: stop.signal, onProgress: () => stop.abort() })
    expect(report).toMatchObject({ complete: false, size: 1_024, mismatchCount: 0 })
  })

  it('lets others have their turn often, and comes to the same', async () => {
    const { store } = await written()
    let breaths = 0
    const breathe = async () => {
      breaths++
    }
    expect(await audit(store, { breathe })).toEqual(await audit(store))
    // While entries are checked, while they are applied, and while stored records are compared.
    expect(breaths).toBeGreaterThan((3 * 1_207) / 128)
  })

  it.each<[string, (store: Store) => Promise<void>, object]>([
    [
      'an entry is missing',
      (store) => store.commit([{ type: 'del', key: KEYS.entry(40) }]),
      { where: 'log', code: 'store-corrupt' },
    ],
    [
      'a stored balance',
      put('balance', 'ann', 5n),
      { where: 'state', detail: expect.stringContaining('balance record "ann"') },
    ],
    [
      'a balance too many',
      put('balance', 'eve', 5n),
      { where: 'state', detail: expect.stringContaining('"eve"') },
    ],
    [
      'a hold is gone',
      (store) => store.commit([{ type: 'del', key: KEYS.record('hold', 'ann:5') }]),
      { where: 'state', detail: '599 hold records are stored, 600 follow from the entries' },
    ],
    ['an entry of the index', put('entry', 'grant/00', [3, new Uint8Array(32)]), { where: 'state' }],
  ])('names what is wrong: %s', async (_what, change, mismatch) => {
    const { store } = await written()
    await change(store)
    const report = await audit(store)
    expect(report.mismatchCount).toBe(1)
    expect(report.mismatches[0]).toMatchObject(mismatch)
  })

  function put(table: 'balance' | 'entry', key: string, value: unknown) {
    return (store: Store) =>
      store.commit([{ type: 'put', key: KEYS.record(table, key), value: encodeCbor(value) }])
  }

  it('names each entry that may not stand, and judges those after it all the same', async () => {
    const { log } = await written()
    const [first, second] = await partsOf(log.reader.parts(0))
    const settle = MORE[1]?.entry as Extract<Entry, { kind: 'settle' }>
    const entries = (first as LogPart).entries.map((encoded, at) => {
      if (at === 8) return encodeEntry({ ...settle, paid: settle.paid + 1n })
      if (at === 100) return Uint8Array.of(1, 2, 3)
      if (at === 5) return encodeEntry({ ...FIRST[5]?.entry, reference: 'other' } as Entry)
      return encoded
    })
    const report = await auditParts(
      of([{ ...(first as LogPart), entries }, second as LogPart]),
      { evidence: signedEvidence() },
      WHERE,
    )
    const entriesWrong = report.mismatches.filter(({ where }) => where === 'entry')
    expect(entriesWrong.map(({ at, code }) => [at, code]).slice(0, 2)).toEqual([
      [5, 'wrong-evidence'],
      [7, 'insufficient-credits'],
    ])
    expect(entriesWrong.some(({ at, code }) => at === 100 && code === 'malformed')).toBe(true)
    // The roots of both checkpoints are others, too.
    const checkpoints = report.mismatches.filter(({ where }) => where === 'checkpoint')
    expect(report.complete && report.size === 1_207 && report.mismatchCount > 100).toBe(true)
    expect(report.mismatches.length).toBe(100)
    expect(checkpoints.length).toBe(0)
  })

  it('names a checkpoint that is of other entries, or that nobody signed', async () => {
    const { log } = await written()
    const [first, second] = (await partsOf(log.reader.parts(0))) as [LogPart, LogPart]
    const changed = encodeEntry({ ...FIRST[6]?.entry, timeMs: 1 } as Entry)
    const entries = first.entries.map((encoded, at) => (at === 6 ? changed : encoded))
    const wrongRoot = await auditParts(of([{ ...first, entries }]), { evidence: signedEvidence() }, WHERE)
    expect(wrongRoot.mismatches).toMatchObject([{ where: 'checkpoint', at: 1_024, code: 'log-forked' }])
    const swapped = await auditParts(
      of([{ ...first, checkpoint: second.checkpoint }]),
      { evidence: signedEvidence() },
      WHERE,
    )
    expect(swapped.mismatches).toMatchObject([{ where: 'checkpoint', at: 1_024, code: 'malformed' }])
    const unsigned = await auditParts(
      of([{ ...first, checkpoint: Buffer.from('none') }]),
      { evidence: signedEvidence() },
      WHERE,
    )
    expect(unsigned.mismatches).toMatchObject([{ where: 'checkpoint', at: 1_024, code: 'malformed' }])
  })
})

async function partsOf(parts: AsyncIterable<LogPart>): Promise<readonly LogPart[]> {
  const all: LogPart[] = []
  for await (const part of parts) all.push(part)
  return all
}

async function* of(parts: readonly LogPart[]): AsyncIterable<LogPart> {
  yield* parts
}
