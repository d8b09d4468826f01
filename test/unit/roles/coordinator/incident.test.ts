import { expect, test } from 'vitest'
import type { IncidentRecord } from '../../../../src/core/policy/policy-records.js'
import { TaskKind } from '../../../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import { World } from './world.js'

const CLOSED: IncidentRecord = {
  closed: ['code'],
  reason: 'a way out of the sandbox',
  sequence: 7,
  sinceMs: 1,
}
const OVER: IncidentRecord = { closed: [], reason: 'mended', sequence: 8, sinceMs: 2 }
const CODE = { kind: TaskKind.TEST, model: '', languages: ['javascript'] }
const AT_ONCE_MS = 100

test('while an incident closes code, what runs code is called off and waits, and says so; chat goes on', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker({ slots: 2 })
  await gateway.submit(gateway.header('runs', CODE))
  const lease = await worker.lease()
  worker.progress(lease, 1n)
  await worker.hears('beatAck')
  world.says({ incident: CLOSED })
  expect((await worker.hears('cancel', AT_ONCE_MS)).value).toMatchObject({
    lease: { taskId: 'alice:runs', fence: 1n },
    why: { code: 'incident-closed' },
  })
  worker.say({ case: 'slots', value: { free: 2, reason: '' } })
  await gateway.submit(gateway.header('comes', CODE))
  await gateway.submit(gateway.header('talk'))
  const talk = await worker.lease(AT_ONCE_MS)
  expect(talk.header?.id).toBe('alice:talk')
  await world.clock.advance(10_000)
  expect(worker.count('lease')).toBe(0)
  for (const id of ['runs', 'comes']) {
    expect(world.coordinator.explain('alice', id)).toMatchObject({
      state: 'queued',
      summary: expect.stringContaining('a way out of the sandbox'),
    })
  }
  expect(world.coordinator.queue(10).tasks.filter(({ kind }) => kind === 'test')).toMatchObject([
    { state: 'queued', why: { code: 'incident-closed' } },
    { state: 'queued', why: { code: 'incident-closed' } },
  ])
  worker.say({ case: 'whyIdle', value: { id: 1 } })
  expect((await worker.hears('whyIdle')).value.reasons).toContainEqual(
    expect.objectContaining({ code: 'incident-closed', tasks: 2 }),
  )
  // It did not fail: no attempt is counted, and the same worker may have it again.
  world.says({ incident: OVER })
  expect(await worker.lease(AT_ONCE_MS)).toMatchObject({ header: { id: 'alice:runs' }, attempt: 1 })
})

test('a coordinator that starts in an incident gives out no code, not even what it had before', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  await gateway.submit(gateway.header('code', CODE))
  world.crash()
  world.says({ incident: CLOSED })
  await world.start()
  await gateway.attach()
  const worker = await world.worker()
  await world.clock.advance(10_000)
  expect(worker.count('lease')).toBe(0)
  world.says({ incident: OVER })
  expect((await worker.lease(AT_ONCE_MS)).header?.id).toBe('alice:code')
})
