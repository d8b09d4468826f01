import { describe, expect, it } from 'vitest'
import { openLogMirror } from '../../../../src/roles/ledger/log-mirror.js'
import type { LogPart } from '../../../../src/roles/ledger/log-reader.js'
import { LogTree } from '../../../../src/roles/ledger/log-tree.js'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import { signCheckpoint } from '../../../../src/wire/checkpoint.js'
import { decodeEntry, type Entry, encodeEntry } from '../../../../src/wire/ledger/entry.js'
import { sha256Tree } from '../../../../src/wire/tree-hash.js'
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
import { COORDINATOR, signedEvidence, Wishes } from '../../../helpers/signed-ledger.js'

const wishes = new Wishes()
const FIRST = await firstWishes(wishes)
const MORE = await someWishes(wishes, 300)

/** A whole log of 1,207 entries, and its parts. */
async function written() {
  const store = createMemoryDisk().open()
  const log = await openOwnLog(store)
  for (const wish of [...FIRST, ...MORE]) mustAppend(log, wish)
  await commitAll(log, store)
  const parts: LogPart[] = []
  for await (const part of log.reader.parts(0)) parts.push(part)
  return { store, log, parts }
}

async function mirror() {
  const store = createMemoryDisk().open()
  const init = { key: LOG_KEY, prefix: PREFIX }
  return { store, mirror: await openLogMirror({ store, evidence: signedEvidence() }, init) }
}

async function mirrorOf(parts: readonly LogPart[]) {
  const there = await mirror()
  expect(await there.mirror.follow(of(parts))).toBeUndefined()
  return there
}

async function* of(parts: readonly LogPart[]): AsyncIterable<LogPart> {
  yield* parts
}

/** Entries under a checkpoint that the coordinator signs, whatever they are. */
function signedPart(entries: readonly Uint8Array[], from = 0, before = LogTree.EMPTY): LogPart {
  const { size, root } = before.append(entries).tree
  const checkpoint = signCheckpoint(
    { origin: LOG_KEY.name, size, root, extensions: [] },
    LOG_KEY,
    COORDINATOR,
  )
  return { from, entries, checkpoint }
}

/** The first entries, one of them changed by its writer. */
function firstWith(index: number, change: (entry: Entry) => object): readonly Uint8Array[] {
  return FIRST.map(({ entry }, at) =>
    encodeEntry(at === index ? ({ ...entry, ...change(entry) } as Entry) : entry),
  )
}

describe('a mirror', () => {
  it('has the very log in the end, state and all, and opens again', async () => {
    const { store, log, parts } = await written()
    expect(parts.map(({ entries }) => entries.length)).toEqual([1_024, 183])
    const there = await mirror()
    const sizes: number[] = []
    expect(
      await there.mirror.follow(of(parts), { onProgress: ({ size }) => sizes.push(size) }),
    ).toBeUndefined()
    expect(sizes).toEqual([1_024, 1_207])
    expect(there.mirror.head).toEqual(log.head)
    expect(await contentOf(there.store)).toEqual(await contentOf(store))
    const again = await openLogMirror(
      { store: there.store, evidence: signedEvidence() },
      { key: LOG_KEY, prefix: PREFIX },
    )
    expect([again.head, again.state.get('balance', 'cid')]).toEqual([
      log.head,
      log.state.get('balance', 'cid'),
    ])
  })

  it('stops between two parts when it is told to, and goes on later', async () => {
    const { parts, log } = await written()
    const there = await mirror()
    const stop = new AbortController()
    await there.mirror.follow(of(parts), { signal: stop.signal, onProgress: () => stop.abort() })
    expect(there.mirror.head?.size).toBe(1_024)
    expect(await there.mirror.follow(log.reader.parts(1_024))).toBeUndefined()
    expect(there.mirror.head).toEqual(log.head)
  })

  it.each<[string, number, (entry: Entry) => object, string]>([
    ['a grant of more than the admin signed', 5, () => ({ amount: 2_000_000_000n }), 'wrong-evidence'],
    ['a statement that nobody signed', 5, () => ({ statement: Uint8Array.of(1, 2, 3) }), 'malformed'],
    ['an account opened twice', 2, () => ({ ...FIRST[1]?.entry }), 'entry-conflict'],
    ['the genesis of another log', 0, () => ({ epoch: 7 }), 'wrong-evidence'],
    ['a genesis of who does not sign', 0, () => ({ coordinator: 'Other' }), 'wrong-evidence'],
  ])('refuses an entry that its writer signed all the same: %s', async (_what, index, change, code) => {
    const there = await mirror()
    const outcome = await there.mirror.take(signedPart(firstWith(index, change)))
    if (code === 'ok') expect(outcome).toMatchObject({ outcome: 'taken' })
    else {
      expect(outcome).toMatchObject({ code, index, signed: true })
      expect(there.mirror.state.get('log', '')).toBeUndefined()
      expect([...(await contentOf(there.store)).keys()]).toEqual([])
      expect(await there.mirror.take(signedPart(FIRST.map(({ entry }) => encodeEntry(entry))))).toMatchObject(
        {
          outcome: 'taken',
        },
      )
    }
  })

  it('refuses an order, a receipt and an acceptance of others in work that is paid', async () => {
    const first = FIRST.map(({ entry }) => encodeEntry(entry))
    const hold = MORE[0]?.entry as Extract<Entry, { kind: 'hold' }>
    const settle = MORE[1]?.entry as Extract<Entry, { kind: 'settle' }>
    const other = MORE[5]?.entry as Extract<Entry, { kind: 'settle' }>
    const flip = (bytes: Uint8Array) => bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte))
    const cases: readonly [readonly Entry[], string][] = [
      [[{ ...hold, order: flip(hold.order) }], 'bad-signature'],
      [[{ ...hold, order: settle.receipt }], 'wrong-type'],
      [[{ ...hold, rows: hold.rows.map((row) => ({ ...row, task: 'ann:999' })) }], 'wrong-evidence'],
      [[hold, { ...settle, receipt: flip(settle.receipt) }], 'bad-signature'],
      [[hold, { ...settle, receipt: other.receipt }], 'wrong-evidence'],
      [[hold, { ...settle, acceptance: other.acceptance }], 'wrong-evidence'],
      [[hold, { ...settle, acceptance: undefined }], 'wrong-evidence'],
      [[hold, { ...settle, paid: settle.paid + 1n, treasury: settle.treasury - 1n }], 'wrong-amount'],
    ]
    for (const [entries, code] of cases) {
      const there = await mirror()
      const outcome = await there.mirror.take(signedPart([...first, ...entries.map(encodeEntry)]))
      expect(outcome).toMatchObject({ code, index: 6 + entries.length, signed: true })
    }
  })

  it('refuses what is not the next, not signed, or was changed on its way', async () => {
    const { parts, log } = await written()
    const [first, second] = parts as [LogPart, LogPart]
    const there = await mirror()
    const hurt = (at: number) =>
      first.entries.map((each, n) => (n === at ? each.map((b, i) => (i === 20 ? b ^ 1 : b)) : each))
    expect(await there.mirror.take(second)).toMatchObject({ code: 'entry-conflict', signed: false })
    expect(await there.mirror.take({ ...first, entries: hurt(700) })).toMatchObject({
      code: 'malformed',
      signed: false,
    })
    expect(await there.mirror.take({ ...first, entries: first.entries.slice(1) })).toMatchObject({
      code: 'entry-conflict',
    })
    expect(await there.mirror.take({ ...first, checkpoint: second.checkpoint })).toMatchObject({
      code: 'entry-conflict',
    })
    expect(await there.mirror.take({ ...first, checkpoint: Buffer.from('x') })).toMatchObject({
      code: 'malformed',
      signed: false,
    })
    const unsigned = Buffer.from(first.checkpoint)
      .toString()
      .replace(/.{8}==?\n$/, 'AAAAAAA=\n')
    expect('code' in (await there.mirror.take({ ...first, checkpoint: Buffer.from(unsigned) }))).toBe(true)
    expect(await there.mirror.take({ ...first, entries: Array(4_000).fill(first.entries[0]) })).toMatchObject(
      { code: 'frame-too-large' },
    )
    expect(await there.mirror.follow(of(parts))).toBeUndefined()
    expect(there.mirror.head).toEqual(log.head)
    expect(await there.mirror.take(second)).toMatchObject({ code: 'entry-conflict' })
  })

  it('takes two checkpoints of one size with two roots for what they are', async () => {
    const there = await mirror()
    await there.mirror.take(signedPart(FIRST.map(({ entry }) => encodeEntry(entry))))
    const forked = signedPart(firstWith(6, () => ({ timeMs: 5 })))
    expect(await there.mirror.take(forked)).toMatchObject({ code: 'log-forked', signed: true })
  })

  it('has nothing of a part that could not be written, and takes it again', async () => {
    const { parts } = await written()
    const disk = createMemoryDisk()
    const store = disk.open()
    const there = await openLogMirror({ store, evidence: signedEvidence() }, { key: LOG_KEY, prefix: PREFIX })
    disk.full = true
    await expect(there.take(parts[0] as LogPart)).rejects.toMatchObject({ code: 'store-full' })
    expect(there.state.get('log', '')).toBeUndefined()
    disk.full = false
    expect(await there.follow(of(parts))).toBeUndefined()
  })

  it('has nothing of a part that was decided while the one before could not be written', async () => {
    const { parts, log } = await written()
    const disk = createMemoryDisk()
    const store = disk.open()
    const there = await openLogMirror({ store, evidence: signedEvidence() }, { key: LOG_KEY, prefix: PREFIX })
    disk.full = true
    await expect(there.follow(of(parts))).rejects.toMatchObject({ code: 'store-full' })
    expect([there.head, there.state.get('log', '')]).toEqual([undefined, undefined])
    disk.full = false
    expect(await there.follow(of(parts))).toBeUndefined()
    expect(there.head).toEqual(log.head)
  })

  it('keeps the part before one that is refused, whose entries had been decided while it was written', async () => {
    const { parts, log } = await written()
    const [first, second] = parts as [LogPart, LogPart]
    const there = await mirror()
    const leaves = first.entries.map((each) => sha256Tree.leaf(each))
    const before = LogTree.EMPTY.grow(leaves).tree
    // Its last entry says again what the first of it says.
    const bad = signedPart([...second.entries.slice(0, 50), ...second.entries.slice(0, 1)], 1_024, before)
    expect(await there.mirror.follow(of([first, bad]))).toMatchObject({ index: 1_074, signed: true })
    expect(there.mirror.state.get('log', '')?.size).toBe(1_024)
    expect(await contentOf(there.store)).toEqual(
      await contentOf(await mirrorOf([first]).then(({ store }) => store)),
    )
    expect(await there.mirror.follow(of([second]))).toBeUndefined()
    expect(there.mirror.head).toEqual(log.head)
  })

  it('lets a log of its own be filled again, and opened by its writer', async () => {
    const { parts, log } = await written()
    const there = await mirror()
    await there.mirror.follow(of(parts))
    const own = await openOwnLog(there.store)
    expect([own.head, own.closed]).toEqual([log.head, undefined])
    const entry = decodeEntry((await own.reader.entry(0)) ?? new Uint8Array())
    expect(entry).toMatchObject({ kind: 'genesis' })
    expect(await there.store.get(KEYS.checkpoint(1_024))).toBeDefined()
  })
})
