import { expect, test } from 'vitest'
import type { Network } from '../../../../src/ports/network.js'
import { isolatedNetwork } from '../../../../src/roles/coordinator/isolated-network.js'
import { Isolations } from '../../../../src/roles/coordinator/isolations.js'
import { systemClock } from '../../../../src/services/clock/system-clock.js'
import { createMetrics } from '../../../../src/services/observe/metrics.js'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import { memoryLog } from '../../../helpers/memory-log.js'
import { World } from './world.js'

const AT_ONCE_MS = 100
/** Longer than an isolated peer is left to hear why. */
const CUT_MS = 1_000

test('an isolated worker loses its leases at once and is told why; nothing of it comes in, over kill -9 too', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const first = await world.worker({ agentId: 'first' })
  await gateway.submit(gateway.header('t1'))
  const lease = await first.lease()
  const second = await world.worker({ agentId: 'second' })
  const order = { peer: first.peerId, reason: 'forged results' }
  expect(await world.run(world.coordinator.isolate(order))).toBeUndefined()
  expect(await second.lease(AT_ONCE_MS)).toMatchObject({ fence: 2n })
  expect((await first.hears('refused', AT_ONCE_MS)).value).toMatchObject({
    code: 'peer-isolated',
    detail: expect.stringContaining('forged results'),
  })
  expect(world.coordinator.isolations()).toMatchObject([order])
  expect(world.coordinator.status()).toMatchObject({ isolated: 1, workers: 1 })
  // Its result comes too late, by whatever link.
  await world.clock.advance(CUT_MS)
  await first.attach()
  expect([first.count('welcome'), first.closed !== undefined]).toEqual([0, true])
  expect((await second.done(lease, gateway)).refusal).toMatchObject({ code: 'stale-fence' })

  world.crash()
  await world.start()
  await gateway.attach()
  await first.attach()
  expect(first.count('welcome')).toBe(0)
  expect(await world.run(world.coordinator.release(first.peerId))).toBeUndefined()
  expect(await first.attach()).toBeDefined()
  world.crash()
  await world.start()
  expect(world.coordinator.isolations()).toEqual([])
})

test('a gauge says how many are isolated, after a restart too', async () => {
  const disk = createMemoryDisk()
  const begin = async () => {
    const metrics = createMetrics()
    const isolations = new Isolations({ store: disk.open(), clock: systemClock(), log: memoryLog(), metrics })
    await isolations.load()
    const shown = async () =>
      /^edgecoder_coordinator_isolated_peers (\d+)$/m.exec(await metrics.render())?.[1]
    return { isolations, shown }
  }
  const first = await begin()
  expect(await first.shown()).toBe('0')
  for (const peer of ['a', 'b', 'a']) await first.isolations.begin({ peer, reason: 'odd results' })
  expect(await first.shown()).toBe('2')
  disk.crash()
  const second = await begin()
  expect(await second.shown()).toBe('2')
  await second.isolations.end('a')
  expect(await second.shown()).toBe('1')
})

test('an isolated gateway loses its links, and its tasks wait', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  await gateway.submit(gateway.header('t1'))
  await world.run(world.coordinator.isolate({ peer: gateway.peerId, reason: 'a stolen key' }))
  expect((await gateway.hears('refused', AT_ONCE_MS)).value).toMatchObject({ code: 'peer-isolated' })
  await world.clock.advance(CUT_MS)
  const worker = await world.worker()
  await world.clock.advance(5_000)
  expect(worker.count('lease')).toBe(0)
  await world.run(world.coordinator.release(gateway.peerId))
  await gateway.attach()
  expect((await worker.lease(1_000)).header?.id).toBe('alice:t1')
})

test('what an isolated peer says by gossip is not passed on, and it is not dialled', async () => {
  const judges: Parameters<Network['subscribe']>[1][] = []
  const subscribe: Network['subscribe'] = (_topic, judge) => {
    judges.push(judge)
    return () => {}
  }
  const cut = isolatedNetwork({ subscribe } as unknown as Network, { has: (peer) => peer === 'isolated' })
  cut.subscribe('/topic', () => 'accept')
  const verdicts = ['isolated', 'honest'].map((from) =>
    judges[0]?.({ topic: '/topic', from, bytes: new Uint8Array() }),
  )
  expect(verdicts).toEqual(['ignore', 'accept'])
  const peer = { peerId: 'isolated', addresses: [] }
  const dialled = cut.dial(peer, '/x', { signal: new AbortController().signal, maxFrameBytes: 1_000 })
  await expect(dialled).rejects.toMatchObject({ code: 'peer-isolated' })
})

test('a coordinator does not isolate itself, and says whom it does not have to release', async () => {
  const world = await new World().start()
  const itself = { peer: world.signer.peerId, reason: '' }
  expect(await world.run(world.coordinator.isolate(itself))).toMatchObject({ code: 'bad-request' })
  expect(await world.run(world.coordinator.release('12D3KooWx'))).toMatchObject({ code: 'not-found' })
})

test('an isolation that the disk does not take has not happened', async () => {
  const world = await new World().start()
  const worker = await world.worker()
  world.disk.full = true
  const isolated = world.run(world.coordinator.isolate({ peer: worker.peerId, reason: '' }))
  await expect(isolated).rejects.toMatchObject({ code: 'store-full' })
  world.disk.full = false
  expect(world.coordinator.isolations()).toEqual([])
  await world.clock.advance(CUT_MS)
  expect(worker.count('refused')).toBe(0)
})
