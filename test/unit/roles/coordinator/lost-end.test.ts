import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Reach } from '../../../../src/ports/log-reach.js'
import type { Store } from '../../../../src/ports/store.js'
import { findLostEnds } from '../../../../src/roles/coordinator/lost-end.js'
import { openLevelStore } from '../../../../src/services/store/level-store.js'
import { createMemoryDisk, type MemoryDisk } from '../../../../src/services/store/memory-store.js'
import { sha256Tree } from '../../../../src/wire/tree-hash.js'
import {
  commitAll,
  firstWishes,
  mustAppend,
  ORIGIN,
  openOwnLog,
  someWishes,
} from '../../../helpers/ledger-log.js'
import { HOME, NETWORK, Wishes } from '../../../helpers/signed-ledger.js'
import { paidChain } from '../../../simulation/paid-network.js'
import { Trio } from './trio.js'
import { type FakeGateway, type FakeWorker, testSigner, World } from './world.js'

const wishes = new Wishes()
const FIRST = await firstWishes(wishes)
const MORE = await someWishes(wishes, 3)

/** Appends to the log of a store. @returns how far it is then */
async function fill(store: Store, some: typeof FIRST): Promise<Reach> {
  const log = await openOwnLog(store)
  for (const wish of some) mustAppend(log, wish)
  await commitAll(log, store)
  if (log.head === undefined) throw new Error('nothing was written')
  return log.head
}

function lostOf(store: Store, origin: string, reach: Reach) {
  const known = new Map([[origin, reach]])
  return findLostEnds({ store, reach: { known } }, { networkId: NETWORK, self: HOME })
}

describe('what was durable is compared with what is there', () => {
  async function grown(): Promise<{ store: Store; first: Reach; last: Reach }> {
    const store = createMemoryDisk().open()
    const first = await fill(store, FIRST)
    return { store, first, last: await fill(store, MORE) }
  }

  it('a log that goes so far, or further, has lost nothing', async () => {
    const { store, first, last } = await grown()
    expect(await lostOf(store, ORIGIN, first)).toEqual([])
    expect(await lostOf(store, ORIGIN, last)).toEqual([])
    expect(await lostOf(createMemoryDisk().open(), ORIGIN, { size: 0, root: sha256Tree.empty })).toEqual([])
  })

  it('one that is shorter, not there at all, or another one, has', async () => {
    const { store, first, last } = await grown()
    const further = { size: last.size + 1, root: last.root }
    expect(await lostOf(store, ORIGIN, further)).toMatchObject([{ here: last.size, before: last.size + 1 }])
    const gone = await lostOf(createMemoryDisk().open(), ORIGIN, first)
    expect(gone).toMatchObject([{ origin: ORIGIN, here: 0, before: first.size }])
    const other = { size: first.size, root: last.root }
    expect(await lostOf(store, ORIGIN, other)).toMatchObject([{ here: last.size, before: first.size }])
  })

  it('logs of another network that the folder was of say nothing', async () => {
    const { store, last } = await grown()
    expect(await lostOf(store, ORIGIN.replace(NETWORK, 'other'), { ...last, size: 99 })).toEqual([])
    expect(await lostOf(store, 'no log', { ...last, size: 99 })).toEqual([])
  })

  it('a level store whose own log is damaged at its head opens, and what it has lost is found', async () => {
    const path = await mkdtemp(join(tmpdir(), 'edgecoder-head-'))
    onTestFinished(() => rm(path, { recursive: true, force: true }))
    const young = await openLevelStore(path)
    const first = await fill(young, FIRST)
    await young.close()
    // Opened again, it has made a table of the beginning.
    const store = await openLevelStore(path)
    const last = await fill(store, MORE)
    await store.close()
    const wal = (await readdir(path)).find((name) => name.endsWith('.log')) ?? ''
    const file = await open(join(path, wal), 'r+')
    await file.write(Buffer.alloc(256, 0xa5), 0, 256, 0)
    await file.close()
    const after = await openLevelStore(path)
    const lost = await lostOf(after, ORIGIN, last)
    await after.close()
    expect(lost).toMatchObject([{ here: first.size, before: last.size }])
  })
})

describe('a coordinator whose store has lost what came last', () => {
  let world: World
  let gateway: FakeGateway
  let worker: FakeWorker

  async function lone(): Promise<void> {
    const [workerSigner, gatewaySigner] = [testSigner(), testSigner()]
    world = new World({}, Date.UTC(2027, 5, 1))
    const chain = await paidChain({
      coordinators: [world.signer.peerId],
      gateways: [gatewaySigner.peerId],
      workers: [workerSigner.peerId],
      accounts: ['alice'],
    })
    await world.paidBy(chain).start()
    gateway = await world.gateway(gatewaySigner)
    worker = await world.worker({ signer: workerSigner })
  }

  async function pay(id: string): Promise<void> {
    await gateway.submit(gateway.header(id, { maxOutputTokens: 50 }))
    const ack = await worker.done(await worker.lease(), gateway)
    expect(ack.refusal).toBeUndefined()
  }

  async function startFrom(disk: MemoryDisk): Promise<void> {
    world.crash()
    world.disk = disk
    await world.start()
  }

  const entries = () => world.coordinator.ledger()?.entries ?? 0
  const notReady = () => world.coordinator.status().notReady

  it('does not go on alone, says so, and does once an admin gives it up', async () => {
    await lone()
    await pay('one')
    const older = world.disk.fork()
    const here = entries()
    await pay('two')
    const before = entries()
    expect(before).toBeGreaterThan(here)
    await startFrom(older)
    const why = {
      code: 'log-unconfirmed',
      detail: expect.stringContaining(`has ${here} entries here, of ${before} that were durable`),
      next: expect.stringMatching(
        /^Stop the node, and edgecoder backup restore .* edgecoder ledger confirm --yes$/,
      ),
    }
    expect([notReady(), world.coordinator.ledger()?.notReady]).toMatchObject([why, why])
    // A restart changes nothing of that.
    await startFrom(world.disk)
    expect(notReady()).toMatchObject(why)
    expect(world.coordinator.ledgerOffice()?.confirm(false)).toBeUndefined()
    await world.until(() => notReady() === undefined)
    await gateway.attach()
    await worker.attach()
    await pay('three')
    await startFrom(world.disk)
    expect(notReady()).toBeUndefined()
  })

  it('does not begin anew where all is lost', async () => {
    await lone()
    const before = entries()
    await startFrom(createMemoryDisk((done) => void world.clock.after(2, done)))
    const detail = expect.stringContaining(`has 0 entries here, of ${before} that were durable`)
    expect(notReady()).toMatchObject({ code: 'log-unconfirmed', detail })
    expect(entries()).toBe(0)
  })

  it('does not take other entries in the place of those it had', async () => {
    await lone()
    await pay('one')
    const [origin = '', reach] = [...world.reached][0] ?? []
    world.reached.set(origin, { size: reach?.size ?? 0, root: new Uint8Array(32) })
    await startFrom(world.disk)
    expect(notReady()).toMatchObject({ detail: expect.stringContaining('has other entries here than') })
  })

  it('gets it back from the others, and goes on by itself', async () => {
    const trio = await Trio.of(1_000_000n)
    const [seat] = trio.seats
    const older = seat.disk.fork()
    const here = seat.status().entries
    await trio.say('grant', { account: 'alice', amount: 5n, source: 'issuance', reference: 'second' })
    const isFinal = () => seat.status().entries > here && seat.status().finalEntries === seat.status().entries
    await trio.until(isFinal)
    const before = seat.status().entries
    seat.crash()
    seat.disk = older
    await seat.start()
    await trio.until(() => seat.status().notReady === undefined && seat.status().entries >= before)
    const waited = seat.logged.events.find(({ event }) => event === 'log-waits-for-confirmation')
    expect(waited?.fields['detail']).toContain(`of ${before} that were durable`)
    expect((await seat.wallet('alice')).available).toBe(1_000_005n)
  })

  it('with others that have not all of it, waits for an admin', async () => {
    const trio = await Trio.of(1_000_000n)
    const [seat] = trio.seats
    const { origin, entries: here } = seat.status()
    const reach = seat.reached.get(origin)
    seat.crash()
    seat.reached.set(origin, { size: here + 1, root: reach?.root ?? new Uint8Array() })
    await seat.start()
    await trio.until(() => seat.status().peers.every(({ connected }) => connected))
    await trio.clock.advance(120_000)
    expect(seat.coordinator.status().notReady).toMatchObject({ code: 'log-unconfirmed' })
    expect(seat.coordinator.ledgerOffice()?.confirm(false)).toBeUndefined()
    await trio.until(() => seat.coordinator.status().notReady === undefined)
  })
})
