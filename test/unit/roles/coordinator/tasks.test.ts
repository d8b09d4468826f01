import { expect, test } from 'vitest'
import { Standing } from '../../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import { Fault } from '../../../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import { digest, testSigner, World } from './world.js'

const REFUSAL = { code: 'engine-failed', detail: 'it broke', next: '', retryAfterMs: 0 }

test.each([3_600_000, -3_600_000])('a clock that is set by %i ms ends no attempt', async (byMs) => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker()
  await gateway.submit(gateway.header('t1'))
  const lease = await worker.lease()
  worker.progress(lease, 1n)
  await worker.hears('beatAck')
  world.clock.jumpWall(byMs)
  await world.clock.advance(5_000)
  worker.progress(lease, 2n)
  await worker.hears('beatAck')
  await world.clock.advance(10_000)
  expect((await worker.done(lease, gateway)).refusal).toBeUndefined()
})

test('submit, lease, progress, done: each told to who needs it, and settled on the disk', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker()
  const { results } = await gateway.submit(gateway.header('t1'))
  expect(results[0]).toMatchObject({ taskId: 'alice:t1', existed: false })
  expect(results[0]?.refusal).toBeUndefined()
  const lease = await worker.lease()
  expect(lease).toMatchObject({ fence: 1n, attempt: 1, gatewayAddresses: [`/memory/${gateway.peerId}`] })
  worker.progress(lease, 1n)
  const ack = await worker.hears('beatAck')
  expect(ack.value.renewed.map((each) => each.lease?.taskId)).toEqual(['alice:t1'])
  const done = await worker.done(lease, gateway)
  expect(done.refusal).toBeUndefined()
  await world.until(() => gateway.heard.some((b) => b.case === 'state' && b.value.standing === Standing.DONE))
  expect(world.coordinator.status()).toMatchObject({ done: 1, queued: 0, leased: 0, running: 0 })
  expect(await world.store.get('r|alice:t1')).toBeDefined()
  // The same again is acknowledged again, and changes nothing.
  expect((await worker.done(lease, gateway)).refusal).toBeUndefined()
  expect(world.coordinator.status().done).toBe(1)
})

test('the answer to a submit already names the worker when one was free, and the worker hears later', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker({ agentId: 'anna' })
  const { results } = await gateway.submit(gateway.header('t1'))
  expect(results[0]?.state).toMatchObject({
    standing: Standing.LEASED,
    worker: worker.peerId,
    agentId: 'anna',
    fence: 1n,
    attempt: 1,
  })
  await worker.lease()
  await world.clock.advance(100)
  expect(gateway.count('state')).toBe(0)
})

test('a submit is idempotent by id and payload, and a conflict otherwise', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  await gateway.submit(gateway.header('t1'))
  const again = await gateway.submit(
    gateway.header('t1'),
    gateway.header('t1', { payloadDigest: digest('x') }),
  )
  expect(again.results[0]).toMatchObject({ existed: true, state: { standing: Standing.QUEUED } })
  expect(again.results[1]?.refusal).toMatchObject({ code: 'task-conflict' })
  const other = await world.gateway()
  const stolen = await other.submit(other.header('t1'))
  expect(stolen.results[0]?.refusal).toMatchObject({ code: 'task-conflict' })
  expect(world.coordinator.status().queued).toBe(1)
})

test('headers that lie are refused one by one; the others are taken', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const { results } = await gateway.submit(
    gateway.header('good'),
    gateway.header('x', { id: 'bob:x' }),
    gateway.header('x', { id: 'alice:' }),
    gateway.header('elsewhere', { gateway: testSigner().peerId }),
    gateway.header('late', { deadlineMs: BigInt(world.clock.nowMs() - 1) }),
  )
  expect(results.map((each) => each.refusal?.code)).toEqual([
    undefined,
    'bad-request',
    'bad-request',
    'forbidden',
    'deadline-passed',
  ])
})

test('an order signed by somebody else is refused whole and scored', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  gateway.send([gateway.header('t1')], testSigner())
  const { value } = await gateway.hears('submitted')
  expect(value.refusal).toMatchObject({ code: 'forbidden' })
  expect(world.offences).toEqual([{ peer: gateway.peerId, offence: 'bad-signature' }])
  expect(world.coordinator.status().queued).toBe(0)
})

test('bounds by account and in all are refused with when to try again', async () => {
  const { DEFAULT_LIMITS } = await import('../../../../src/core/scheduler/views.js')
  const queue = { ...DEFAULT_LIMITS, queued: 5, queuedPerAccount: 3 }
  const world = await new World({ queue }).start()
  const gateway = await world.gateway()
  const ids = ['a', 'b', 'c', 'd']
  const first = await gateway.submit(...ids.map((id) => gateway.header(id)))
  expect(first.results.map((each) => each.refusal?.code)).toEqual([
    undefined,
    undefined,
    undefined,
    'account-queue-full',
  ])
  const second = await gateway.submit(...ids.slice(0, 3).map((id) => gateway.header(id, { account: 'bob' })))
  expect(second.results.map((each) => each.refusal?.code)).toEqual([undefined, undefined, 'queue-full'])
  expect(second.results[2]?.refusal?.retryAfterMs).toBeGreaterThan(0)
})

test('a lease without headway goes to another, and the attempt is told to stop', async () => {
  const world = await new World({ leaseMs: 10_000 }).start()
  const gateway = await world.gateway()
  const slow = await world.worker({ agentId: 'slow' })
  await gateway.submit(gateway.header('t1'))
  const lease = await slow.lease()
  const quick = await world.worker({ agentId: 'quick' })
  // It lives, but shows no headway.
  const second = await quick.lease()
  expect(second).toMatchObject({ fence: 2n, attempt: 2 })
  expect((await slow.hears('cancel')).value).toMatchObject({ why: { code: 'lease-lapsed' } })
  slow.progress(lease, 5n)
  expect((await slow.hears('cancel')).value).toMatchObject({ why: { code: 'stale-fence' } })
  expect((await quick.done(second, gateway)).refusal).toBeUndefined()
  // The gateway has accepted another one: this one it cannot have accepted, too.
  expect((await slow.done(lease, gateway)).refusal).toMatchObject({ code: 'stale-fence' })
})

test('a receipt that is not about this lease fails the attempt of who handed it in', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker()
  await gateway.submit(gateway.header('t1'))
  const lease = await worker.lease()
  const ref = { taskId: 'alice:t1', fence: lease.fence }
  const forged = worker.outcome(lease, gateway, { payloadDigest: digest('other') })
  worker.say({ case: 'done', value: { lease: ref, free: 1, ...forged } })
  const { value } = await worker.hears('doneAck')
  expect(value.refusal).toMatchObject({ code: 'result-mismatch' })
  expect(value.refusal?.detail).toContain('payload digest')
  expect(world.coordinator.status()).toMatchObject({ done: 0 })
  expect(await world.store.get('r|alice:t1')).toBeUndefined()
})

test('an acceptance by anybody but the gateway of the task settles nothing', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const accomplice = await world.gateway()
  const worker = await world.worker()
  await gateway.submit(gateway.header('t1'))
  const lease = await worker.lease()
  const ack = await worker.done(lease, accomplice)
  expect(ack.refusal).toMatchObject({ code: 'result-mismatch' })
  expect(world.coordinator.status().done).toBe(0)
})

test('whose fault a failure is decides: task ends, worker is excluded, gateway is nobody’s', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker({ agentId: 'one' })
  await gateway.submit(gateway.header('bad'))
  const bad = await worker.lease()
  const failed = (taskId: string, fence: bigint, fault: Fault): void =>
    worker.say({ case: 'failed', value: { lease: { taskId, fence }, fault, why: REFUSAL, free: 1 } })
  failed('alice:bad', bad.fence, Fault.TASK)
  await world.until(() => world.coordinator.status().failed === 1)

  await gateway.submit(gateway.header('far'))
  const far = await worker.lease()
  failed('alice:far', far.fence, Fault.GATEWAY)
  const again = await worker.lease()
  expect(again).toMatchObject({ fence: 2n, attempt: 1 })
  const other = await world.worker({ agentId: 'two' })
  failed('alice:far', again.fence, Fault.WORKER)
  expect(await other.lease()).toMatchObject({ fence: 3n, attempt: 2 })
})

test('a declined lease goes to another, and the decliner gets nothing until it offers a slot', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker()
  await gateway.submit(gateway.header('t1'))
  const lease = await worker.lease()
  worker.say({
    case: 'declined',
    value: { lease: { taskId: 'alice:t1', fence: lease.fence }, reason: 'draining', free: 0 },
  })
  await world.until(() => world.coordinator.status().queued === 1)
  await world.clock.advance(5_000)
  expect(worker.count('lease')).toBe(0)
  worker.say({ case: 'slots', value: { free: 1 } })
  expect(await worker.lease()).toMatchObject({ fence: 2n, attempt: 1 })
})

test('cancel by the owner only; a running attempt is told to stop', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const other = await world.gateway()
  const worker = await world.worker()
  await gateway.submit(gateway.header('t1'))
  const lease = await worker.lease()
  const cancel = (ask: number) =>
    ({ case: 'cancel', value: { ask, taskId: 'alice:t1', reason: 'user' } }) as const
  expect((await other.ask('cancelled', cancel)).value.refusal).toMatchObject({ code: 'task-not-found' })
  const answer = await gateway.ask('cancelled', cancel)
  expect(answer.value.refusal).toBeUndefined()
  expect(answer.value.state).toMatchObject({ standing: Standing.CANCELLED })
  expect((await worker.hears('cancel')).value).toMatchObject({ why: { code: 'cancelled-by-user' } })
  expect((await worker.done(lease, gateway)).refusal).toMatchObject({ code: 'stale-fence' })
  const late = await gateway.ask('cancelled', cancel)
  expect(late.value.refusal).toMatchObject({ code: 'task-ended' })
})

test('what was delivered, and is not shown, is left to the worker that brought it; a later lease is cut', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker()
  await gateway.submit(gateway.header('t1'))
  const lease = await worker.lease()
  const delivered = (fence: bigint) => (ask: number) =>
    ({ case: 'cancel', value: { ask, taskId: 'alice:t1', reason: 'delivered', fence } }) as const
  const early = await gateway.ask('cancelled', delivered(lease.fence))
  expect(early.value.refusal).toMatchObject({ code: 'result-pending' })
  const later = await gateway.ask('cancelled', delivered(lease.fence - 1n))
  expect(later.value).toMatchObject({ state: { standing: Standing.CANCELLED } })
  expect((await worker.hears('cancel')).value).toMatchObject({ why: { code: 'cancelled-by-user' } })
})

test('a deadline ends a waiting task', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  await gateway.submit(gateway.header('t1', { deadlineMs: BigInt(world.clock.nowMs() + 5_000) }))
  await world.until(() => gateway.count('state') > 0)
  const { value } = await gateway.hears('state')
  expect(value).toMatchObject({ standing: Standing.EXPIRED, why: { code: 'deadline-passed' } })
  expect(world.clock.monotonicMs()).toBeLessThan(6_000)
})

test('tasks of a gateway that is away wait, and go on when it is back; it syncs', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  await gateway.submit(gateway.header('t1'))
  await gateway.leave()
  const worker = await world.worker()
  await world.clock.advance(3_000)
  expect(worker.count('lease')).toBe(0)
  const explained = world.coordinator.explain('alice', 't1')
  expect(explained).toMatchObject({ state: 'queued', summary: expect.stringContaining('not attached') })
  expect(world.coordinator.queue(10).tasks[0]?.why).toMatchObject({ code: 'gateway-unavailable' })
  await gateway.attach()
  const synced = await gateway.ask('synced', (ask) => ({
    case: 'sync',
    value: { ask, taskIds: ['alice:t1', 'alice:nobody'] },
  }))
  expect(synced.value.states.map((each) => each.standing)).toEqual([
    expect.toSatisfy((standing) => standing === Standing.QUEUED || standing === Standing.LEASED),
    Standing.UNKNOWN,
  ])
  await worker.lease()
})

test('explain names every reason why not', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  await world.worker({ agentId: 'anna' })
  await gateway.submit(gateway.header('t1', { model: 'huge' }))
  const explain = (ask: number) => ({ case: 'explain', value: { ask, taskId: 'alice:t1' } }) as const
  const { value } = await gateway.ask('explanation', explain)
  expect(value.workers).toBe(1)
  expect(value.candidates[0]).toMatchObject({ agentId: 'anna', eligible: false })
  expect(value.candidates[0]?.reasons.map((each) => each.code)).toContain('model-missing')
  expect(value.summary).not.toBe('')
})

test('capacity is told at attach and again when it changed', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  expect((await gateway.hears('capacity')).value).toMatchObject({ workers: 0, freeSlots: 0 })
  await world.worker({ slots: 3 })
  const { value } = await gateway.hears('capacity')
  expect(value).toMatchObject({ workers: 1, freeSlots: 3, languages: ['javascript'] })
  expect(value.models[0]).toMatchObject({ workers: 1, freeSlots: 3, model: { name: 'tiny' } })
  await world.clock.advance(10_000)
  expect(gateway.count('capacity')).toBe(0)
})

test('ended tasks are forgotten past their number, receipts with them', async () => {
  const world = await new World({ endedTasks: 3 }).start()
  const gateway = await world.gateway()
  const worker = await world.worker()
  for (let i = 0; i < 6; i++) {
    await gateway.submit(gateway.header(`t${i}`))
    await worker.done(await worker.lease(), gateway)
  }
  await world.clock.advance(3_000)
  expect(world.coordinator.status().done).toBe(3)
  expect(await world.store.get('t|alice:t2')).toBeUndefined()
  expect(await world.store.get('r|alice:t2')).toBeUndefined()
  expect(await world.store.get('r|alice:t5')).toBeDefined()
})

test('a task that was moved away may come back: it starts anew, with fences above its floor', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker()
  await gateway.submit(gateway.header('t1'))
  const first = await worker.lease()
  expect(first.fence).toBe(1n)
  const taskId = 'alice:t1'
  await gateway.ask('cancelled', (ask) => ({ case: 'cancel', value: { ask, taskId, reason: 'moved' } }))
  worker.say({ case: 'slots', value: { free: 1, reason: '' } })
  // The same order again is the same, ended task …
  const same = await gateway.submit(gateway.header('t1'))
  expect(same.results[0]).toMatchObject({ existed: true, state: { standing: Standing.CANCELLED } })
  // … and one with a higher floor brings it back.
  const back = await gateway.submit(gateway.header('t1', { fenceFloor: 1_024n }))
  expect(back.results[0]).toMatchObject({ existed: false })
  const second = await worker.lease()
  expect(second).toMatchObject({ fence: 1_025n, attempt: 1 })
  expect((await worker.done(first, gateway)).refusal).toMatchObject({ code: 'stale-fence' })
  expect((await worker.done(second, gateway)).refusal).toBeUndefined()
  expect(world.coordinator.status()).toMatchObject({ done: 1, queued: 0, leased: 0, running: 0 })
})
