import { beforeEach, describe, expect, it } from 'vitest'
import { isRefusal, refusal } from '../../../../src/core/refusal.js'
import type { Store } from '../../../../src/ports/store.js'
import type { EvidenceReader } from '../../../../src/roles/ledger/evidence.js'
import { openLogMirror } from '../../../../src/roles/ledger/log-mirror.js'
import type { LogReader } from '../../../../src/roles/ledger/log-reader.js'
import type { IndexedRow } from '../../../../src/roles/ledger/wallet-index.js'
import { rebuildWalletRows } from '../../../../src/roles/ledger/wallet-rebuild.js'
import { createMemoryDisk, type MemoryDisk } from '../../../../src/services/store/memory-store.js'
import {
  commitAll,
  contentOf,
  firstWishes,
  KEYS,
  LOG_KEY,
  mustAppend,
  openOwnLog,
  PREFIX,
  someWishes,
} from '../../../helpers/ledger-log.js'
import { signedEvidence, Wishes } from '../../../helpers/signed-ledger.js'

const ROUNDS = 30

let disk: MemoryDisk
let store: Store

/** A log of all sorts of work, in commits of a few entries. */
async function written(): Promise<void> {
  const log = await openOwnLog(store)
  const wishes = new Wishes()
  for (const [at, wish] of [
    ...(await firstWishes(wishes)),
    ...(await someWishes(wishes, ROUNDS)),
  ].entries()) {
    mustAppend(log, wish)
    if (at % 7 === 0) await commitAll(log, store)
  }
  await commitAll(log, store)
}

beforeEach(async () => {
  disk = createMemoryDisk()
  store = disk.open()
  await written()
})

async function readerOf(of: Store): Promise<LogReader> {
  return (await openOwnLog(of)).reader
}

/** All rows of an account, page by page. */
async function rowsOf(reader: LogReader, account: string, page: number): Promise<readonly IndexedRow[]> {
  const rows: IndexedRow[] = []
  for (let before = reader.size; ; before = rows.at(-1)?.index ?? 0) {
    const some = await reader.walletRows(account, before, page)
    rows.push(...some)
    if (some.length < page) return rows
  }
}

async function walletContent(of: Store): Promise<ReadonlyMap<string, string>> {
  const content = await contentOf(of)
  return new Map([...content].filter(([key]) => key.startsWith(KEYS.walletMark)))
}

describe('wallet rows', () => {
  it.each(['ann', 'bob', 'cid'])('of %s lead, one after the other, to its balance', async (account) => {
    const reader = await readerOf(store)
    const rows = (await rowsOf(reader, account, 1_000)).toReversed()
    let balance = 0n
    for (const row of rows) {
      balance += row.amount
      expect(row.balance).toBe(balance)
    }
    const state = (await openOwnLog(store)).state
    expect(balance).toBe(state.get('balance', account))
    expect(rows.length).toBeGreaterThanOrEqual(ROUNDS)
  })

  it.each([1, 2, 3, 50])('are the same in pages of %i', async (page) => {
    const reader = await readerOf(store)
    const all = await rowsOf(reader, 'ann', 1_000)
    expect(await rowsOf(reader, 'ann', page)).toEqual(all)
    // Granted once; each round holds once, settles, releases, and is sent something.
    expect(all).toHaveLength(1 + ROUNDS * 4)
    expect(all.map(({ index }) => index)).toEqual(all.map(({ index }) => index).toSorted((a, b) => b - a))
  })

  it('are not of accounts whose names only begin alike, nor of those that are nobody’s', async () => {
    const reader = await readerOf(store)
    for (const account of ['an', 'annn', 'sys:treasury', 'hold:ann:1'])
      expect(await reader.walletRows(account, reader.size, 10)).toEqual([])
  })

  it('survive a crash together with their entries: those of a commit that was lost are not there', async () => {
    const log = await openOwnLog(store)
    const before = await walletContent(store)
    mustAppend(log, await new Wishes().transfer('bob', 'ann', 77n))
    log.writes()
    disk.crash()
    const again = disk.open()
    expect(await walletContent(again)).toEqual(before)
    expect((await readerOf(again)).size).toBe(log.size - 1)
  })

  it('are made by a mirror just as by the writer', async () => {
    const mirrored = createMemoryDisk().open()
    const evidence = signedEvidence()
    const mirror = await openLogMirror({ store: mirrored, evidence }, { key: LOG_KEY, prefix: PREFIX })
    expect(await mirror.follow((await readerOf(store)).parts(0))).toBeUndefined()
    expect(await walletContent(mirrored)).toEqual(await walletContent(store))
  })
})

describe('a log that was written before there were rows', () => {
  const rebuild = async (evidence: EvidenceReader = signedEvidence()) =>
    rebuildWalletRows({ store, evidence }, { reader: await readerOf(store), key: LOG_KEY, prefix: PREFIX })

  async function withoutRows(): Promise<ReadonlyMap<string, string>> {
    const rows = await walletContent(store)
    await store.commit([...rows.keys()].map((key) => ({ type: 'del' as const, key })))
    return rows
  }

  it('gets the very same ones', async () => {
    const rows = await withoutRows()
    const { size } = await readerOf(store)
    expect(await rebuild()).toBe(size)
    expect(await walletContent(store)).toEqual(rows)
    expect(await rebuild()).toBe(0)
  })

  it('gets them at the next start, when it was interrupted', async () => {
    const rows = await withoutRows()
    const some = [...rows.keys()].filter((key) => key !== KEYS.walletMark).slice(0, 20)
    await store.commit(some.map((key) => ({ type: 'put', key, value: Buffer.from('1 1') })))
    expect(await rebuild()).toBeGreaterThan(0)
    expect(await walletContent(store)).toEqual(rows)
  })

  it('is left without, when one of its entries cannot be proven', async () => {
    await withoutRows()
    const none: EvidenceReader = { signatures: 0, prove: () => refusal('not-found', 'nothing is known') }
    expect(isRefusal(await rebuild(none))).toBe(true)
    expect((await walletContent(store)).has(KEYS.walletMark)).toBe(false)
  })
})

it('a damaged row is named', async () => {
  const reader = await readerOf(store)
  const [last] = await reader.walletRows('ann', reader.size, 1)
  const key = KEYS.walletRow('ann', last?.index ?? 0)
  await store.commit([{ type: 'put', key, value: Buffer.from('12') }])
  await expect(reader.walletRows('ann', reader.size, 1)).rejects.toMatchObject({ code: 'store-corrupt' })
})
