import { afterEach, expect, it } from 'vitest'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import { sha256Tree } from '../../../../src/wire/tree-hash.js'
import { fillLog, ReplicatingMesh, wishesOf } from '../../../helpers/replicating.js'
import { seededSigner } from '../../../helpers/signed-ledger.js'

const [HERE, THERE] = [7, 8]
const HOME = seededSigner(HERE).peerId
const NEVER = new AbortController().signal

let mesh: ReplicatingMesh
afterEach(() => mesh.clock.dispose())

/** Both hold 8 entries of the log of {@link HERE}; a copy of its disk has only the first 5. */
async function copiedBack() {
  mesh = new ReplicatingMesh([HERE, THERE])
  const disk = createMemoryDisk()
  const store = disk.open()
  const writer = await mesh.openOwn(HERE, store)
  await fillLog(HOME, writer, store, 5)
  const old = disk.fork()
  await fillLog(HOME, writer, store, 8)
  const before = await mesh.replicate(HERE, store, writer)
  const thereStore = createMemoryDisk().open()
  const there = await mesh.replicate(THERE, thereStore, await mesh.openOwn(THERE, thereStore))
  const origin = mesh.originOf(HERE)
  await mesh.until('all of it to be final', () => there.standing(origin, 7) === 'final')
  await before.stop(NEVER)
  const oldStore = old.open()
  return { there, origin, store: oldStore, writer: await mesh.openOwn(HERE, oldStore) }
}

it('tells that others hold more of the own log, by its own signature, and signs nothing more', async () => {
  const { there, origin, store, writer } = await copiedBack()
  const wishes = wishesOf(HOME, writer)
  const waiting = (await wishes.next()).value
  const replication = await mesh.replicate(HERE, store, writer)
  const told: number[] = []
  replication.onOwnDiffers((size) => {
    told.push(size)
    // Decided, not yet signed.
    writer.append(waiting)
    void writer.suspend()
  })
  await mesh.until('it to be told', () => told.length > 0)
  expect(told).toEqual([8])
  expect(replication.view().ownLongerElsewhere).toBe(8)
  expect(() => writer.writes()).toThrow(expect.objectContaining({ code: 'log-unconfirmed' }))
  expect(writer.append((await wishes.next()).value)).toMatchObject({ refused: true, code: 'log-unconfirmed' })
  replication.grown()
  await mesh.clock.advance(60_000)
  expect(there.isolated()).toEqual([])
  expect(there.view().logs.find((log) => log.origin === origin)).toMatchObject({ size: 8, isolated: false })
})

it('goes on, and is cosigned again, when what was missing has come back', async () => {
  const { there, origin, store, writer } = await copiedBack()
  await writer.suspend()
  expect((await mesh.openOwn(HERE, store)).closed).toMatchObject({ code: 'log-unconfirmed' })
  const filling = await mesh.replicate(HERE, store, undefined)
  const held = (): number => filling.view().logs.find((log) => log.origin === origin)?.size ?? 0
  await mesh.until('the rest to come', () => held() === 8 && filling.confirmedBy(origin).length === 1)
  await filling.stop(NEVER)
  const again = await mesh.openOwn(HERE, store)
  const { size, root } = again.head ?? { size: 0, root: sha256Tree.empty }
  expect(size).toBe(8)
  expect(await again.confirm({ size, root })).toBeUndefined()
  await fillLog(HOME, again, store, 9)
  await mesh.replicate(HERE, store, again)
  await mesh.until('the next entry to be final', () => there.standing(origin, 8) === 'final')
  expect(there.isolated()).toEqual([])
})
