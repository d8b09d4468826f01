import { expect, test } from 'vitest'
import type { Lease } from '../../../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import { Fault } from '../../../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import { type FakeGateway, type FakeWorker, IDS, World } from './world.js'

const SLOTS = 40
const TASKS = 60
/** Slots are looked over once a second. */
const LOOK_MS = 2_000

/** A paused coordinator with a queue, and a worker that could run nearly all of it at once. */
async function paused(): Promise<{ world: World; gateway: FakeGateway; worker: FakeWorker }> {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker({ slots: SLOTS })
  await world.run(world.coordinator.pause({ reason: 'an incident', refusesSubmits: false }))
  await gateway.submit(...Array.from({ length: TASKS }, (_, n) => gateway.header(`t${n}`)))
  await world.clock.advance(LOOK_MS)
  expect(worker.count('lease')).toBe(0)
  return { world, gateway, worker }
}

/** All leases that the worker was given and that nobody took yet. */
async function leases(world: World, worker: FakeWorker): Promise<Lease[]> {
  await world.clock.advance(LOOK_MS)
  const given: Lease[] = []
  while (worker.count('lease') > 0) given.push(await worker.lease())
  return given
}

function fail(worker: FakeWorker, { header, fence }: Lease): void {
  const lease = { taskId: header?.id ?? '', fence }
  const why = { code: 'engine-failed', detail: 'it broke' }
  worker.say({ case: 'failed', value: { lease, fault: Fault.WORKER, why, free: SLOTS } })
}

const stage = (world: World) => world.coordinator.status().resuming?.stage

test('it gives out little at first, and more with each stage, until all is given out', async () => {
  const { world, gateway, worker } = await paused()
  await world.run(world.coordinator.resume({ stageMs: 0 }))
  expect(world.coordinator.status()).toMatchObject({ resuming: { stage: 'probe', samplingFactor: 10 } })
  expect(world.coordinator.status()).not.toHaveProperty('paused')
  const most: Record<string, number> = {}
  for (let n = 0; n < TASKS && stage(world) !== undefined; n++) {
    const out = await leases(world, worker)
    const now = stage(world) ?? ''
    most[now] = Math.max(most[now] ?? 0, out.length)
    if (now === 'probe') {
      expect(world.coordinator.explain('alice', 't59')).toMatchObject({
        summary: expect.stringContaining('resumes in stages: at probe 1 of 1 leases are out'),
      })
    }
    for (const lease of out) expect((await worker.done(lease, gateway)).refusal).toBeUndefined()
  }
  expect(most).toEqual({ probe: 1, '10%': SLOTS / 10, '50%': SLOTS / 2 })
  expect(stage(world)).toBeUndefined()
  expect(world.logged.filter((event) => event === 'staged-attempt').length).toBeGreaterThanOrEqual(35)
  world.crash()
  await world.start()
  expect(stage(world)).toBeUndefined()
})

test('when too much fails it holds, says why, and gives out nothing, over kill -9 too, until its owner resumes', async () => {
  const { world, gateway, worker } = await paused()
  await world.run(world.coordinator.resume({ stageMs: 0 }))
  for (let n = 0; n < 2; n++) {
    const [lease] = await leases(world, worker)
    if (lease === undefined) throw new Error('no lease')
    fail(worker, lease)
  }
  const other = await world.worker({ slots: SLOTS })
  expect(await leases(world, other)).toEqual([])
  expect(world.coordinator.status()).toMatchObject({
    resuming: {
      held: `2 of 2 attempts at probe failed: engine-failed 2; 2 of worker ${worker.peerId}`,
      mostLeases: 0,
    },
  })
  expect(world.coordinator.explain('alice', 't30')).toMatchObject({
    summary: expect.stringContaining('engine-failed 2'),
  })
  expect(world.audit.acts).toContainEqual(expect.objectContaining({ kind: 'resume-held', by: 'node' }))
  world.crash()
  await world.start()
  await gateway.attach()
  await other.attach()
  expect(await leases(world, other)).toEqual([])
  expect(world.coordinator.status()).toMatchObject({ resuming: { held: expect.stringContaining('engine') } })
  // Begun again it probes; resumed in full it gives out all.
  await world.run(world.coordinator.resume({ stageMs: 0 }))
  expect(await leases(world, other)).toHaveLength(1)
  await world.run(world.coordinator.resume())
  expect(await leases(world, other)).toHaveLength(SLOTS - 1)
})

test('a stage lasts as long as asked for, begins anew after a restart, and a pause ends it', async () => {
  const { world, gateway, worker } = await paused()
  const stageMs = 60_000
  await world.run(world.coordinator.resume({ stageMs }))
  for (let n = 0; n < 6; n++) {
    const [lease] = await leases(world, worker)
    if (lease !== undefined) await worker.done(lease, gateway)
  }
  expect(world.coordinator.status()).toMatchObject({ resuming: { stage: 'probe', ended: 6 } })
  await world.clock.advance(stageMs)
  expect(stage(world)).toBe('10%')
  await world.clock.advance(LOOK_MS)
  world.crash()
  await world.start()
  expect(world.coordinator.status()).toMatchObject({ resuming: { stage: '10%', ended: 0, stageMs } })
  await world.run(world.coordinator.pause({ reason: 'again', refusesSubmits: false }))
  expect(stage(world)).toBeUndefined()
  expect(world.coordinator.status()).toMatchObject({ paused: { reason: 'again' } })
})

test('workers of others are called as long as it may give out more, and not while it holds or is paused', async () => {
  const { world, gateway, worker } = await paused()
  let heard = 0
  gateway.network.subscribe(IDS.announcements, () => {
    heard++
    return 'accept'
  })
  worker.link.abort('gone')
  worker.silent()
  await world.clock.advance(60_000)
  expect(heard).toBe(0)
  await world.run(world.coordinator.resume({ stageMs: 0 }))
  await world.until(() => heard > 0)
})
