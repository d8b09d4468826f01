import { expect, test } from 'vitest'
import { DEFAULT_STORM } from '../../../../src/core/task/storm-guard.js'
import { WORKER_LIMITS } from '../../../../src/roles/worker/worker-limits.js'
import { Fault } from '../../../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import { TaskKind } from '../../../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import { ScriptedEngine, ScriptedSandbox } from '../../../helpers/scripted-machinery.js'
import { HEARTBEAT_MS, LEASE_MS, welcome } from './fake-coordinator.js'
import { chat } from './fake-gateway.js'
import { attachedWorld } from './worker-world.js'

/** An engine that makes a token every `tokenMs`, for ever or `count` times. */
function slow(tokenMs: number, count = 10_000) {
  const engines: ScriptedEngine[] = []
  return {
    engines,
    engine: (clock: ConstructorParameters<typeof ScriptedEngine>[0]) => {
      const engine = new ScriptedEngine(clock, () => ({
        tokens: new Array<string>(count).fill('x'),
        tokenMs,
      }))
      engines.push(engine)
      return engine
    },
  }
}

const why = { code: 'cancelled-by-user', detail: 'the user changed their mind' }

test('a lease that finds every slot taken is declined, and nothing else happens', async () => {
  const world = await attachedWorld({ slots: 2, ...slow(100) })
  for (const id of ['a:1', 'a:2', 'a:3']) world.home.lease(world.gateway.task(id, chat))
  await world.until('declined', () => world.home.of('declined').length === 1)
  expect(world.home.of('declined')[0]).toMatchObject({
    lease: { taskId: 'a:3' },
    reason: 'no-free-slot',
    free: 0,
  })
  expect(world.worker.status()).toMatchObject({ slots: { total: 2, busy: 2 } })
  await world.clock.advance(1_000)
  expect(world.gateway.of('open').map((each) => each.lease?.taskId)).toEqual(['a:1', 'a:2'])
})

test('while an incident closes code, a coordinator that has not heard of it cannot have it run', async () => {
  const incident = { closed: ['code'], reason: 'a way out', sequence: 3, sinceMs: 0 } as const
  const world = await attachedWorld({ slots: 2, incident, ...slow(1, 2) })
  world.home.lease({ ...world.gateway.task('a:1', chat), kind: TaskKind.TEST })
  world.home.lease(world.gateway.task('a:2', chat))
  await world.until('declined', () => world.home.of('declined').length === 1)
  expect(world.home.of('declined')[0]).toMatchObject({ lease: { taskId: 'a:1' }, reason: 'incident-closed' })
  await world.until('done', () => world.home.of('done').length === 1)
  expect(world.home.of('done')[0]).toMatchObject({ lease: { taskId: 'a:2' } })
})

test('the same lease sent again starts nothing again', async () => {
  const world = await attachedWorld({ slots: 2, ...slow(100, 5) })
  const header = world.gateway.task('a:1', chat)
  world.home.lease(header)
  world.home.lease(header)
  await world.until('done', () => world.home.of('done').length === 1)
  expect(world.gateway.of('open').length).toBe(1)
  expect(world.home.of('declined')).toEqual([])
})

test('the slot is offered again with the outcome, before that is acknowledged', async () => {
  const world = await attachedWorld({ ...slow(1, 2) })
  world.home.acksDone = false
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until('done', () => world.home.of('done').length === 1)
  expect(world.home.free).toBe(1)
  world.home.lease(world.gateway.task('a:2', chat))
  await world.until('done', () => world.home.of('done').length === 2)
  expect(world.home.of('declined')).toEqual([])
})

test('cancel stops the engine at once and frees the slot without an outcome', async () => {
  const { engine, engines } = slow(100)
  const world = await attachedWorld({ engine })
  world.home.lease(world.gateway.task('a:1', chat), 4n)
  await world.until('tokens', () => world.gateway.outputs.length > 1)
  world.home.send({ case: 'cancel', value: { lease: { taskId: 'a:1', fence: 3n }, why } })
  await world.clock.advance(500)
  expect(world.worker.status().slots.busy).toBe(1)
  world.home.send({ case: 'cancel', value: { lease: { taskId: 'a:1', fence: 4n }, why } })
  await world.until('free', () => world.home.free === 1, 50)
  expect(engines[0]?.aborted).toBe(1)
  expect([world.home.of('failed'), world.home.of('done')]).toEqual([[], []])
  expect(world.gateway.of('abandon')[0]).toMatchObject({ why: { code: 'cancelled-by-user' } })
})

test('cancel stops a sandbox run at once', async () => {
  const sandboxes: ScriptedSandbox[] = []
  const world = await attachedWorld({
    sandbox: (clock) => {
      const sandbox = new ScriptedSandbox(clock, () => ({}), 60_000)
      sandboxes.push(sandbox)
      return sandbox
    },
  })
  const limits = { wallMs: 60_000, cpuMs: 1, memoryMib: 1, processes: 1, outputBytes: 1 }
  const suite = { files: [], command: ['node', 'x.js'], language: 'javascript', limits }
  world.home.lease(world.gateway.task('a:1', { case: 'test', value: { suite } }))
  await world.until('testing', () => world.worker.status().running[0]?.stage === 'testing')
  world.home.send({ case: 'cancel', value: { lease: { taskId: 'a:1', fence: 1n }, why } })
  await world.until('free', () => world.home.free === 1, 50)
  expect(sandboxes[0]?.aborted).toBe(1)
})

test('beats tell how far each attempt is, and the count grows with its tokens', async () => {
  const world = await attachedWorld({ ...slow(300) })
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until(
    'beats',
    () => world.home.of('beat').filter((beat) => beat.progress.length > 0).length >= 4,
  )
  const beats = world.home.of('beat').flatMap((beat) => beat.progress)
  const work = beats.map((progress) => progress.work)
  expect(work).toEqual([...work].sort((a, b) => Number(a - b)))
  expect(new Set(work).size).toBe(work.length)
  expect(beats.at(-1)).toMatchObject({ stage: 'generating', lease: { taskId: 'a:1', fence: 1n } })
})

test('an attempt whose lease is renewed goes on past it; one that is not stops, and says so', async () => {
  const { engine, engines } = slow(500)
  const world = await attachedWorld({ engine })
  world.home.lease(world.gateway.task('a:1', chat))
  await world.clock.advance(3 * LEASE_MS)
  expect(world.worker.status().slots.busy).toBe(1)
  world.home.renews = false
  await world.until('stopped', () => world.home.of('failed').length === 1, LEASE_MS + 4 * HEARTBEAT_MS)
  expect(world.home.of('failed')[0]).toMatchObject({ fault: Fault.WORKER, why: { code: 'lease-lapsed' } })
  expect(engines[0]?.aborted).toBe(1)
})

test('without its coordinator an attempt goes on for as long as that may be cut off, then stops', async () => {
  const { engine, engines } = slow(500)
  const world = await attachedWorld({ engine })
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until('running', () => world.worker.status().running.length === 1)
  world.mesh.kill(world.home.peerId)
  await world.clock.advance(DEFAULT_STORM.longestMs + DEFAULT_STORM.settleMs)
  expect(world.worker.status().slots.busy).toBe(1)
  await world.clock.advance(WORKER_LIMITS.coordinatorLostMs + LEASE_MS)
  expect(world.worker.status().slots.busy).toBe(0)
  expect(engines[0]?.aborted).toBe(1)
})

test('leases that a coordinator does not keep after a reattach are stopped', async () => {
  const { engine, engines } = slow(500)
  const world = await attachedWorld({ engine })
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until('running', () => world.worker.status().running.length === 1)
  world.home.greet = () => welcome({ keep: [] })
  world.mesh.cut(world.workerId, world.home.peerId, 'closed')
  world.mesh.heal(world.workerId, world.home.peerId)
  await world.until('free', () => world.home.free === 1)
  expect(engines[0]?.aborted).toBe(1)
  expect(world.home.of('failed')).toEqual([])
})

test('no attempt runs longer than its task allows', async () => {
  const world = await attachedWorld({ ...slow(100) })
  world.home.lease(world.gateway.task('a:1', chat, { maxRunMs: 5_000 }))
  await world.clock.advance(4_900)
  expect(world.worker.status().slots.busy).toBe(1)
  await world.until('failed', () => world.home.of('failed').length === 1, 300)
  expect(world.home.of('failed')[0]).toMatchObject({ why: { code: 'run-time-exceeded' }, free: 1 })
})

test('a newer lease of a task ends the older attempt at it', async () => {
  const world = await attachedWorld({ slots: 2, ...slow(100) })
  const header = world.gateway.task('a:1', chat)
  world.home.lease(header, 1n)
  await world.until('running', () => world.worker.status().running.length === 1)
  world.home.lease(header, 2n)
  await world.until('one left', () => world.worker.status().running[0]?.fence === '2')
  expect(world.worker.status().slots.busy).toBe(1)
})

test('stop lets attempts finish, declines new ones, and leaves when all is acknowledged', async () => {
  const world = await attachedWorld({ slots: 2, ...slow(100, 20) })
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until('running', () => world.worker.status().running.length === 1)
  let stopped = false
  void world.worker.stop(new AbortController().signal).then(() => {
    stopped = true
  })
  await world.until('draining', () => world.home.of('slots').at(-1)?.reason === 'draining')
  expect(world.worker.status().notReady?.code).toBe('shutting-down')
  world.home.lease(world.gateway.task('a:2', chat))
  await world.until('stopped', () => stopped)
  expect(world.home.of('declined')[0]).toMatchObject({
    lease: { taskId: 'a:2' },
    reason: 'draining',
    free: 0,
  })
  expect(world.home.of('done')).toMatchObject([{ lease: { taskId: 'a:1' }, free: 0 }])
  await world.until('left', () => world.home.link === undefined)
  await world.clock.advance(60_000)
  expect(world.home.links).toBe(1)
})

test('a stop that is hurried hands its leases back at nobody’s fault', async () => {
  const world = await attachedWorld({ ...slow(100) })
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until('running', () => world.worker.status().running.length === 1)
  const hurry = new AbortController()
  let stopped = false
  void world.worker.stop(hurry.signal).then(() => {
    stopped = true
  })
  await world.clock.advance(1_000)
  expect(stopped).toBe(false)
  hurry.abort()
  await world.until('stopped', () => stopped, 3_000)
  await world.until('told', () => world.home.of('failed').length === 1)
  expect(world.home.of('failed')[0]).toMatchObject({ fault: Fault.GATEWAY, why: { code: 'shutting-down' } })
})

test('why-idle puts its own reasons before those of the coordinator', async () => {
  const world = await attachedWorld({ models: [] })
  const asked = world.worker.whyIdle(new AbortController().signal)
  await world.until('asked', () => world.home.of('whyIdle').length === 1)
  const id = world.home.of('whyIdle')[0]?.id ?? 0
  const reasons = [{ code: 'model-missing', detail: 'llama', tasks: 3 }]
  world.home.send({ case: 'whyIdle', value: { id, reasons, queued: 5 } })
  await world.clock.advance(10)
  const why = await asked
  expect(why).toMatchObject({ busy: false, queued: 5 })
  expect(why.reasons.map((each) => [each.code, each.tasks])).toEqual([
    ['no-engine', 0],
    ['no-sandbox', 0],
    ['model-missing', 3],
  ])
  expect(world.worker.status().notReady?.code).toBe('no-engine')
})

test('why-idle does not wait for ever', async () => {
  const world = await attachedWorld({ sandbox: (clock) => new ScriptedSandbox(clock) })
  const asked = world.worker.whyIdle(new AbortController().signal)
  await world.clock.advance(5_000)
  expect((await asked).reasons.map((each) => each.code)).toEqual(['no-engine'])
})
