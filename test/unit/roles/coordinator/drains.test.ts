import { expect, test } from 'vitest'
import { World } from './world.js'

test('a drained worker finishes what it has and gets nothing new, over kill -9 too, until that is ended', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker({ slots: 2 })
  await gateway.submit(gateway.header('has'))
  const lease = await worker.lease()
  await world.run(world.coordinator.drain({ worker: worker.peerId, reason: 'new disk' }))
  await gateway.submit(gateway.header('waits'))
  await world.clock.advance(30_000)
  expect(worker.count('lease')).toBe(0)
  expect(world.coordinator.drains()).toMatchObject([{ worker: worker.peerId, leases: 1 }])
  expect((await worker.done(lease, gateway)).refusal).toBeUndefined()
  expect(world.coordinator.drains()).toMatchObject([{ leases: 0 }])
  world.crash()
  await world.start()
  await gateway.attach()
  await worker.attach()
  await world.clock.advance(30_000)
  expect(worker.count('lease')).toBe(0)
  expect(world.coordinator.explain('alice', 'waits')).toMatchObject({
    candidates: [{ reasons: [{ code: 'worker-draining', detail: expect.stringContaining('new disk') }] }],
  })
  expect(await world.run(world.coordinator.undrain(worker.peerId))).toBeUndefined()
  expect((await worker.lease(1_000)).header?.id).toBe('alice:waits')
  world.crash()
  await world.start()
  expect(world.coordinator.drains()).toEqual([])
})

test('at the deadline what is left goes to another, with no attempt counted, and the drained one is told', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const first = await world.worker({ agentId: 'first' })
  await gateway.submit(gateway.header('t1'))
  const lease = await first.lease()
  first.progress(lease, 1n)
  await first.hears('beatAck')
  const second = await world.worker({ agentId: 'second' })
  await world.run(world.coordinator.drain({ worker: first.peerId, reason: '', deadlineMs: 10_000 }))
  await world.clock.advance(9_000)
  expect(second.count('lease')).toBe(0)
  const next = await second.lease(2_000)
  expect(next).toMatchObject({ fence: 2n, attempt: 1 })
  const { value: cancelled } = await first.hears('cancel', 1_000)
  expect(cancelled).toMatchObject({ lease: { fence: 1n }, why: { code: 'worker-draining' } })
  expect((await second.done(next, gateway)).refusal).toBeUndefined()
  expect((await first.done(lease, gateway)).refusal).toMatchObject({ code: 'stale-fence' })
  expect(world.coordinator.drains()).toMatchObject([{ worker: first.peerId, leases: 0 }])
})

test('a deadline that passes while the coordinator is down is kept when it is back', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const first = await world.worker({ agentId: 'first' })
  await gateway.submit(gateway.header('t1'))
  const lease = await first.lease()
  await world.run(world.coordinator.drain({ worker: first.peerId, reason: '', deadlineMs: 10_000 }))
  world.crash()
  await world.clock.advance(20_000)
  await world.start()
  await gateway.attach()
  await first.attach({ slots: 0, running: [{ taskId: 'alice:t1', fence: lease.fence }] })
  const second = await world.worker({ agentId: 'second' })
  expect(await second.lease(5_000)).toMatchObject({ fence: 2n })
})

test('a drain that cannot be stored is none; who is not drained cannot be let go', async () => {
  const world = await new World().start()
  const worker = await world.worker()
  world.disk.full = true
  const order = { worker: worker.peerId, reason: '' }
  await expect(world.run(world.coordinator.drain(order))).rejects.toMatchObject({ code: 'store-full' })
  world.disk.full = false
  expect(world.coordinator.drains()).toEqual([])
  expect(await world.run(world.coordinator.undrain(worker.peerId))).toMatchObject({ code: 'not-found' })
})
