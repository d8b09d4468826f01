import { beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '../../../../src/ports/store.js'
import { logKeys } from '../../../../src/roles/ledger/log-keys.js'
import { openLogTip } from '../../../../src/roles/ledger/log-tip.js'
import type { LogWriter } from '../../../../src/roles/ledger/log-writer.js'
import { recordBytes } from '../../../../src/roles/ledger/record-codec.js'
import type { StateRecord } from '../../../../src/roles/ledger/state-digest.js'
import { TipBuilder } from '../../../../src/roles/ledger/tip-builder.js'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import {
  commitAll,
  contentOf,
  firstWishes,
  LOG_KEY,
  mustAppend,
  openOwnLog,
  someWishes,
} from '../../../helpers/ledger-log.js'
import { signedEvidence, Wishes } from '../../../helpers/signed-ledger.js'

const TIP = { key: LOG_KEY, prefix: 'tip' }
const wishes = new Wishes()
const FIRST = await firstWishes(wishes)
const MORE = await someWishes(wishes, 3)

let writer: LogWriter
let written: Store
let records: readonly StateRecord[]
let store: Store

beforeEach(async () => {
  written = createMemoryDisk().open()
  writer = await openOwnLog(written)
  for (const wish of FIRST) mustAppend(writer, wish)
  await commitAll(writer, written)
  const all: StateRecord[] = []
  for await (const record of writer.reader.snapshot().records()) all.push(record)
  records = all
  store = createMemoryDisk().open()
})

async function builder(): Promise<TipBuilder> {
  const { head } = writer
  if (head === undefined) throw new Error('entries were written')
  const frontier = { size: head.size, hashes: await writer.reader.frontier(head.size) }
  const made = new TipBuilder(store, TIP, { peer: 'giver', head, frontier })
  await made.begin()
  return made
}

/** @returns what was refused first, while it was added or at its end */
async function build(all: readonly StateRecord[]) {
  const made = await builder()
  return (await made.add(all)) ?? (await made.end())
}

const opened = () => openLogTip({ store, evidence: signedEvidence() }, TIP)
const changed = (key: string, value: Uint8Array): StateRecord[] =>
  records.map((record) => (record.key === key ? { key, value } : record))
const without = (key: string): StateRecord[] => records.filter((record) => record.key !== key)
const balanceOf = (key: string): bigint => writer.state.get('balance', key) ?? 0n

describe('a tip that is built of records', () => {
  it('goes on from them as the log does, over a restart', async () => {
    expect(await build(records)).toBeUndefined()
    const tip = await opened()
    expect(tip?.start).toMatchObject({ peer: 'giver', size: FIRST.length, proven: false })
    expect(tip?.start.digest).toEqual(await writer.reader.snapshot().digest())
    for (const wish of MORE) mustAppend(writer, wish)
    await commitAll(writer, written)
    expect(await tip?.follow(writer.reader.parts(FIRST.length))).toBeUndefined()
    const again = await opened()
    expect(again?.head).toEqual(writer.head)
    expect(again?.state.get('balance', 'cid')).toBe(writer.state.get('balance', 'cid'))
    const state: StateRecord[] = []
    for await (const record of writer.reader.snapshot().records()) state.push(record)
    const { gte, lt } = logKeys(TIP.prefix).state
    const here: StateRecord[] = []
    for await (const [key, value] of store.range({ gte, lt }))
      here.push({ key: key.slice(gte.length), value })
    expect(here).toEqual(state)
  })

  it.each<[string, () => readonly StateRecord[]]>([
    ['no log', () => without('0|')],
    ['a record twice', () => [...records.slice(0, 3), ...records.slice(2)]],
    ['records in another order', () => [...records].reverse()],
    ['a table that does not exist', () => [...records, { key: '~|x', value: Uint8Array.of(1) }]],
    [
      'a key that is written otherwise',
      () => [...records.slice(0, 1), { key: 'a|%ann', value: Uint8Array.of(1) }],
    ],
    ['a key that cannot be read', () => [...records.slice(0, 1), { key: 'a|%%', value: Uint8Array.of(1) }]],
    ['a record of another form', () => changed('b|ann', Uint8Array.of(0x80))],
    [
      'a record with bytes behind it',
      () => changed('b|ann', Buffer.concat([recordBytes('balance', 1n), Uint8Array.of(0)])),
    ],
    ['credits from nowhere', () => changed('b|ann', recordBytes('balance', balanceOf('ann') + 1n))],
    [
      'a balance below zero',
      () =>
        changed('b|ann', recordBytes('balance', -1n)).map((record) =>
          record.key === 'b|bob'
            ? { ...record, value: recordBytes('balance', balanceOf('bob') + balanceOf('ann') + 1n) }
            : record,
        ),
    ],
    [
      'another size',
      () => {
        const log = writer.state.get('log', '')
        return log === undefined ? [] : changed('0|', recordBytes('log', { ...log, size: log.size + 1 }))
      },
    ],
    [
      'another log',
      () => {
        const log = writer.state.get('log', '')
        return log === undefined ? [] : changed('0|', recordBytes('log', { ...log, home: 'Other' }))
      },
    ],
  ])('is refused with %s, and nothing of it is left', async (_what, made) => {
    expect(await build(made())).toMatchObject({ refused: true, code: 'wrong-evidence' })
    expect(await opened()).toBeUndefined()
    expect([...(await contentOf(store)).keys()]).toEqual([])
  })

  it('is none before its end', async () => {
    const made = await builder()
    expect(await made.add(records)).toBeUndefined()
    expect(await opened()).toBeUndefined()
    expect([...(await contentOf(store)).keys()]).toEqual([])
  })

  it('refuses what does not go on from it, and an entry that may not stand, and stays as it was', async () => {
    await build(records)
    const tip = await opened()
    for (const wish of MORE) mustAppend(writer, wish)
    await commitAll(writer, written)
    const before = await contentOf(store)
    for await (const part of writer.reader.parts(FIRST.length)) {
      async function* altered(by: object) {
        yield { ...part, ...by }
      }
      expect(await tip?.follow(altered({ from: part.from + 1 }))).toMatchObject({ code: 'entry-conflict' })
      const entries = part.entries.map((entry, at) =>
        at === 1 ? entry.map((b, i) => (i === 9 ? b ^ 1 : b)) : entry,
      )
      expect(await tip?.follow(altered({ entries }))).toMatchObject({ code: 'malformed', signed: false })
      expect(await tip?.follow(altered({ checkpoint: Uint8Array.of(1) }))).toMatchObject({ signed: false })
    }
    expect(await contentOf(store)).toEqual(before)
    expect(await tip?.follow(writer.reader.parts(FIRST.length))).toBeUndefined()
    expect(tip?.head).toEqual(writer.head)
  })

  it('is deleted where it is damaged', async () => {
    await build(records)
    await store.commit([{ type: 'put', key: 'tip|n', value: new Uint8Array(32) }])
    expect(await opened()).toBeUndefined()
    expect([...(await contentOf(store)).keys()]).toEqual([])
  })
})
