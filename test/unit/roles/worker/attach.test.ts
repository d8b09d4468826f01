import { expect, test } from 'vitest'
import { ScriptedEngine, ScriptedSandbox } from '../../../helpers/scripted-machinery.js'
import { HEARTBEAT_MS, welcome } from './fake-coordinator.js'
import { chat } from './fake-gateway.js'
import { attachedWorld, createWorld, MODEL, SECRET } from './worker-world.js'

test('the hello says who it is, what it can do and how much of it is free', async () => {
  const world = await attachedWorld({
    slots: 2,
    engine: (clock) => new ScriptedEngine(clock, () => ({ tokens: [] })),
    sandbox: (clock) => new ScriptedSandbox(clock),
  })
  expect(world.home.of('hello')).toMatchObject([
    {
      agentId: 'agent-1',
      slots: 2,
      running: [],
      capabilities: {
        engine: 'llama-cpp',
        sandbox: 'deno',
        languages: ['javascript', 'python'],
        models: [{ name: MODEL.name, contextTokens: 512, tokensPerSMilli: 100_000, warm: true }],
      },
    },
  ])
  expect(world.worker.status()).toMatchObject({
    coordinators: [{ peerId: world.home.peerId, slotsOffered: 2 }],
    slots: { total: 2, busy: 0 },
  })
  expect(world.worker.status().notReady).toBeUndefined()
})

test('a coordinator it was never told of is found in the DHT, and remembered', async () => {
  const world = await attachedWorld({ known: 'none', sandbox: (clock) => new ScriptedSandbox(clock) })
  expect(world.home.links).toBe(1)
  expect(world.remembered.at(-1)).toMatchObject([{ peerId: world.home.peerId }])
})

test('a coordinator that the policy does not admit is not dialled', async () => {
  const world = createWorld({ coordinators: 3, admitted: 'first' })
  await world.worker.start()
  await world.until('attached', () => world.worker.status().coordinators.length === 1)
  world.mesh.kill(world.home.peerId)
  await world.clock.advance(60_000)
  expect(world.coordinators.slice(1).map((each) => each.links)).toEqual([0, 0])
  expect(world.worker.status().notReady?.code).toBe('unreachable')
})

test('a refusal is shown with the next step, and asked again ever more slowly', async () => {
  const world = createWorld()
  const detail = 'not listed'
  world.home.greet = () => ({
    case: 'refused',
    value: { code: 'not-admitted', detail, next: '', retryAfterMs: 0 },
  })
  await world.worker.start()
  await world.until('refused', () => world.worker.status().notReady?.code === 'not-admitted')
  expect(world.worker.status().notReady?.detail).toContain(detail)
  expect(world.worker.status().notReady?.next).toMatch(/ask the operator/)
  const why = await world.worker.whyIdle(new AbortController().signal)
  expect(why.reasons[0]).toMatchObject({ code: 'not-admitted' })
  await world.clock.advance(60_000)
  const early = world.home.links
  await world.clock.advance(60_000)
  expect(early).toBeGreaterThan(4)
  expect(world.home.links - early).toBeLessThanOrEqual(9)
  world.home.greet = (hello) => welcome({ keep: hello.running })
  await world.until('let in', () => world.worker.status().coordinators.length === 1)
})

test('it knows how far the clock of its coordinator is off, once that tells it', async () => {
  const world = createWorld()
  world.home.greet = () => welcome()
  await world.worker.start()
  await world.until('attached', () => world.worker.status().coordinators.length === 1)
  expect(world.worker.status().coordinators[0]).not.toHaveProperty('clockAheadMs')
  world.home.greet = () => welcome({ timeMs: BigInt(world.clock.nowMs() + 60_000) })
  world.home.acksBeats = false
  await world.until('a new link', () => world.home.links === 2)
  await world.until('attached again', () => world.worker.status().coordinators.length === 1)
  await world.clock.advance(1_000)
  const [{ clockAheadMs = 0 } = {}] = world.worker.status().coordinators
  expect(Math.abs(clockAheadMs - 60_000)).toBeLessThan(100)
})

test('beats come every heartbeat; without answers the link is dropped and dialled anew', async () => {
  const world = await attachedWorld()
  await world.clock.advance(10 * HEARTBEAT_MS)
  expect(world.home.of('beat').length).toBeGreaterThanOrEqual(9)
  world.home.acksBeats = false
  await world.clock.advance(3 * HEARTBEAT_MS)
  expect(world.home.links).toBe(1)
  await world.until('a new link', () => world.home.links === 2, 2 * HEARTBEAT_MS)
})

test('idle it beats as rarely as it is let; with a lease, and unanswered, as often as ever', async () => {
  const world = createWorld({
    engine: (clock) => new ScriptedEngine(clock, () => ({ tokens: ['a', 'b', 'c'], tokenMs: 3_000 })),
  })
  const { home, clock } = world
  home.greet = (hello) => welcome({ keep: hello.running, idleHeartbeatMs: 5 * HEARTBEAT_MS })
  await world.worker.start()
  await world.until('attached', () => world.worker.status().coordinators.length === 1)
  const beatsIn = async (beats: number): Promise<number> => {
    const before = home.of('beat').length
    await clock.advance(beats * HEARTBEAT_MS)
    return home.of('beat').length - before
  }
  expect(await beatsIn(20)).toBeLessThanOrEqual(5)
  home.lease(world.gateway.task('a:1', chat))
  // The first one says at once that the lease came.
  await world.until('a beat', () => (home.of('beat').at(-1)?.progress.length ?? 0) > 0, 500)
  expect(await beatsIn(8)).toBeGreaterThanOrEqual(7)
  await world.until('done', () => home.of('done').length === 1)
  await beatsIn(2)
  expect(await beatsIn(20)).toBeLessThanOrEqual(5)
  home.acksBeats = false
  await world.until('a new link', () => home.links === 2, 13 * HEARTBEAT_MS)
  home.acksBeats = true
  expect(await beatsIn(20)).toBeLessThanOrEqual(5)
})

test('over a link that went dead without a word it finds another coordinator', async () => {
  const world = await attachedWorld({ coordinators: 2, known: 'first' })
  world.mesh.cut(world.workerId, world.home.peerId, 'silent')
  const other = world.coordinators[1]?.peerId
  await world.until('at the other', () => world.worker.status().coordinators[0]?.peerId === other)
})

test('a lost coordinator without leases here is left for another', async () => {
  const world = await attachedWorld({ coordinators: 2, known: 'first' })
  world.mesh.kill(world.home.peerId)
  await world.until('at the other', () => world.coordinators[1]?.link !== undefined, 3_000)
})

test('while its leases run, a lost coordinator is waited for; it hears of them in the next hello', async () => {
  const world = await attachedWorld({
    coordinators: 2,
    known: 'all',
    engine: (clock) => new ScriptedEngine(clock, () => ({ tokens: ['a', 'b', 'c'], tokenMs: 3_000 })),
  })
  const home = world.coordinators.find((each) => each.link !== undefined)
  const other = world.coordinators.find((each) => each !== home)
  if (home === undefined) throw new Error('attached to nobody')
  home.lease(world.gateway.task('a:1', chat), 5n)
  await world.until('running', () => world.worker.status().running.length === 1)
  world.mesh.cut(world.workerId, home.peerId, 'closed')
  await world.clock.advance(2_000)
  world.mesh.heal(world.workerId, home.peerId)
  await world.until('done', () => home.of('done').length === 1)
  expect(home.of('hello').at(-1)).toMatchObject({ running: [{ taskId: 'a:1', fence: 5n }], slots: 0 })
  expect(other?.links).toBe(0)
})

test('an outcome is told again after the link was lost, until it is acknowledged', async () => {
  const world = await attachedWorld({
    engine: (clock) => new ScriptedEngine(clock, () => ({ tokens: ['a'] })),
  })
  const { home } = world
  home.acksDone = false
  home.lease(world.gateway.task('a:1', chat), 2n)
  await world.until('done', () => home.of('done').length === 1)
  world.mesh.cut(world.workerId, home.peerId, 'closed')
  await world.clock.advance(100)
  world.mesh.heal(world.workerId, home.peerId)
  await world.until('done again', () => home.of('done').length === 2)
  expect(home.of('hello').at(-1)).toMatchObject({ running: [{ taskId: 'a:1', fence: 2n }], slots: 1 })
  home.send({ case: 'doneAck', value: { lease: { taskId: 'a:1', fence: 2n } } })
  await world.clock.advance(100)
  world.mesh.cut(world.workerId, home.peerId, 'closed')
  await world.clock.advance(100)
  world.mesh.heal(world.workerId, home.peerId)
  await world.until('attached again', () => home.of('hello').length === 3)
  expect(home.of('hello').at(-1)?.running).toEqual([])
  expect(home.of('done').length).toBe(2)
})

test('outcomes that nobody takes are bounded', async () => {
  const world = await attachedWorld({
    limits: { pendingOutcomes: 2 },
    engine: (clock) => new ScriptedEngine(clock, () => ({ tokens: ['a'] })),
  })
  world.home.acksDone = false
  for (let i = 1; i <= 4; i++) {
    world.home.lease(world.gateway.task(`a:${i}`, chat))
    await world.until('done', () => world.home.of('done').length === i)
  }
  world.mesh.cut(world.workerId, world.home.peerId, 'closed')
  world.mesh.heal(world.workerId, world.home.peerId)
  await world.until('attached again', () => world.home.of('hello').length === 2)
  expect(world.home.of('hello')[1]?.running.map((lease) => lease.taskId)).toEqual(['a:3', 'a:4'])
})

test.each([
  ['bytes that are no message', Uint8Array.of(255, 255, 255), 'malformed-frame'],
  ['an empty message', new Uint8Array(0), 'malformed-frame'],
])('%s from a coordinator end the link and are scored', async (_, bytes, offence) => {
  const world = await attachedWorld()
  world.home.link?.send(bytes)
  await world.until('penalised', () => world.offences.length > 0)
  expect(world.offences).toEqual([{ peerId: world.home.peerId, offence }])
  await world.until('dropped', () => world.home.closed.length === 1)
})

test('work before the welcome, and a second welcome, break the protocol', async () => {
  const world = createWorld()
  world.home.greet = () => ({ case: 'beatAck', value: {} })
  await world.worker.start()
  await world.until('penalised', () => world.offences.length === 1)
  world.home.greet = () => welcome()
  await world.until('attached', () => world.worker.status().coordinators.length === 1)
  world.home.send(welcome())
  await world.until('penalised again', () => world.offences.length === 2)
  expect(world.offences.map((each) => each.offence)).toEqual(['protocol-violation', 'protocol-violation'])
})

test('a coordinator that never answers the hello is given up', async () => {
  const world = createWorld({ coordinators: 2, known: 'first' })
  world.home.greet = () => undefined
  await world.worker.start()
  await world.until('at the other', () => world.worker.status().coordinators.length === 1)
  expect(world.worker.status().coordinators[0]?.peerId).toBe(world.coordinators[1]?.peerId)
})

test('its token is shown to the coordinator that made it, first, and to no other one', async () => {
  const world = createWorld({ coordinators: 3, issuer: 1 })
  const issuer = world.coordinators[1]
  if (issuer === undefined) throw new Error('no issuer')
  issuer.greet = () => undefined
  await world.worker.start()
  await world.until('at another one', () => world.worker.status().coordinators.length === 1)
  expect(issuer.of('hello').map(({ registrationSecret }) => [...registrationSecret])).toEqual([[...SECRET]])
  const others = world.coordinators.filter((each) => each !== issuer).flatMap((each) => each.of('hello'))
  expect(others.map(({ registrationSecret }) => registrationSecret.length)).toEqual([0])
})

test('while it waits for approval it says so, asks when it was told to, and asks nobody else', async () => {
  const world = createWorld({ coordinators: 2, issuer: 0 })
  const { home } = world
  const next = 'An admin types: edgecoder admin nodes approve it'
  const pending = { code: 'approval-pending', detail: 'waits since noon', next, retryAfterMs: 5_000 }
  home.greet = () => ({ case: 'refused', value: pending })
  await world.worker.start()
  await world.until('told', () => world.worker.status().notReady?.code === 'approval-pending')
  await world.clock.advance(60_000)
  expect(world.worker.status().notReady).toMatchObject({ code: 'approval-pending', next })
  expect((await world.worker.whyIdle(new AbortController().signal)).reasons[0]).toMatchObject({ next })
  expect([home.links > 11, home.links < 14, world.coordinators[1]?.links]).toEqual([true, true, 0])
  expect(world.log.events.filter(({ event }) => event === 'approval-pending')).toHaveLength(1)
  home.greet = (hello) => welcome({ keep: hello.running })
  await world.until('let in', () => world.worker.status().coordinators.length === 1, 6_000)
  expect(world.worker.status().notReady?.code).not.toBe('approval-pending')
})

test('what the policy says of it is told before what coordinators it cannot reach say', async () => {
  const why = { refused: true, code: 'not-admitted', detail: 'agent-1 is suspended: loud fan' } as const
  const world = createWorld({ standing: () => why })
  world.mesh.kill(world.home.peerId)
  await world.worker.start()
  await world.clock.advance(1_000)
  expect(world.worker.status().notReady).toMatchObject(why)
})
