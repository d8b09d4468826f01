import { expect, test } from 'vitest'
import { World } from './world.js'

/** The links of this world take 1 ms; far less than the second after which the coordinator looks anyway. */
const AT_ONCE_MS = 100

test('whom policy drains finishes what it has and gets nothing new; it is said, and ends with policy', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker({ slots: 2 })
  await gateway.submit(gateway.header('has'))
  const lease = await worker.lease()
  world.says({ draining: new Set([worker.peerId]) })
  await gateway.submit(gateway.header('waits'))
  worker.progress(lease, 1n)
  await worker.hears('beatAck')
  await world.clock.advance(30_000)
  expect(worker.count('lease')).toBe(0)
  expect(world.coordinator.explain('alice', 'waits')).toMatchObject({
    candidates: [{ worker: worker.peerId, reasons: [{ code: 'worker-draining' }] }],
  })
  worker.say({ case: 'whyIdle', value: { id: 1 } })
  expect((await worker.hears('whyIdle')).value.reasons[0]).toMatchObject({ code: 'worker-draining' })
  expect((await worker.done(lease, gateway)).refusal).toBeUndefined()
  // Attached anew it is drained all the same.
  await worker.attach()
  await world.clock.advance(5_000)
  expect(worker.count('lease')).toBe(0)
  world.says({ draining: new Set() })
  expect((await worker.lease(AT_ONCE_MS)).header?.id).toBe('alice:waits')
})

test('whom policy cuts off is put out at once, and what it had is with another at once', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const first = await world.worker()
  await gateway.submit(gateway.header('t1'))
  await first.lease()
  const second = await world.worker()
  world.says({
    admission: 'listed',
    gateways: new Set([gateway.peerId]),
    workers: new Set([second.peerId]),
  })
  expect(await second.lease(AT_ONCE_MS)).toMatchObject({ fence: 2n })
  expect((await first.hears('refused', AT_ONCE_MS)).value).toMatchObject({ code: 'not-admitted' })
  world.says({ gateways: new Set() })
  expect((await gateway.hears('refused', AT_ONCE_MS)).value).toMatchObject({ code: 'not-admitted' })
})

test('a lease that was on its way to the disk when policy cut its worker off is not told to it', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const first = await world.worker()
  gateway.send([gateway.header('t1')])
  await world.until(() => world.coordinator.status().leased === 1)
  // Without a word to the coordinator: only what it asks itself keeps the lease back.
  world.policy = { ...world.policy, admission: 'listed', gateways: new Set([gateway.peerId]) }
  expect((await first.hears('refused', AT_ONCE_MS)).value).toMatchObject({ code: 'not-admitted' })
  expect(first.count('lease')).toBe(0)
  expect(world.coordinator.queue(1).tasks).toMatchObject([{ state: 'queued', attempts: 0 }])
})
