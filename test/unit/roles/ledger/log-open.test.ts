import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Level } from 'level'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Store } from '../../../../src/ports/store.js'
import { type Disk, openLevelStore } from '../../../../src/services/store/level-store.js'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import { encodeCbor } from '../../../../src/wire/cbor.js'
import { formatNote, parseNote } from '../../../../src/wire/note.js'
import {
  commitAll,
  firstWishes,
  KEYS,
  mustAppend,
  openOwnLog,
  someWishes,
} from '../../../helpers/ledger-log.js'
import { Wishes } from '../../../helpers/signed-ledger.js'

const wishes = new Wishes()
const FIRST = await firstWishes(wishes)
const MORE = await someWishes(wishes, 150)

/** Fills a store in commits of seven, so that its log has many records. */
async function fill(store: Store): Promise<number> {
  const log = await openOwnLog(store)
  for (const [at, wish] of [...FIRST, ...MORE].entries()) {
    mustAppend(log, wish)
    if (at % 7 === 6) await commitAll(log, store)
  }
  await commitAll(log, store)
  return log.size
}

describe('a log on a level store whose files were damaged', () => {
  async function filled(): Promise<{ readonly path: string; readonly wal: string; readonly size: number }> {
    const path = await mkdtemp(join(tmpdir(), 'edgecoder-ledger-'))
    onTestFinished(() => rm(path, { recursive: true, force: true }))
    const store = await openLevelStore(path)
    const size = await fill(store)
    await store.close()
    const wal = join(path, (await readdir(path)).find((name) => name.endsWith('.log')) ?? '')
    return { path, wal, size }
  }

  /** LevelDB as it is, without our own look at its log: to see what the ledger finds by itself. */
  const plainDisk: Disk = {
    async probe() {},
    async open(path) {
      const level = new Level<string, Uint8Array>(path, { keyEncoding: 'utf8', valueEncoding: 'view' })
      await level.open()
      return {
        get: (key) => level.get(key),
        getSync: (key) => level.getSync(key),
        getMany: (keys) => level.getMany(keys),
        iterator: (range) => level.iterator(range),
        snapshot() {
          const snapshot = level.snapshot()
          return {
            iterator: (range) => level.iterator({ ...range, snapshot }),
            close: () => snapshot.close(),
          }
        },
        write: (writes) => level.batch([...writes], { sync: true }),
        close: () => level.close(),
      }
    },
  }

  async function openPlain(path: string) {
    const store = await openLevelStore(path, plainDisk)
    onTestFinished(() => store.close())
    return openOwnLog(store)
  }

  it('opens when nothing was', async () => {
    const { path, size } = await filled()
    expect((await openPlain(path)).size).toBe(size)
  })

  it('is refused by store and ledger alike when one byte was flipped inside', async () => {
    const { path, wal, size } = await filled()
    const whole = await readFile(wal)
    let holes = 0
    for (const part of [0.2, 0.4, 0.6, 0.8]) {
      const bytes = Buffer.from(whole)
      const at = Math.floor(bytes.length * part)
      bytes[at] = (bytes[at] ?? 0) ^ 0x10
      const copy = `${path}-${part}`
      onTestFinished(() => rm(copy, { recursive: true, force: true }))
      await cp(path, copy, { recursive: true })
      await writeFile(wal.replace(path, copy), bytes)
      await expect(openLevelStore(copy)).rejects.toMatchObject({ code: 'store-corrupt' })
      // LevelDB alone opens it without a word, and leaves out what stood there.
      const opened = await openPlain(copy).then(
        (log) => log.size,
        (cause) => cause,
      )
      expect(opened).toMatchObject({
        code: 'store-corrupt',
        next: expect.stringContaining('Nothing was signed'),
      })
      holes++
    }
    expect([holes, size]).toEqual([4, 607])
  })

  it('goes on from what is whole when the end of its last file was cut off or is all zero', async () => {
    const { path, wal, size } = await filled()
    const whole = await readFile(wal)
    const sizes: number[] = []
    for (const [n, keep] of [0.3, 0.5, 0.7, 0.9].entries()) {
      const cut = Math.floor(whole.length * keep)
      const bytes =
        n % 2 === 0 ? whole.subarray(0, cut) : Buffer.concat([whole.subarray(0, cut), Buffer.alloc(9_000)])
      const copy = `${path}-${n}`
      onTestFinished(() => rm(copy, { recursive: true, force: true }))
      await cp(path, copy, { recursive: true })
      await writeFile(wal.replace(path, copy), bytes)
      const log = await openPlain(copy)
      mustAppend(log, await wishes.transfer('ann', 'bob', 1n))
      sizes.push(log.size)
    }
    expect(sizes.every((each, n) => each > (sizes[n - 1] ?? 0) && each < size)).toBe(true)
  })
})

describe('a log whose records were changed', () => {
  async function opened(change: (store: Store) => Promise<void>): Promise<unknown> {
    const disk = createMemoryDisk()
    const store = disk.open()
    await fill(store)
    await change(store)
    return openOwnLog(store).then(
      (log) => log.size,
      (cause) => cause,
    )
  }
  const put = (key: string, value: Uint8Array) => (store: Store) =>
    store.commit([{ type: 'put', key, value }])
  const del = (key: string) => (store: Store) => store.commit([{ type: 'del', key }])
  const flip = (key: string) => async (store: Store) => {
    const value = Uint8Array.from((await store.get(key)) ?? [])
    value[value.length - 1] = (value.at(-1) ?? 0) ^ 1
    await store.commit([{ type: 'put', key, value }])
  }

  it.each([
    ['an entry is missing', del(KEYS.entry(300)), 'entry 300 is missing'],
    ['an entry near the end is missing', del(KEYS.entry(600)), 'is missing'],
    ['an entry was changed', flip(KEYS.entry(100)), 'tile 0/0'],
    ['an entry past the last full tile was changed', flip(KEYS.entry(605)), 'the root over its 607'],
    ['there is an entry too many', put(KEYS.entry(607), Uint8Array.of(1)), 'entry 607 is there'],
    ['a tile is missing', del(KEYS.tile(0, 1)), 'tile 0/1'],
    ['a tile was changed', flip(KEYS.tile(0, 1)), 'tile 0/1'],
    ['an upper tile was changed', flip(KEYS.tile(1, 0)), 'tile 1/0'],
    ['the head is gone', del(KEYS.head), 'entry 0 is there'],
    [
      'the head is not a checkpoint',
      put(KEYS.head, Buffer.from('nonsense')),
      'its last checkpoint is not good',
    ],
    ['the state is of fewer entries', del(KEYS.record('log', '')), 'its state is that of 0 entries'],
    ['a balance was changed', put(KEYS.record('balance', 'ann'), encodeCbor(5)), 'all balances sum to'],
    ['a balance is below zero', put(KEYS.record('balance', 'ann'), encodeCbor(-5)), 'ann has -5'],
    ['a balance is no number', put(KEYS.record('balance', 'ann'), encodeCbor('5')), 'damaged'],
    ['the mark is beyond the end', put(KEYS.verified, Buffer.from('9999')), '9999 entries were checked'],
    ['the mark is nonsense', put(KEYS.verified, Buffer.from('many')), 'the mark'],
  ])('is not opened: %s', async (_what, change, says) => {
    expect(await opened(change)).toMatchObject({
      code: 'store-corrupt',
      message: expect.stringContaining(says),
      next: expect.any(String),
    })
  })

  it('is not opened with a head that another key signed', async () => {
    const other = async (store: Store) => {
      const note = parseNote((await store.get(KEYS.head)) ?? new Uint8Array())
      if ('refused' in note) throw new Error(note.detail)
      const signatures = note.signatures.map((each) => ({ ...each, signature: new Uint8Array(64) }))
      await store.commit([{ type: 'put', key: KEYS.head, value: formatNote({ ...note, signatures }) }])
    }
    expect(await opened(other)).toMatchObject({ code: 'store-corrupt' })
  })

  it('was checked up to its end when it opened, and begins there the next time', async () => {
    const store = createMemoryDisk().open()
    const size = await fill(store)
    await openOwnLog(store)
    expect(Buffer.from((await store.get(KEYS.verified)) ?? []).toString()).toBe(String(size))
    // What lies before the mark was read then; an audit reads it again.
    await del(KEYS.entry(3))(store)
    expect((await openOwnLog(store)).size).toBe(size)
  })
})
