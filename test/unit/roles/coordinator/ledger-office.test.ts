import { beforeEach, describe, expect, it } from 'vitest'
import { isRefusal, type Refusal } from '../../../../src/core/refusal.js'
import type { AuditEvent, LedgerOffice } from '../../../../src/roles/coordinator/ledger-office.js'
import { backupTasks, verifyBackup } from '../../../../src/roles/ledger/backup-file.js'
import { flagWrite } from '../../../../src/roles/ledger/log-flag.js'
import { logKeys } from '../../../../src/roles/ledger/log-keys.js'
import { checkProof } from '../../../../src/roles/ledger/proof-check.js'
import { logOrigin } from '../../../../src/wire/checkpoint.js'
import { noteKey } from '../../../../src/wire/note-key.js'
import { paidChain } from '../../../simulation/paid-network.js'
import { type FakeGateway, type FakeWorker, testSigner, World } from './world.js'

const OWN_LOG = logKeys('ledger|0')

let world: World
let gateway: FakeGateway
let worker: FakeWorker

beforeEach(async () => {
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
})

function office(): LedgerOffice {
  const found = world.coordinator.ledgerOffice()
  if (found === undefined) throw new Error('tasks are paid here')
  return found
}

function taken<T extends object>(value: T | Refusal): T {
  if (isRefusal(value)) throw new Error(`${value.code}: ${value.detail}`)
  return value
}

const never = new AbortController().signal

function header(id: string) {
  return gateway.header(id, { maxOutputTokens: 50 })
}

/** Submits one, and has it done and paid. */
async function pay(id: string): Promise<void> {
  await gateway.submit(header(id))
  const ack = await worker.done(await worker.lease(), gateway)
  expect(ack.refusal).toBeUndefined()
}

async function all(events: AsyncIterable<AuditEvent>): Promise<readonly AuditEvent[]> {
  const list: AuditEvent[] = []
  for await (const event of events) list.push(event)
  return list
}

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const list: Uint8Array[] = []
  for await (const chunk of chunks) list.push(chunk)
  return Buffer.concat(list)
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}

/** Starts again from the disk, after something was done to it. */
async function restart(change: () => Promise<void> = async () => {}): Promise<void> {
  world.crash()
  world.store = world.disk.open()
  await world.run(change())
  await world.run(world.store.close())
  await world.start()
}

function reconcile() {
  return world.run(office().reconcile(never))
}

describe('an audit', () => {
  it('reads the log again while tasks go on, and tells how far it is', async () => {
    await pay('one')
    const events = await world.run(all(taken(office().audit(undefined, never))))
    expect(events.map(({ type }) => type)).toEqual(['progress', 'report'])
    expect(events.at(-1)).toMatchObject({
      report: { complete: true, mismatches: [], kinds: { hold: 1, settle: 1 } },
    })
    expect(office().audit(logOrigin('other', 'x', 1), never)).toMatchObject({ code: 'not-found' })
  })

  it('goes on one at a time, and ends with its signal', async () => {
    const stop = new AbortController()
    const first = taken(office().audit(undefined, stop.signal))[Symbol.asyncIterator]()
    const begun = first.next()
    expect(office().audit(undefined, never)).toMatchObject({ code: 'rate-limited' })
    stop.abort()
    const told = [await world.run(begun), await world.run(first.next())].map(({ value }) => value)
    expect(told.find((event) => event?.type === 'report')).toMatchObject({ report: { complete: false } })
    await world.run(first.next())
    expect(await world.run(all(taken(office().audit(undefined, never))))).toHaveLength(2)
  })

  it('finds a stored balance that does not follow from the entries', async () => {
    const key = OWN_LOG.record('balance', 'alice')
    const bytes = world.store.getNow(key) ?? new Uint8Array()
    const wrong = Uint8Array.from(bytes)
    wrong[wrong.length - 1] = (wrong.at(-1) ?? 0) ^ 1
    await world.run(world.store.commit([{ type: 'put', key, value: wrong }]))
    const events = await world.run(all(taken(office().audit(undefined, never))))
    expect(events.at(-1)).toMatchObject({
      report: { mismatches: [{ where: 'state', code: 'store-corrupt' }] },
    })
  })
})

describe('a proof', () => {
  it('is of the entry that last changed what became of a task', async () => {
    await pay('paid')
    await gateway.submit(header('held'))
    await gateway.submit(header('ended'))
    await gateway.ask('cancelled', (ask) => ({
      case: 'cancel',
      value: { ask, taskId: 'alice:ended', reason: 'user' },
    }))
    await world.until(() => world.coordinator.ledger()?.unfinalAgeMs === 0)
    const origin = logOrigin(world.networkId, world.signer.peerId, 1)
    const log = noteKey('note', origin, world.signer.publicKey)
    for (const [task, kind] of [
      ['alice:paid', 'settle'],
      ['alice:held', 'hold'],
      ['alice:ended', 'release'],
    ] as const) {
      const proof = taken(await world.run(office().prove({ task }, undefined, never)))
      expect(proof).toMatchObject({ origin, standing: 'final' })
      expect(taken(await checkProof(proof.file, { log }))).toMatchObject({
        index: proof.index,
        entry: { kind },
      })
    }
    for (const wanted of [{ task: 'alice:nope' }, { index: 10_000 }]) {
      expect(await world.run(office().prove(wanted, undefined, never))).toMatchObject({ code: 'not-found' })
    }
  })
})

describe('a backup', () => {
  it('has the tasks that have not ended, and the log that they are in', async () => {
    await pay('one')
    await gateway.submit(header('two'))
    const file = await world.run(bytesOf(taken(office().backup(never))))
    const verified = taken(await verifyBackup(once(file), { network: world.networkId }))
    const size = world.coordinator.ledger()?.entries
    expect(verified).toMatchObject({ tasks: 1, entries: size, logs: [{ size }] })
    const keys: string[] = []
    for await (const { key } of backupTasks(once(file), {})) keys.push(key)
    expect(keys).toEqual(['t|alice:two'])
  })

  it('that is interrupted has no end', async () => {
    const stop = new AbortController()
    const chunks = taken(office().backup(stop.signal))
    stop.abort()
    const file = await world.run(bytesOf(chunks))
    expect(await verifyBackup(once(file), {})).toMatchObject({ code: 'malformed' })
  })
})

describe('reconciling', () => {
  it('is clean while all agree', async () => {
    await pay('one')
    await gateway.submit(header('two'))
    expect(await reconcile()).toMatchObject({ clean: true, compared: { logs: 1, holds: 2, tasks: 1 } })
  })

  it('names credits held for a task that is not here; they can be given back, once', async () => {
    await gateway.submit(header('lost'))
    await restart(() => world.store.commit([{ type: 'del', key: 't|alice:lost' }]))
    const found = await reconcile()
    expect(found).toMatchObject({
      clean: false,
      differences: [
        { what: 'hold', name: 'alice:lost', next: expect.stringContaining('ledger release alice:lost') },
      ],
    })
    expect(await world.run(office().release('alice:lost'))).toBeUndefined()
    expect(await world.run(office().release('alice:lost'))).toMatchObject({ code: 'hold-unknown' })
    expect(await reconcile()).toMatchObject({ clean: true })
  })

  it('gives nothing back that a task here may still need', async () => {
    await gateway.submit(header('runs'))
    expect(await world.run(office().release('alice:runs'))).toMatchObject({ code: 'task-conflict' })
  })

  it('names a task that nothing is held for', async () => {
    await gateway.submit(header('bare'))
    const hold = OWN_LOG.record('hold', 'alice:bare')
    await restart(() => world.store.commit([{ type: 'del', key: hold }]))
    expect(await reconcile()).toMatchObject({
      clean: false,
      differences: [{ what: 'task', name: 'alice:bare', next: expect.stringContaining('task cancel bare') }],
    })
  })
})

describe('a log that was restored', () => {
  const restored = () => restart(() => world.store.commit([flagWrite(OWN_LOG, 'unconfirmed')]))

  it('waits for an admin where there is no other coordinator, and is then gone on with', async () => {
    await pay('one')
    await restored()
    expect(world.coordinator.ledger()?.notReady).toMatchObject({
      code: 'log-unconfirmed',
      next: expect.stringContaining('edgecoder ledger confirm'),
    })
    expect(await reconcile()).toMatchObject({ clean: false, differences: [{ what: 'log' }] })
    expect(await world.run(office().release('alice:one'))).toMatchObject({ code: 'log-unconfirmed' })
    expect(office().confirm(false)).toBeUndefined()
    await world.until(() => world.coordinator.ledger()?.notReady === undefined)
    await world.until(() => world.coordinator.status().notReady === undefined)
    expect(office().confirm(false)).toMatchObject({ code: 'bad-request' })
    await gateway.attach()
    await worker.attach()
    await pay('two')
  })

  it('pays what both ends signed, though the task itself did not come back', async () => {
    await gateway.submit(header('owed'))
    const lease = await worker.lease()
    await restart(() => world.store.commit([{ type: 'del', key: 't|alice:owed' }]))
    await worker.attach()
    const stranger = worker.outcome(lease, gateway, {}, { receiptDigest: new Uint8Array(32) })
    const ref = { taskId: 'alice:owed', fence: lease.fence }
    worker.say({ case: 'done', value: { lease: ref, free: 1, ...stranger } })
    expect((await worker.hears('doneAck')).value.refusal).toMatchObject({ code: 'result-mismatch' })
    expect((await worker.done(lease, gateway)).refusal).toBeUndefined()
    // Once only.
    expect((await worker.done(lease, gateway)).refusal).toMatchObject({ code: 'stale-fence' })
    expect(await reconcile()).toMatchObject({ clean: true, compared: { holds: 1 } })
  })

  it('drops a task that it has paid already', async () => {
    await gateway.submit(header('over'))
    const record = world.store.getNow('t|alice:over') ?? new Uint8Array()
    await worker.done(await worker.lease(), gateway)
    await restart(() => world.store.commit([{ type: 'put', key: 't|alice:over', value: record }]))
    expect(world.coordinator.status()).toMatchObject({ queued: 0, leased: 0, running: 0 })
    expect(await reconcile()).toMatchObject({ clean: true, compared: { holds: 1, tasks: 0 } })
  })
})
