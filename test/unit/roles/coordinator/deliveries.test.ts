import { beforeEach, expect, test } from 'vitest'
import type { Signer } from '../../../../src/ports/signer.js'
import { Standing } from '../../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import { Fault, type Lease } from '../../../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import { PADDING } from '../../../helpers/padding.js'
import { paidChain } from '../../../simulation/paid-network.js'
import { type FakeGateway, type FakeWorker, testSigner, World } from './world.js'

const TASK = 'alice:t1'

let world: World
let gateway: FakeGateway
let first: FakeWorker
let lease: Lease

beforeEach(async () => {
  world = await new World().start()
  gateway = await world.gateway()
  first = await world.worker({ agentId: 'first' })
  await gateway.submit(gateway.header('t1'))
  lease = await first.lease()
})

/** The first worker falls silent. @returns the one that has the task then, and its lease */
async function givenOn(): Promise<{ second: FakeWorker; later: Lease }> {
  first.silent()
  await world.until(() => world.coordinator.status().queued === 1)
  const second = await world.worker({ agentId: 'second' })
  const later = await second.lease()
  expect(later).toMatchObject({ fence: 2n })
  return { second, later }
}

type Signed = Partial<ReturnType<FakeWorker['outcome']>>

/** @param by whose gateway it says to be */
async function shown(signed: Signed, by = gateway, fence = lease.fence) {
  const value = { taskId: TASK, reason: 'delivered', fence, ...signed }
  return (await by.ask('cancelled', (ask) => ({ case: 'cancel', value: { ask, ...value } }))).value
}

/** A coordinator that pays through a ledger. @param enrolled workers whose owner it knows */
async function paidWorld(workerSigner: Signer, gatewaySigner: Signer, enrolled: readonly string[]) {
  const paid = new World({}, Date.UTC(2027, 5, 1))
  const chain = await paidChain({
    coordinators: [paid.signer.peerId],
    gateways: [gatewaySigner.peerId],
    workers: enrolled,
    accounts: ['alice'],
  })
  await paid.paidBy(chain).start()
  const mine = await paid.gateway(gatewaySigner)
  return { paid, mine, worker: await paid.worker({ signer: workerSigner }) }
}

const isPaid = async (): Promise<boolean> => (await world.store.get(`r|${TASK}`)) !== undefined

test('a worker that was lost shows what was accepted of it: it is paid, and the later lease is called off', async () => {
  const { second, later } = await givenOn()
  await first.attach({ running: [{ taskId: TASK, fence: 1n }] })
  expect((await first.done(lease, gateway)).refusal).toBeUndefined()
  expect(await isPaid()).toBe(true)
  const { value } = await second.hears('cancel')
  expect(value).toMatchObject({ lease: { taskId: TASK, fence: 2n }, why: { code: 'task-ended' } })
  expect(world.coordinator.status()).toMatchObject({ done: 1, queued: 0, leased: 0, running: 0 })
  // Said again it is answered again; and what comes of the later lease is worth nothing.
  expect((await first.done(lease, gateway)).refusal).toBeUndefined()
  const why = { code: 'task-ended', detail: 'so says the gateway' }
  second.say({ case: 'failed', value: { lease: value.lease, fault: Fault.GATEWAY, why, free: 1 } })
  expect((await second.done(later, gateway)).refusal).toMatchObject({ code: 'stale-fence' })
  const { workers } = world.coordinator.quality()
  expect(workers.find(({ peerId }) => peerId === second.peerId)).toBeUndefined()
  expect(workers.find(({ peerId }) => peerId === first.peerId)).toMatchObject({ success: 1, lost: 1 })
  await gateway.submit(gateway.header('t2'))
  await gateway.submit(gateway.header('t3'))
  expect([(await first.lease()).header?.id, (await second.lease()).header?.id].sort()).toEqual([
    'alice:t2',
    'alice:t3',
  ])
})

test('the gateway shows what it accepted: the worker is paid, though it never comes back', async () => {
  first.silent()
  await world.until(() => world.coordinator.status().queued === 1)
  const answer = await shown(first.outcome(lease, gateway))
  expect(answer).toMatchObject({ state: { standing: Standing.DONE, worker: first.peerId, fence: 1n } })
  expect(answer.refusal).toBeUndefined()
  expect(await isPaid()).toBe(true)
  expect(world.coordinator.status()).toMatchObject({ done: 1, queued: 0 })
  // To whoever was idle it was not given.
  const second = await world.worker({ agentId: 'second' })
  await world.clock.advance(5_000)
  expect(second.count('lease')).toBe(0)
  expect((await shown(first.outcome(lease, gateway))).refusal).toMatchObject({ code: 'task-ended' })
})

test('while the gateway turns workers away, as it has the result, none is sent there again and again', async () => {
  const { second, later } = await givenOn()
  const why = { code: 'task-ended', detail: 'The task has ended at this gateway.' }
  const turnedAway = ({ header, fence }: Lease): void => {
    const ref = { taskId: header?.id ?? '', fence }
    second.say({ case: 'failed', value: { lease: ref, fault: Fault.GATEWAY, why, free: 1 } })
  }
  turnedAway(later)
  // It is free for something else meanwhile.
  await gateway.submit(gateway.header('t2'))
  const other = await second.lease(100)
  expect(other.header?.id).toBe('alice:t2')
  await second.done(other, gateway)
  await world.clock.advance(2_500)
  expect(second.count('lease')).toBe(0)
  const again = await second.lease(1_500)
  expect(again).toMatchObject({ header: { id: TASK }, fence: 3n, attempt: 2 })
  turnedAway(again)
  expect(await shown(first.outcome(lease, gateway))).toMatchObject({ state: { worker: first.peerId } })
  expect(world.coordinator.status()).toMatchObject({ done: 2, queued: 0, leased: 0, running: 0 })
  await world.clock.advance(10_000)
  expect(second.count('lease')).toBe(0)
  const { workers } = world.coordinator.quality()
  expect(workers.find(({ peerId }) => peerId === second.peerId)).toMatchObject({ failure: 0, lost: 0 })
})

test('it does so over kill -9 of the coordinator, and while the lease is still held', async () => {
  const { second } = await givenOn()
  world.crash()
  await world.start()
  await gateway.attach()
  await second.attach({ slots: 0, running: [{ taskId: TASK, fence: 2n }] })
  expect(await shown(first.outcome(lease, gateway))).toMatchObject({ state: { worker: first.peerId } })
  expect((await second.hears('cancel')).value).toMatchObject({ why: { code: 'task-ended' } })

  await first.attach()
  await gateway.submit(gateway.header('t2'))
  const held = await first.lease()
  const value = { taskId: 'alice:t2', reason: 'delivered', ...first.outcome(held, gateway) }
  const early = await gateway.ask('cancelled', (ask) => ({ case: 'cancel', value: { ask, ...value } }))
  expect(early.value).toMatchObject({ state: { standing: Standing.DONE } })
  // Its worker shows the same a moment later.
  expect((await first.done(held, gateway)).refusal).toBeUndefined()
  expect(world.coordinator.status().done).toBe(2)
})

test('one result of a task is paid: what comes after it is refused, whoever shows it', async () => {
  const { second, later } = await givenOn()
  expect((await second.done(later, gateway)).refusal).toBeUndefined()
  const receipt = await world.store.get(`r|${TASK}`)
  await first.attach()
  expect((await first.done(lease, gateway)).refusal).toMatchObject({ code: 'stale-fence' })
  expect((await shown(first.outcome(lease, gateway))).refusal).toMatchObject({ code: 'task-ended' })
  expect(await world.store.get(`r|${TASK}`)).toEqual(receipt)
  expect(world.coordinator.status().done).toBe(1)
})

test('nobody is paid who had no lease, or by anybody else than the gateway of the task', async () => {
  const { second } = await givenOn()
  const other = await world.gateway()
  const never = await world.worker({ agentId: 'third' })
  expect((await shown(first.outcome(lease, gateway), other)).refusal).toMatchObject({
    code: 'task-not-found',
  })
  expect((await never.done(lease, gateway)).refusal).toMatchObject({ code: 'stale-fence' })
  await first.attach()
  expect((await first.done(lease, other)).refusal).toMatchObject({ code: 'result-mismatch' })
  expect(world.coordinator.status()).toMatchObject({ done: 0, leased: 1 })
  expect(second.count('cancel')).toBe(0)

  // What says nothing of a lease here counts as if nothing was shown.
  const pending = { refusal: { code: 'result-pending' } }
  expect(await shown(first.outcome(lease, other), gateway, 2n)).toMatchObject(pending)
  expect(await shown(never.outcome(lease, gateway), gateway, 2n)).toMatchObject(pending)
  const forged = first.outcome(lease, gateway)
  forged.receipt.signature = new Uint8Array(64).fill(7)
  expect(await shown(forged, gateway, 2n)).toMatchObject(pending)
  expect(world.offences).toContainEqual({ peer: gateway.peerId, offence: 'bad-signature' })
  expect(await isPaid()).toBe(false)
})

test('what comes along with a receipt, and nobody signed, is left out of the ledger', async () => {
  const [workerSigner, gatewaySigner] = [testSigner(), testSigner()]
  const { paid, mine, worker } = await paidWorld(workerSigner, gatewaySigner, [workerSigner.peerId])
  await mine.submit(mine.header('t1', { maxOutputTokens: 50 }))
  const padded = await worker.lease()
  const signed = worker.outcome(padded, mine)
  for (const each of [signed.receipt, signed.acceptance]) Object.assign(each, { $unknown: [PADDING] })
  worker.say({ case: 'done', value: { lease: { taskId: TASK, fence: padded.fence }, free: 1, ...signed } })
  expect((await worker.hears('doneAck')).value.refusal).toBeUndefined()
  expect(paid.coordinator.status().done).toBe(1)
})

test('what cannot be paid is cancelled, and the record says why; nobody is blamed', async () => {
  // The ledger does not know whose it is.
  const { paid, mine, worker } = await paidWorld(testSigner(), testSigner(), [])
  await mine.submit(mine.header('t1', { maxOutputTokens: 50 }))
  const ack = await worker.done(await worker.lease(), mine)
  expect(ack.refusal).toMatchObject({ code: 'not-admitted' })
  const stands = await mine.ask('synced', (ask) => ({ case: 'sync', value: { ask, taskIds: [TASK] } }))
  expect(stands.value.states).toMatchObject([
    {
      standing: Standing.CANCELLED,
      why: { code: 'not-admitted', detail: expect.stringContaining('was accepted, and cannot be paid') },
    },
  ])
  expect(paid.logged).toContain('delivered-unpaid')
  expect(paid.coordinator.quality().attempts).toEqual({ success: 0, failure: 0, lost: 0 })
})
