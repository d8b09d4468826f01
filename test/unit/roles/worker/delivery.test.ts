import { expect, test } from 'vitest'
import { WORKER_LIMITS } from '../../../../src/roles/worker/worker-limits.js'
import { Fault } from '../../../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import { ScriptedEngine, ScriptedSandbox } from '../../../helpers/scripted-machinery.js'
import { welcome } from './fake-coordinator.js'
import { chat } from './fake-gateway.js'
import { attachedWorld, type World } from './worker-world.js'

const lease = { taskId: 'a:1', fence: 1n }

/** Says the numbers from 0 up to `count`, each with a space. */
function counting(count: number, tokenMs: number) {
  const tokens = Array.from({ length: count }, (_, i) => `${i} `)
  return {
    tokens,
    text: tokens.join(''),
    engine: (clock: ConstructorParameters<typeof ScriptedEngine>[0]) =>
      new ScriptedEngine(clock, () => ({ tokens, tokenMs })),
  }
}

function cutGateway(world: World): void {
  world.mesh.cut(world.workerId, world.gateway.signer.peerId, 'closed')
}

function healGateway(world: World): void {
  world.mesh.heal(world.workerId, world.gateway.signer.peerId)
}

async function failure(world: World) {
  await world.until('failed', () => world.home.of('failed').length === 1)
  return world.home.of('failed')[0]
}

test('a payload that is not the one of the header is not run', async () => {
  const world = await attachedWorld(counting(1, 0))
  const header = world.gateway.task('a:1', chat)
  world.home.lease({ ...header, payloadDigest: new Uint8Array(32).fill(7) })
  expect(await failure(world)).toMatchObject({
    fault: Fault.GATEWAY,
    why: { code: 'gateway-unavailable' },
    free: 1,
  })
  expect(world.gateway.outputs).toEqual([])
})

test('a large payload comes in pieces, and a large result goes in pieces', async () => {
  const stdout = 'o'.repeat(300_000)
  const world = await attachedWorld({ sandbox: (clock) => new ScriptedSandbox(clock, () => ({ stdout })) })
  const limits = { wallMs: 1, cpuMs: 1, memoryMib: 1, processes: 1, outputBytes: 1 }
  const files = [{ path: 'big.js', content: new Uint8Array(250_000).fill(65) }]
  const suite = { files, command: ['node', 'big.js'], language: 'javascript', limits }
  world.home.lease(world.gateway.task('a:1', { case: 'test', value: { suite } }))
  await world.until('done', () => world.home.of('done').length === 1)
  expect(world.gateway.results.get('a:1')?.body).toMatchObject({ case: 'test', value: { stdout } })
  expect(world.gateway.of('result').map((chunk) => chunk.offset)).toEqual([0, 131_072, 262_144])
})

test('all attempts for a gateway share one stream, which is closed when it has long been idle', async () => {
  const world = await attachedWorld({ slots: 3, ...counting(5, 10) })
  for (const id of ['a:1', 'a:2', 'a:3']) world.home.lease(world.gateway.task(id, chat))
  await world.until('open', () => world.gateway.of('open').length === 3)
  await world.clock.advance(1_000)
  expect(world.gateway.links).toBe(1)
  world.home.lease(world.gateway.task('a:4', chat))
  await world.until('open', () => world.gateway.of('open').length === 4)
  expect(world.gateway.links).toBe(1)
  await world.clock.advance(120_000)
  world.home.lease(world.gateway.task('a:5', chat))
  await world.until('open', () => world.gateway.of('open').length === 5)
  expect(world.gateway.links).toBe(2)
})

test('a gateway lost while tokens flow is found again; it gets each token once, in order', async () => {
  const world = await attachedWorld(counting(400, 20))
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until('tokens', () => world.gateway.outputs.length > 20)
  cutGateway(world)
  await world.clock.advance(3_000)
  healGateway(world)
  await world.until('done', () => world.home.of('done').length === 1)
  expect(world.gateway.text()).toBe(counting(400, 20).text)
  expect(world.gateway.of('open').map((open) => open.resumed)).toEqual([false, true])
  expect(world.gateway.results.get('a:1')?.body).toMatchObject({ value: { text: world.gateway.text() } })
})

test('a gateway lost before it accepted gets the result again', async () => {
  const world = await attachedWorld(counting(3, 1))
  world.gateway.accepts = false
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until('finished', () => world.gateway.of('finish').length === 1)
  cutGateway(world)
  world.gateway.accepts = true
  await world.clock.advance(500)
  healGateway(world)
  await world.until('done', () => world.home.of('done').length === 1)
  expect(world.gateway.of('finish').length).toBe(2)
  expect(world.gateway.results.get('a:1')?.body).toMatchObject({ value: { text: '0 1 2 ' } })
})

test('a gateway that accepted, and whose word was lost with the link, may just say it again', async () => {
  const world = await attachedWorld(counting(3, 1))
  world.home.lease(world.gateway.task('a:1', chat))
  world.gateway.accepts = false
  await world.until('finished', () => world.gateway.of('finish').length === 1)
  const receipt = world.gateway.of('finish')[0]?.receipt
  world.gateway.onOpen = () => ({
    case: 'accepted',
    value: {
      lease,
      ...(receipt === undefined ? {} : { acceptance: world.gateway.acceptanceOf(lease, receipt) }),
    },
  })
  cutGateway(world)
  healGateway(world)
  await world.until('done', () => world.home.of('done').length === 1)
  expect(world.gateway.of('finish').length).toBe(1)
})

test('a gateway that does not come back is given up after a bounded time, at nobody’s fault', async () => {
  const world = await attachedWorld(counting(10_000, 20))
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until('tokens', () => world.gateway.outputs.length > 5)
  cutGateway(world)
  await world.clock.advance(15_000)
  expect(world.worker.status().slots.busy).toBe(1)
  expect(await failure(world)).toMatchObject({ fault: Fault.GATEWAY, why: { code: 'gateway-unavailable' } })
  expect(world.worker.status().slots.busy).toBe(0)
})

test('a worker that is cut off from everybody for a minute goes on where it was', async () => {
  const world = await attachedWorld(counting(400, 300))
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until('tokens', () => world.gateway.outputs.length > 5)
  world.home.greet = () => welcome({ keep: [lease] })
  cutGateway(world)
  world.mesh.cut(world.workerId, world.home.peerId, 'closed')
  await world.clock.advance(60_000)
  expect(world.worker.status().slots.busy).toBe(1)
  world.mesh.heal(world.workerId, world.home.peerId)
  healGateway(world)
  await world.until('done', () => world.home.of('done').length === 1, 120_000)
  expect(world.gateway.text()).toBe(counting(400, 300).text)
  expect(world.home.of('failed')).toEqual([])
})

test('one that has its coordinator back gives a gateway no longer than usual', async () => {
  const world = await attachedWorld(counting(10_000, 20))
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until('tokens', () => world.gateway.outputs.length > 5)
  world.home.greet = () => welcome({ keep: [lease] })
  cutGateway(world)
  world.mesh.cut(world.workerId, world.home.peerId, 'closed')
  await world.clock.advance(60_000)
  world.mesh.heal(world.workerId, world.home.peerId)
  await world.until('back', () => world.worker.status().coordinators.length === 1)
  await world.until('failed', () => world.home.of('failed').length === 1, 2 * WORKER_LIMITS.gatewayLostMs)
  expect(world.home.of('failed')[0]).toMatchObject({ why: { code: 'gateway-unavailable' } })
})

test('a gateway behind its coordinator is asked again when it says so', async () => {
  const world = await attachedWorld(counting(1, 0))
  let refusals = 0
  world.gateway.onOpen = () => {
    if (++refusals === 2) world.gateway.onOpen = undefined
    return { case: 'refused', value: { lease, why: { code: 'gateway-unavailable', retryAfterMs: 300 } } }
  }
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until('done', () => world.home.of('done').length === 1)
  expect(world.gateway.of('open').length).toBe(3)
})

test('a gateway that refuses for good ends the attempt at once, engine and all', async () => {
  const world = await attachedWorld(counting(10_000, 20))
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until('tokens', () => world.gateway.outputs.length > 1)
  world.gateway.send({
    case: 'refused',
    value: { lease, why: { code: 'cancelled-by-user', detail: 'enough' } },
  })
  expect(await failure(world)).toMatchObject({
    fault: Fault.GATEWAY,
    why: { code: 'cancelled-by-user' },
    free: 1,
  })
})

test('a gateway that says nothing to an open is dropped and dialled anew, then given up', async () => {
  const world = await attachedWorld({ ...counting(1, 0), limits: { gatewayAnswerMs: 1_000 } })
  world.gateway.onOpen = () => undefined
  world.home.lease(world.gateway.task('a:1', chat))
  expect(await failure(world)).toMatchObject({ fault: Fault.GATEWAY })
  expect(world.gateway.of('open').length).toBe(3)
})

test('an acceptance of something else is no acceptance', async () => {
  const world = await attachedWorld(counting(1, 0))
  world.gateway.forges = true
  world.home.lease(world.gateway.task('a:1', chat))
  expect(await failure(world)).toMatchObject({ fault: Fault.GATEWAY, why: { code: 'result-mismatch' } })
  expect(world.home.of('done')).toEqual([])
})

test('a gateway that does not read slows the engine down, and loses nothing', async () => {
  const tokens = Array.from({ length: 130 }, (_, i) => `${i}:${'x'.repeat(10_000)} `)
  let made = 0
  const world = await attachedWorld({
    limits: { outputBytes: 300_000 },
    engine: (clock) =>
      new ScriptedEngine(clock, () => ({ tokens: yielded(tokens, () => made++), tokenMs: 1 })),
  })
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until('tokens', () => world.gateway.outputs.length > 2)
  world.mesh.cut(world.workerId, world.gateway.signer.peerId, 'silent')
  await world.clock.advance(5_000)
  // About 1 MiB waits on the link, up to half of `outputBytes` here; the engine stands still.
  expect(made).toBeGreaterThan(100)
  expect(made).toBeLessThan(126)
  healGateway(world)
  await world.until('done', () => world.home.of('done').length === 1)
  // Said as a boolean: the text is over a megabyte.
  expect(world.gateway.text() === tokens.join('')).toBe(true)
})

test.each([
  ['bytes that are no message', Uint8Array.of(255, 255), 'malformed-frame'],
  ['an empty message', new Uint8Array(0), 'malformed-frame'],
])(
  '%s from a gateway end the link and are scored; the attempt goes on over a new one',
  async (_, bytes, offence) => {
    const world = await attachedWorld(counting(100, 20))
    world.home.lease(world.gateway.task('a:1', chat))
    await world.until('tokens', () => world.gateway.outputs.length > 2)
    world.gateway.link?.send(bytes)
    await world.until('done', () => world.home.of('done').length === 1)
    expect(world.offences).toEqual([{ peerId: world.gateway.signer.peerId, offence }])
    expect(world.gateway.text()).toBe(counting(100, 20).text)
  },
)

test.each([
  [
    'a chunk out of order',
    { case: 'payload', value: { lease, offset: 5, bytes: new Uint8Array(1) } } as const,
  ],
  [
    'more than the header says',
    { case: 'payload', value: { lease, offset: 0, bytes: new Uint8Array(999) } } as const,
  ],
  ['a resume of what was never sent', { case: 'resume', value: { lease, seenSeq: 3 } } as const],
])('%s breaks the protocol', async (_, frame) => {
  const world = await attachedWorld(counting(1, 0))
  world.gateway.onOpen = () => frame
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until('penalised', () => world.offences.length > 0)
  expect(world.offences[0]).toEqual({ peerId: world.gateway.signer.peerId, offence: 'protocol-violation' })
})

/** The same list, telling when each item is taken. */
function yielded(items: readonly string[], took: () => void): readonly string[] {
  return new Proxy([...items], {
    get(target, property, receiver) {
      if (property === Symbol.iterator) {
        return function* () {
          for (const item of target) {
            took()
            yield item
          }
        }
      }
      return Reflect.get(target, property, receiver)
    },
  })
}
