import { expect, test } from 'vitest'
import { World } from './world.js'

const ORDER = { reason: 'disk swap', refusesSubmits: false }

test('paused, no lease goes out; what runs goes on and ends; after a resume all goes on', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker()
  await gateway.submit(gateway.header('before'))
  const lease = await worker.lease()
  await world.run(world.coordinator.pause(ORDER))
  expect((await gateway.submit(gateway.header('waits'))).results).toMatchObject([{ existed: false }])
  worker.progress(lease, 1n)
  const { value: renewed } = await worker.hears('beatAck')
  expect(renewed.renewed).toMatchObject([{ lease: { taskId: 'alice:before' } }])
  expect((await worker.done(lease, gateway)).refusal).toBeUndefined()
  await world.clock.advance(60_000)
  expect(worker.count('lease')).toBe(0)
  expect(world.coordinator.status()).toMatchObject({ queued: 1, done: 1, paused: { reason: 'disk swap' } })
  expect(world.coordinator.status().notReady).toBeUndefined()
  await world.run(world.coordinator.resume())
  expect((await worker.lease(1_000)).header?.id).toBe('alice:waits')
  expect(world.coordinator.status().paused).toBeUndefined()
})

test('who asks is told why: of a task, of the queue, of an idle worker', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker()
  await world.run(world.coordinator.pause(ORDER))
  await gateway.submit(gateway.header('waits'))
  const { value: explained } = await gateway.ask('explanation', (ask) => ({
    case: 'explain',
    value: { ask, taskId: 'alice:waits' },
  }))
  expect(explained.summary).toContain('paused by its owner: disk swap')
  expect(world.coordinator.explain('alice', 'waits')).toMatchObject({
    summary: expect.stringContaining('disk swap'),
  })
  expect(world.coordinator.queue(10).tasks).toMatchObject([{ why: { code: 'coordinator-paused' } }])
  worker.say({ case: 'whyIdle', value: { id: 7 } })
  const { value: idle } = await worker.hears('whyIdle')
  expect(idle.reasons[0]).toMatchObject({ code: 'coordinator-paused', tasks: 0 })
})

test('it outlasts kill -9, and so does its end', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  await gateway.submit(gateway.header('waits'))
  await world.run(world.coordinator.pause(ORDER))
  const before = world.coordinator.status().paused
  world.crash()
  await world.clock.advance(5_000)
  await world.start()
  expect(world.coordinator.status().paused).toEqual(before)
  await gateway.attach()
  const worker = await world.worker()
  await world.clock.advance(30_000)
  expect(worker.count('lease')).toBe(0)
  await world.run(world.coordinator.resume())
  await worker.lease(1_000)
  world.crash()
  await world.start()
  expect(world.coordinator.status().paused).toBeUndefined()
})

test('new tasks are refused where that was said; known ones and those held elsewhere before are not', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  await gateway.submit(gateway.header('known'))
  await world.run(world.coordinator.pause({ ...ORDER, refusesSubmits: true }))
  const moved = gateway.header('moved', { fenceFloor: 1_000_000n })
  const { results } = await gateway.submit(gateway.header('known'), gateway.header('new'), moved)
  expect(results).toMatchObject([
    { existed: true },
    { refusal: { code: 'coordinator-paused', retryAfterMs: 15_000 } },
    { existed: false },
  ])
  expect(results[2]?.refusal).toBeUndefined()
  expect(world.coordinator.status()).toMatchObject({ queued: 2 })
})

test('a pause that cannot be stored is none, and a second one keeps the time of the first', async () => {
  const world = await new World().start()
  world.disk.full = true
  await expect(world.run(world.coordinator.pause(ORDER))).rejects.toMatchObject({ code: 'store-full' })
  world.disk.full = false
  expect(world.coordinator.status().paused).toBeUndefined()
  await world.run(world.coordinator.pause(ORDER))
  const sinceMs = world.coordinator.status().paused?.sinceMs
  await world.clock.advance(1_000)
  await world.run(world.coordinator.pause({ reason: 'longer', refusesSubmits: true }))
  expect(world.coordinator.status().paused).toEqual({ reason: 'longer', refusesSubmits: true, sinceMs })
})
