import { describe, expect, it } from 'vitest'
import { DEFAULT_TERMS } from '../../../../src/core/economy/terms.js'
import { indexOf } from '../../../../src/core/ledger/line.js'
import { isRefusal } from '../../../../src/core/refusal.js'
import type { Store } from '../../../../src/ports/store.js'
import { earlierIn, openContinuedMirror } from '../../../../src/roles/ledger/continued-mirror.js'
import { continueLog, continuingGenesis } from '../../../../src/roles/ledger/log-continuation.js'
import { logKeys } from '../../../../src/roles/ledger/log-keys.js'
import type { LibraryLog } from '../../../../src/roles/ledger/log-library.js'
import type { LogCut } from '../../../../src/roles/ledger/log-line.js'
import { rebuildLog } from '../../../../src/roles/ledger/log-rebuild.js'
import { type LogWriter, openLogWriter, type Wish } from '../../../../src/roles/ledger/log-writer.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createMetrics } from '../../../../src/services/observe/metrics.js'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import { logOrigin } from '../../../../src/wire/checkpoint.js'
import { sha256Tree } from '../../../../src/wire/tree-hash.js'
import {
  commitAll,
  contentOf,
  firstWishes,
  KEYS,
  mustAppend,
  ORIGIN,
  openOwnLog,
  someWishes,
} from '../../../helpers/ledger-log.js'
import { HOME, NETWORK, seededSigner, signedEvidence, Wishes } from '../../../helpers/signed-ledger.js'

const SUCCESSOR = seededSigner(7)
const NEXT = 'ledger|w1'
const NEXT_ORIGIN = logOrigin(NETWORK, HOME, 2)
const NOW_MS = 1_800_000_100_000
const FIRST_POLICY = new Uint8Array(32).fill(9)

const wishes = new Wishes()
const WISHES = [...(await firstWishes(wishes)), ...(await someWishes(wishes, 200))]

/** A log of 807 entries, on a store of its own. */
async function old(): Promise<{ readonly store: Store; readonly log: LogWriter }> {
  const store = createMemoryDisk().open()
  const log = await openOwnLog(store)
  for (const wish of WISHES) mustAppend(log, wish)
  await commitAll(log, store)
  return { store, log }
}

async function cutOf({ reader }: LibraryLog, size: number): Promise<LogCut> {
  const root = await reader.rootAt(size)
  if (root === undefined) throw new Error('a tile is missing')
  return { origin: ORIGIN, size, root }
}

/** State records of a log, as text, by table and key. */
async function stateOf(store: Store, prefix: string): Promise<ReadonlyMap<string, string>> {
  const content = await contentOf(store)
  const under = `${prefix}|s|`
  return new Map(
    [...content].flatMap(([key, value]) => (key.startsWith(under) ? [[key.slice(under.length), value]] : [])),
  )
}

/** The state of a log that ended at a size. */
async function stateAt(size: number): Promise<ReadonlyMap<string, string>> {
  const store = createMemoryDisk().open()
  const log = await openOwnLog(store)
  for (const wish of WISHES.slice(0, size)) mustAppend(log, wish)
  await commitAll(log, store)
  return stateOf(store, 'ledger|0')
}

const libraryOf = (...logs: readonly LibraryLog[]) => ({
  find: (origin: string) => logs.find(({ key }) => key.name === origin),
})

function continued(store: Store, log: LibraryLog, cut: LogCut, signal?: AbortSignal) {
  const parts = { store, evidence: signedEvidence(), earlier: earlierIn(libraryOf(log)) }
  return continueLog(parts, { cut, prefix: NEXT }, signal === undefined ? {} : { signal })
}

function openNext(store: Store, signer = SUCCESSOR): Promise<LogWriter> {
  const clock = createVirtualClock(NOW_MS)
  return openLogWriter(
    { store, signer, clock, metrics: createMetrics() },
    { origin: NEXT_ORIGIN, prefix: NEXT },
  )
}

function genesis(log: LogWriter, cut: LogCut): Wish {
  const name = { network: NETWORK, home: HOME, epoch: 2, coordinator: SUCCESSOR.peerId }
  const entry = continuingGenesis(log.state, name, { cut, first: FIRST_POLICY, timeMs: NOW_MS })
  return { kind: 'genesis', entry, evidence: { sequence: 0, terms: DEFAULT_TERMS } }
}

/** The log of the second epoch, begun where the first was cut, and what is written in it then. */
async function begun(size: number) {
  const { log } = await old()
  const cut = await cutOf(log, size)
  const store = createMemoryDisk().open()
  expect(await continued(store, log, cut)).toBeUndefined()
  const next = await openNext(store)
  mustAppend(next, genesis(next, cut))
  return { log, cut, store, next }
}

describe('a log of a later epoch', () => {
  it.each([1, 7, 300, 807])('goes on with the state at the cut, at %i entries', async (size) => {
    const { log } = await old()
    const store = createMemoryDisk().open()
    expect(await continued(store, log, await cutOf(log, size))).toBeUndefined()
    expect(await stateOf(store, NEXT)).toEqual(await stateAt(size))
  })

  it('is written on, opens again, and knows what was said before the cut', async () => {
    const { store, next } = await begun(400)
    const wish = WISHES[300]
    if (wish === undefined) throw new Error('there are 807')
    expect(next.append(wish)).toEqual({ outcome: 'existed', index: 300 - 400 })
    const more = await wishes.transfer('bob', 'ann', 5n)
    const index = mustAppend(next, more)
    expect([index, next.append(more)]).toEqual([1, { outcome: 'existed', index: 1 }])
    await commitAll(next, store)
    const again = await openNext(store)
    expect([again.size, again.state.get('line', '')]).toEqual([2, { epoch: 1, size: 400, before: 400 }])
    expect([indexOf(again.state, 401), indexOf(again.state, 399)]).toEqual([1, undefined])
  })

  it('writes again what lies beyond the cut', async () => {
    const { next } = await begun(403)
    const lost = WISHES[403]
    if (lost === undefined) throw new Error('there are 807')
    expect(mustAppend(next, lost)).toBe(1)
  })

  it('does not open before its state is there', async () => {
    const store = createMemoryDisk().open()
    await expect(openNext(store)).rejects.toMatchObject({ code: 'log-unconfirmed' })
  })

  it('begins from nothing where nothing was written before', async () => {
    const store = createMemoryDisk().open()
    const cut = { origin: ORIGIN, size: 0, root: sha256Tree.empty }
    const parts = { store, evidence: signedEvidence(), earlier: () => undefined }
    expect(await continueLog(parts, { cut, prefix: NEXT })).toBeUndefined()
    const next = await openNext(store)
    mustAppend(next, genesis(next, cut))
    expect(next.state.get('line', '')).toEqual({ epoch: 0, size: 0, before: 0 })
  })
})

describe('making the state', () => {
  it.each([1, 2, 3, 4])('begins anew after a crash at commit %i, and comes to the same', async (commits) => {
    const { log } = await old()
    const cut = await cutOf(log, 807)
    let left = commits
    const stuck = Promise.withResolvers<void>()
    const disk = createMemoryDisk((done) => {
      if (left-- > 0) done()
      else stuck.resolve()
    })
    continued(disk.open(), log, cut).catch(() => {})
    await stuck.promise
    left = Number.POSITIVE_INFINITY
    disk.crash()
    const store = disk.open()
    await expect(openNext(store)).rejects.toMatchObject({ code: 'log-unconfirmed' })
    expect(await continued(store, log, cut)).toBeUndefined()
    expect(await stateOf(store, NEXT)).toEqual(await stateAt(807))
  })

  it('takes another cut as long as nothing was signed, and none over it once it was', async () => {
    const { log } = await old()
    const store = createMemoryDisk().open()
    expect(await continued(store, log, await cutOf(log, 500))).toBeUndefined()
    const cut = await cutOf(log, 400)
    expect(await continued(store, log, cut)).toBeUndefined()
    expect(await stateOf(store, NEXT)).toEqual(await stateAt(400))
    const next = await openNext(store)
    mustAppend(next, genesis(next, cut))
    await commitAll(next, store)
    const before = await contentOf(store)
    expect(await continued(store, log, await cutOf(log, 500))).toBeUndefined()
    expect(await contentOf(store)).toEqual(before)
  })

  it('refuses a cut of what is not here, or of another root, and is stopped by its signal', async () => {
    const { log } = await old()
    const store = createMemoryDisk().open()
    const cut = await cutOf(log, 807)
    expect(await continued(store, log, { ...cut, size: 808 })).toMatchObject({ code: 'not-final' })
    expect(await continued(store, log, { ...cut, root: FIRST_POLICY })).toMatchObject({ code: 'log-forked' })
    const stop = new AbortController()
    stop.abort()
    expect(await continued(store, log, cut, stop.signal)).toMatchObject({ code: 'cancelled' })
    await expect(openNext(store)).rejects.toMatchObject({ code: 'log-unconfirmed' })
  })

  it('leaves alone what a restore put there', async () => {
    const { log } = await old()
    const store = createMemoryDisk().open()
    const keys = logKeys(NEXT)
    await store.commit([{ type: 'put', key: keys.flag, value: Buffer.from('unconfirmed') }])
    expect(await continued(store, log, await cutOf(log, 7))).toMatchObject({ code: 'log-unconfirmed' })
  })
})

describe('its mirror', () => {
  it('waits for the log before it, then has the same state, and checks on', async () => {
    const { log, store, next } = await begun(400)
    mustAppend(next, await wishes.transfer('bob', 'ann', 5n))
    await commitAll(next, store)
    const there = createMemoryDisk().open()
    const here: LibraryLog[] = []
    const library = { find: (origin: string) => libraryOf(...here).find(origin) }
    const parts = { store: there, evidence: signedEvidence(), library }
    const mirror = await openContinuedMirror(parts, { key: next.key, prefix: NEXT })
    expect(await mirror.follow(next.reader.parts(0))).toMatchObject({ code: 'not-final', signed: false })
    expect(mirror.head).toBeUndefined()
    here.push(log)
    expect(await mirror.follow(next.reader.parts(0))).toBeUndefined()
    expect(mirror.head).toEqual(next.head)
    expect(await stateOf(there, NEXT)).toEqual(await stateOf(store, NEXT))
    const again = await openContinuedMirror(parts, { key: next.key, prefix: NEXT })
    const more = await wishes.transfer('ann', 'bob', 1n)
    mustAppend(next, more)
    await commitAll(next, store)
    expect(await again.follow(next.reader.parts(2))).toBeUndefined()
    expect(again.state.get('balance', 'ann')).toBe(next.state.get('balance', 'ann'))
  })

  it('does not go along with a beginning that has another root than the log here', async () => {
    const { log, store, next } = await begun(400)
    await commitAll(next, store)
    const other = createMemoryDisk().open()
    const fork = await openOwnLog(other)
    for (const wish of WISHES.slice(0, 399)) mustAppend(fork, wish)
    for (const wish of WISHES.slice(403)) if (!isRefusal(fork.append(wish))) continue
    await commitAll(fork, other)
    expect(fork.size).toBeGreaterThan(400)
    const parts = { store: createMemoryDisk().open(), evidence: signedEvidence(), library: libraryOf(fork) }
    const mirror = await openContinuedMirror(parts, { key: next.key, prefix: NEXT })
    expect(await mirror.follow(next.reader.parts(0))).toMatchObject({ code: 'not-final' })
    expect([log.size, mirror.head]).toEqual([807, undefined])
    expect(KEYS.head).toBe('ledger|0|h')
  })
})

describe('a rebuild', () => {
  it('of a log of a later epoch begins with what it goes on from', async () => {
    const { log, store, next } = await begun(300)
    const more = await wishes.transfer('bob', 'ann', 11n)
    mustAppend(next, more)
    await commitAll(next, store)
    const whole = await contentOf(store)
    const keys = logKeys(NEXT)
    await store.commit([{ type: 'del', key: keys.record('account', 'bob') }])
    const parts = { store, evidence: signedEvidence() }
    const rebuilt = { key: next.key, prefix: NEXT }
    const before = await contentOf(store)
    expect(await rebuildLog({ ...parts, earlier: () => undefined }, rebuilt)).toMatchObject({
      code: 'not-final',
    })
    expect(await contentOf(store)).toEqual(before)
    expect(await rebuildLog({ ...parts, earlier: earlierIn(libraryOf(log)) }, rebuilt)).toBe(2)
    const without = (content: ReadonlyMap<string, string>) =>
      new Map([...content].filter(([key]) => key !== keys.verified))
    expect(without(await contentOf(store))).toEqual(without(whole))
    await openNext(store)
  })
})
