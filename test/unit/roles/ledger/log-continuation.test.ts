import { describe, expect, it } from 'vitest'
import { indexOf } from '../../../../src/core/ledger/line.js'
import { auditLog, auditParts } from '../../../../src/roles/ledger/audit-log.js'
import { backupLogs } from '../../../../src/roles/ledger/backup.js'
import { earlierIn, openContinuedMirror } from '../../../../src/roles/ledger/continued-mirror.js'
import { continueLog } from '../../../../src/roles/ledger/log-continuation.js'
import { logKeys } from '../../../../src/roles/ledger/log-keys.js'
import type { LibraryLog } from '../../../../src/roles/ledger/log-library.js'
import { rebuildLog } from '../../../../src/roles/ledger/log-rebuild.js'
import { restoreBackup } from '../../../../src/roles/ledger/restore.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import { sha256Tree } from '../../../../src/wire/tree-hash.js'
import {
  begun,
  continued,
  cutOf,
  FIRST_POLICY,
  genesis,
  libraryOf,
  NEXT,
  NEXT_ORIGIN,
  old,
  openNext,
  SUCCESSOR,
  stateAt,
  stateOf,
  WISHES,
  wishes,
} from '../../../helpers/continued-log.js'
import { commitAll, contentOf, mustAppend, ORIGIN, openOwnLog } from '../../../helpers/ledger-log.js'
import { NETWORK, signedEvidence } from '../../../helpers/signed-ledger.js'

describe('a log of a later epoch', () => {
  it.each([1, 7, 300, 807])('goes on with the state at the cut, at %i entries', async (size) => {
    const { log } = await old()
    const store = createMemoryDisk().open()
    expect(await continued(store, log, await cutOf(log, size))).toBeUndefined()
    expect(await stateOf(store, NEXT)).toEqual(await stateAt(size))
  })

  it('is written on, opens again, and knows what was said before the cut', async () => {
    const { store, next, cut } = await begun(400)
    const wish = WISHES[300]
    if (wish === undefined) throw new Error('there are 807')
    expect(next.append(wish)).toEqual({ outcome: 'existed', index: 300 - 400 })
    const more = await wishes.transfer('bob', 'ann', 5n)
    const index = mustAppend(next, more)
    expect([index, next.append(more)]).toEqual([1, { outcome: 'existed', index: 1 }])
    await commitAll(next, store)
    const again = await openNext(store)
    expect([again.size, again.state.get('line', '')]).toMatchObject([
      2,
      { epoch: 1, size: 400, root: cut.root, before: 400 },
    ])
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
    expect(next.state.get('line', '')).toEqual({ epoch: 0, size: 0, root: undefined, before: 0 })
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

  it.each(['unconfirmed', 'restoring'])('leaves a place closed that was %s', async (flag) => {
    const { log } = await old()
    const store = createMemoryDisk().open()
    const keys = logKeys(NEXT)
    await store.commit([{ type: 'put', key: keys.flag, value: Buffer.from(flag) }])
    expect(await continued(store, log, await cutOf(log, 7))).toBeUndefined()
    expect(Buffer.from((await store.get(keys.flag)) ?? []).toString()).toBe(flag)
    expect(await stateOf(store, NEXT)).toEqual(await stateAt(7))
    if (flag === 'unconfirmed')
      expect((await openNext(store)).closed).toMatchObject({ code: 'log-unconfirmed' })
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
    for (const wish of WISHES.slice(403)) fork.append(wish)
    await commitAll(fork, other)
    expect(fork.size).toBeGreaterThan(400)
    const parts = { store: createMemoryDisk().open(), evidence: signedEvidence(), library: libraryOf(fork) }
    const mirror = await openContinuedMirror(parts, { key: next.key, prefix: NEXT })
    expect(await mirror.follow(next.reader.parts(0))).toMatchObject({ code: 'not-final' })
    expect([log.size, mirror.head]).toEqual([807, undefined])
  })
})

describe('of a log of a later epoch', () => {
  it('an audit begins with the logs before it, and says so when they are not there', async () => {
    const { log, store, next } = await begun(400)
    mustAppend(next, await wishes.transfer('bob', 'ann', 5n))
    await commitAll(next, store)
    const where = { key: next.key, prefix: NEXT }
    const earlier = earlierIn(libraryOf(log))
    const audited = await auditLog({ store, evidence: signedEvidence(), earlier }, where)
    expect(audited).toMatchObject({ complete: true, size: 2, mismatchCount: 0 })
    expect(audited.records).toBe((await stateOf(store, NEXT)).size)
    const alone = await auditLog({ store, evidence: signedEvidence() }, where)
    expect(alone).toMatchObject({ complete: false, size: 0, mismatchCount: 1 })
    expect(alone.mismatches).toMatchObject([{ where: 'log', code: 'not-final' }])
    const key = logKeys(NEXT).record('balance', 'bob')
    await store.commit([{ type: 'put', key, value: Uint8Array.of(0) }])
    const hurt = await auditLog({ store, evidence: signedEvidence(), earlier }, where)
    expect(hurt.mismatches).toMatchObject([{ where: 'state', code: 'store-corrupt' }])
    const parts = { evidence: signedEvidence(), earlier }
    expect(await auditParts(next.reader.parts(0), parts, where)).toMatchObject({
      complete: true,
      mismatchCount: 0,
    })
  })

  it('a backup holds it behind the log before it, and both come back, the interrupted one too', async () => {
    const { log, store, next } = await begun(400)
    mustAppend(next, await wishes.transfer('bob', 'ann', 5n))
    await commitAll(next, store)
    const chunks: Uint8Array[] = []
    const parts = { signer: SUCCESSOR, clock: createVirtualClock(1_800_000_000_000) }
    for await (const chunk of backupLogs(parts, { network: NETWORK, logs: [next, log] })) chunks.push(chunk)
    const file = Buffer.concat(chunks)
    const there = createMemoryDisk().open()
    const restore = (signal?: AbortSignal) =>
      restoreBackup(
        { store: there, evidenceOf: async () => signedEvidence() },
        async function* () {
          yield file
        },
        {
          network: NETWORK,
          coordinator: SUCCESSOR.peerId,
          prefixOf: (origin) => (origin === ORIGIN ? 'ledger|r|old' : NEXT),
        },
        signal === undefined ? {} : { signal },
      )
    const stop = new AbortController()
    const stopped = restore(stop.signal)
    stop.abort()
    expect(await stopped).toMatchObject({ refused: true })
    expect(await restore()).toEqual([
      { origin: ORIGIN, size: 807, own: false },
      { origin: NEXT_ORIGIN, size: 2, own: true },
    ])
    expect(await stateOf(there, NEXT)).toEqual(await stateOf(store, NEXT))
    const again = await openNext(there)
    expect([again.head, again.closed]).toMatchObject([next.head ?? {}, { code: 'log-unconfirmed' }])
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
