import { expect, test } from 'vitest'
import { Standing } from '../../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import { testSigner, World } from './world.js'

test('an acknowledged submit survives a crash; one that was not acknowledged may not', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  await gateway.submit(gateway.header('kept'))
  gateway.send([gateway.header('lost')])
  // Over the path, and not yet on the disk.
  await world.clock.advance(2)
  world.crash()
  await world.start()
  expect(world.coordinator.queue(10).tasks.map((task) => task.id)).toEqual(['alice:kept'])
  await gateway.attach()
  const again = await gateway.submit(gateway.header('kept'), gateway.header('lost'))
  expect(again.results.map((each) => each.existed)).toEqual([true, false])
})

test('a running attempt goes on over a restart, with its fence', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker()
  await gateway.submit(gateway.header('t1'))
  const lease = await worker.lease()
  worker.progress(lease, 1n)
  await worker.hears('beatAck')
  // Its lease would have lapsed meanwhile.
  worker.silent()
  world.crash()
  await world.clock.advance(120_000)
  await world.start()
  expect(world.coordinator.queue(10).tasks).toMatchObject([{ id: 'alice:t1', worker: worker.peerId }])
  await world.clock.advance(5_000)
  const welcome = await worker.attach({ slots: 0, running: [{ taskId: 'alice:t1', fence: 1n }] })
  expect(welcome).toMatchObject({ keep: [{ taskId: 'alice:t1', fence: 1n }] })
  await gateway.attach()
  const synced = await gateway.ask('synced', (ask) => ({
    case: 'sync',
    value: { ask, taskIds: ['alice:t1'] },
  }))
  expect(synced.value.states).toMatchObject([{ standing: Standing.LEASED, fence: 1n, worker: worker.peerId }])
  expect((await worker.done(lease, gateway)).refusal).toBeUndefined()
})

test('a lease whose worker does not come back after a restart is given to another, one fence on', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const first = await world.worker()
  await gateway.submit(gateway.header('t1'))
  const lease = await first.lease()
  first.silent()
  world.crash()
  await world.start()
  await gateway.attach()
  const second = await world.worker({ agentId: 'second' })
  const next = await second.lease()
  expect(next).toMatchObject({ fence: 2n })
  await first.attach({ running: [{ taskId: 'alice:t1', fence: 1n }] }).then((welcome) => {
    expect(welcome).toMatchObject({ keep: [] })
  })
  expect((await second.done(next, gateway)).refusal).toBeUndefined()
  expect((await first.done(lease, gateway)).refusal).toMatchObject({ code: 'stale-fence' })
})

test('ended tasks are still known after a restart, and no task is done twice', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker()
  await gateway.submit(gateway.header('t1'))
  const lease = await worker.lease()
  await worker.done(lease, gateway)
  world.crash()
  await world.start()
  await gateway.attach()
  const again = await gateway.submit(gateway.header('t1'))
  expect(again.results[0]).toMatchObject({ existed: true, state: { standing: Standing.DONE } })
  await worker.attach()
  expect((await worker.done(lease, gateway)).refusal).toBeUndefined()
  expect(world.coordinator.status()).toMatchObject({ queued: 0, done: 1 })
})

test('a full disk: submits are refused, nothing is acknowledged, and it goes on when there is room', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker()
  await gateway.submit(gateway.header('before'))
  const lease = await worker.lease()
  world.disk.full = true
  const refused = await gateway.submit(gateway.header('t1'))
  expect(refused.results[0]?.refusal ?? refused.refusal).toMatchObject({ code: 'store-full' })
  expect(world.coordinator.status().notReady).toMatchObject({ code: 'store-full' })
  const done = worker.done(lease, gateway)
  await world.clock.advance(10_000)
  expect(worker.count('doneAck')).toBe(0)
  const later = await gateway.submit(gateway.header('t2'))
  expect(later.refusal).toMatchObject({ code: 'store-full' })
  expect(later.refusal?.retryAfterMs).toBeGreaterThan(0)
  expect(worker.count('lease')).toBe(0)

  world.disk.full = false
  expect((await done).refusal).toBeUndefined()
  expect(world.coordinator.status().notReady).toBeUndefined()
  const again = await gateway.submit(gateway.header('t1'))
  expect(again.results[0]).toMatchObject({ existed: false })
  expect(await worker.lease()).toMatchObject({ header: { id: 'alice:t1' }, fence: 1n })
  world.crash()
  await world.start()
  expect(world.coordinator.status()).toMatchObject({ done: 1, leased: 1 })
})

test('a submit that was assigned but could not be stored leaves nothing behind, and its slot free', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker()
  world.disk.full = true
  await gateway.submit(gateway.header('t1'))
  expect(world.coordinator.status()).toMatchObject({ queued: 0, leased: 0 })
  world.disk.full = false
  await world.clock.advance(2_000)
  expect(worker.count('lease')).toBe(0)
  await gateway.submit(gateway.header('t2'))
  expect(await worker.lease()).toMatchObject({ header: { id: 'alice:t2' } })
})

test('a corrupt record is named at start, before anybody is served', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  await gateway.submit(gateway.header('t1'))
  void world.store.commit([{ type: 'put', key: 't|alice:t1', value: Uint8Array.of(1, 2, 3) }])
  await world.clock.advance(10)
  world.crash()
  await expect(world.start()).rejects.toMatchObject({
    code: 'store-corrupt',
    message: expect.stringContaining('t|alice:t1'),
    next: expect.stringContaining('backup'),
  })
})

test('announcement numbers grow over a crash', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  await gateway.submit(gateway.header('t1', { model: 'huge' }))
  await world.clock.advance(3_000)
  const key = 'm|announcement-sequence'
  const before = Buffer.from((await world.store.get(key)) ?? []).readBigUInt64BE()
  world.crash()
  await world.start()
  await gateway.attach()
  await world.clock.advance(3_000)
  const after = Buffer.from((await world.store.get(key)) ?? []).readBigUInt64BE()
  expect(after).toBeGreaterThan(before)
})

test('a clean stop closes the links and leaves everything on the disk', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker({ signer: testSigner() })
  await gateway.submit(gateway.header('t1'))
  await worker.lease()
  let stopped = false
  void world.coordinator.stop().then(() => {
    stopped = true
  })
  await world.until(() => stopped && worker.closed !== undefined && gateway.closed !== undefined)
  world.crash()
  await world.start()
  expect(world.coordinator.status()).toMatchObject({ leased: 1 })
})
