import { afterEach, describe, expect, it } from 'vitest'
import type { Log } from '../../../../src/ports/log.js'
import type { Store } from '../../../../src/ports/store.js'
import type { LogWriter } from '../../../../src/roles/ledger/log-writer.js'
import type { LogView, Replication } from '../../../../src/roles/replication/replication.js'
import { createMemoryDisk, type MemoryDisk } from '../../../../src/services/store/memory-store.js'
import { decodeRecord, encodeRecord } from '../../../../src/wire/ledger/record.js'
import { RECORD_FIELDS } from '../../../../src/wire/ledger/record-fields.js'
import { fillLog, ReplicatingMesh } from '../../../helpers/replicating.js'
import type { Says } from '../../../helpers/saying.js'
import { seededSigner } from '../../../helpers/signed-ledger.js'

const [OWNER, OTHER, JOINER] = [7, 8, 9]
const HOME = seededSigner(OWNER).peerId
const NEVER = new AbortController().signal
const [SIZE, LATER] = [120, 150]
const snapshotLag = 50

let mesh: ReplicatingMesh
let owner: { readonly store: Store; readonly writer: LogWriter; readonly replication: Replication }
let other: { readonly store: Store; readonly replication: Replication }
let events: string[]
const log: Log = {
  debug() {},
  info: (name) => void events.push(name),
  warn: (name) => void events.push(name),
  error: (name) => void events.push(name),
  child: () => log,
}

/** Two coordinators have the log of the first, and it is final. */
async function two(says?: Says): Promise<void> {
  mesh = new ReplicatingMesh([OWNER, OTHER, JOINER])
  events = []
  const options = says === undefined ? {} : { says }
  const store = createMemoryDisk().open()
  const writer = await mesh.openOwn(OWNER, store)
  await fillLog(HOME, writer, store, SIZE)
  owner = { store, writer, replication: await mesh.replicate(OWNER, store, writer, options) }
  const otherStore = createMemoryDisk().open()
  const otherOwn = await mesh.openOwn(OTHER, otherStore)
  other = { store: otherStore, replication: await mesh.replicate(OTHER, otherStore, otherOwn, options) }
  await mesh.until('it to be final', () => other.replication.standing(origin(), SIZE - 1) === 'final')
}

afterEach(() => mesh.clock.dispose())

const origin = (): string => mesh.originOf(OWNER)
const viewOf = (replication: Replication): LogView | undefined =>
  replication.view().logs.find((each) => each.origin === origin())

/** Holds back what is asked of the log's beginning until it is let go. */
function holding(): { readonly says: Says; go(): void } {
  let held: (() => void)[] | undefined = []
  const says: Says = (body, later) => {
    if (body.case !== 'rangeAsk' || body.value.origin !== origin() || body.value.from >= SIZE) return body
    if (held === undefined) return body
    held.push(later)
    return undefined
  }
  const go = (): void => {
    for (const each of held?.splice(0) ?? []) each()
    held = undefined
  }
  return { says, go }
}

async function joiner(disk: MemoryDisk, says?: Says) {
  const store = disk.open()
  const own = await mesh.openOwn(JOINER, store)
  const options = { snapshotLag, log, ...(says === undefined ? {} : { says }) }
  return { store, replication: await mesh.replicate(JOINER, store, own, options) }
}

/** What lies under the mirror of the log; and under its tip, which must be nothing. */
async function copies(store: Store): Promise<readonly string[]> {
  const found: string[] = []
  for await (const [key, value] of store.range({ gte: 'others|', lt: 'others}' })) {
    const [, first = '', kind] = key.split('|')
    if (first === 'u') found.push(key)
    else if (first.length === 16 && kind !== 'v') found.push(`${key} ${Buffer.from(value).toString('hex')}`)
  }
  return found
}

/** Of the log of the owner, without checkpoints: each keeps those that it came by. */
async function mirrored(store: Store): Promise<readonly string[]> {
  const mark = (await copies(other.store)).find((line) => line.includes('|e|'))?.slice(0, 26) ?? ''
  return (await copies(store)).filter((line) => line.startsWith(mark) && !line.includes('|c|'))
}

/** A peer that adds to one balance what it takes from another. */
const falsely: Says = (body) => {
  if (body.case !== 'snapshotPiece') return body
  const by = 1_000_000n
  const records = body.value.records.map((record) => {
    const read = record.key.startsWith('b|') ? decodeRecord(RECORD_FIELDS.balance, record.value) : undefined
    if (read === undefined || 'refused' in read || by < 0n || !/^b\|(user|sys:issuance)/.test(record.key))
      return record
    const value = encodeRecord(
      RECORD_FIELDS.balance,
      read.value + (record.key === 'b|sys:issuance' ? -by : by),
    )
    return { ...record, value }
  })
  return { case: 'snapshotPiece', value: { ...body.value, records } }
}

describe('a coordinator that joins late', () => {
  it('is at the end at once, signs nothing before it has seen all, and proves what it was given', async () => {
    await two()
    const beginning = holding()
    const { store, replication } = await joiner(createMemoryDisk(), beginning.says)
    await mesh.until('a tip', () => viewOf(replication)?.tip !== undefined)
    const from = viewOf(replication)?.tip?.from
    expect(viewOf(replication)?.tip).toEqual({ size: SIZE, startSize: SIZE, from, proven: false })
    await fillLog(HOME, owner.writer, owner.store, LATER)
    owner.replication.grown()
    await mesh.until('it to follow', () => viewOf(replication)?.tip?.size === LATER)
    await mesh.clock.advance(5_000)
    expect(viewOf(replication)).toMatchObject({ size: 0, finalSize: 0, claimedSize: LATER })
    expect(replication.library.find(origin())?.head).toBeUndefined()
    expect(replication.standing(origin(), 0)).toBe('unknown')
    const asSeen = () =>
      owner.replication.view().peers.find(({ peerId }) => peerId === seededSigner(JOINER).peerId)
    expect(asSeen()).toMatchObject({ connected: true, behindEntries: expect.any(Number), cosignedSize: 0 })
    expect(owner.replication.confirmedBy(origin())).toHaveLength(2)
    beginning.go()
    await mesh.until('all of it', () => asSeen()?.cosignedSize === LATER)
    await mesh.until('no tip', () => viewOf(replication)?.tip === undefined)
    expect(events).toEqual(expect.arrayContaining(['snapshot-taken', 'snapshot-proven']))
    expect(events).not.toContain('snapshot-false')
    await replication.stop(NEVER)
    expect(await mirrored(store)).toEqual(await mirrored(other.store))
    expect((await copies(store)).filter((line) => line.startsWith('others|u'))).toEqual([])
  })

  it('throws away a false state once it has seen, says who gave it, and goes on', async () => {
    await two(falsely)
    const beginning = holding()
    const { store, replication } = await joiner(createMemoryDisk(), beginning.says)
    await mesh.until('a tip', () => viewOf(replication)?.tip !== undefined)
    beginning.go()
    await mesh.until('all of it', () => viewOf(replication)?.size === SIZE)
    await mesh.until('no tip', () => viewOf(replication)?.tip === undefined)
    expect(events).toContain('snapshot-false')
    expect(events).not.toContain('snapshot-proven')
    await fillLog(HOME, owner.writer, owner.store, LATER)
    owner.replication.grown()
    await mesh.until('it to go on', () => viewOf(replication)?.finalSize === LATER)
    expect(replication.isolated()).toEqual([])
    await replication.stop(NEVER)
    expect(await mirrored(store)).toEqual(await mirrored(other.store))
    expect((await copies(store)).filter((line) => line.startsWith('others|u'))).toEqual([])
  })

  it('comes to the same wherever its power goes off', { timeout: 120_000 }, async () => {
    await two()
    const disk = createMemoryDisk()
    const forks: MemoryDisk[] = []
    const beginning = holding()
    const store = disk.open()
    const commit = store.commit.bind(store)
    store.commit = async (writes) => {
      await commit(writes)
      forks.push(disk.fork())
    }
    const own = await mesh.openOwn(JOINER, store)
    const first = await mesh.replicate(JOINER, store, own, { snapshotLag, log, says: beginning.says })
    await mesh.until('a tip', () => viewOf(first)?.tip !== undefined)
    await fillLog(HOME, owner.writer, owner.store, LATER)
    owner.replication.grown()
    await mesh.until('it to follow', () => viewOf(first)?.tip?.size === LATER)
    beginning.go()
    await mesh.until('all of it', () => viewOf(first)?.size === LATER && viewOf(first)?.tip === undefined)
    await first.stop(NEVER)
    const expected = await mirrored(other.store)
    expect(forks.length).toBeGreaterThan(8)
    for (const fork of forks) {
      const { store: again, replication } = await joiner(fork)
      const done = () => viewOf(replication)?.finalSize === LATER && viewOf(replication)?.tip === undefined
      await mesh.until('all of it again', done)
      await replication.stop(NEVER)
      expect(await mirrored(again)).toEqual(expected)
      expect((await copies(again)).filter((line) => line.startsWith('others|u'))).toEqual([])
    }
    expect(events).not.toContain('snapshot-false')
  })

  it('asks nobody who does not know of it', async () => {
    const asked: string[] = []
    await two((body) => {
      if (body.case === 'hello') return { case: 'hello', value: { ...body.value, snapshots: false } }
      return body
    })
    const { replication } = await joiner(createMemoryDisk(), (body) => {
      asked.push(body.case ?? '')
      return body
    })
    await mesh.until('all of it', () => viewOf(replication)?.size === SIZE)
    expect(asked).toContain('rangeAsk')
    expect(asked).not.toContain('snapshotAsk')
  })
})
