import { expect, test } from 'vitest'
import { ScriptedEngine } from '../../../helpers/scripted-machinery.js'
import type { FakeCoordinator } from './fake-coordinator.js'
import { chat } from './fake-gateway.js'
import { newSigner } from './test-signer.js'
import { attachedWorld, type World, type WorldInit } from './worker-world.js'

const waiting = [{ kind: 1, model: '', tasks: 1, priceCapMicrocredits: 0n }]

interface Two extends World {
  readonly away: FakeCoordinator
}

/** A worker at home, and another coordinator. */
async function world(init: WorldInit = {}): Promise<Two> {
  const made = await attachedWorld({
    coordinators: 2,
    known: 'first',
    engine: (clock) => new ScriptedEngine(clock, () => ({ tokens: ['a', 'b'], tokenMs: 400 })),
    ...init,
  })
  const away = made.coordinators[1]
  if (away === undefined) throw new Error('there are two')
  const joined = away.joins(made.home)
  await made.clock.advance(10)
  await joined
  return { ...made, away }
}

function announcement(of: Two, sequence: bigint, part: object = {}) {
  return { sequence, addresses: [`/memory/${of.away.peerId}`], waiting, ...part }
}

/** No moment at which both count on more slots together than there are. */
function watchOffers(of: Two, total: number): () => void {
  const timer = of.clock.every(1, () => {
    const busy = of.worker.status().slots.busy
    offered = Math.max(offered, of.home.free + of.away.free)
    if (of.worker.status().coordinators.reduce((sum, each) => sum + each.slotsOffered, 0) > total - busy)
      offered = 99
  })
  let offered = 0
  return () => {
    timer.cancel()
    expect(offered).toBeLessThanOrEqual(total)
  }
}

test('an idle worker goes where work waits, does it, and comes home', async () => {
  const two = await world({ slots: 2 })
  const { home, away, gateway } = two
  const check = watchOffers(two, 2)
  await away.announce(announcement(two, 1n), two.clock.nowMs())
  await two.until('lent', () => away.free === 2)
  expect(home.of('slots').at(-1)).toMatchObject({ free: 0, reason: 'lent' })
  expect(home.link).toBeDefined()
  away.lease(gateway.task('b:1', chat), 9n)
  await two.until('done there', () => away.of('done').length === 1)
  await two.until('home again', () => home.free === 2)
  await two.until('left', () => away.link === undefined)
  expect(away.of('slots').at(-1)).toMatchObject({ free: 0, reason: 'draining' })
  expect(two.worker.status().coordinators.map((each) => each.peerId)).toEqual([home.peerId])
  check()
})

test('when nothing comes it goes home after a while, and does not come back at once', async () => {
  const two = await world()
  const check = watchOffers(two, 1)
  await two.away.announce(announcement(two, 1n), two.clock.nowMs())
  await two.until('lent', () => two.away.free === 1)
  await two.until('home again', () => two.home.free === 1, 4_000)
  await two.until('left', () => two.away.link === undefined)
  await two.away.announce(announcement(two, 2n), two.clock.nowMs())
  await two.clock.advance(2_000)
  expect(two.away.links).toBe(1)
  await two.clock.advance(10_000)
  await two.away.announce(announcement(two, 3n), two.clock.nowMs())
  await two.until('lent again', () => two.away.links === 2)
  await two.until('home again', () => two.home.free === 1)
  check()
})

test('who comes in vain comes less often, until there was work', async () => {
  const two = await world()
  let sequence = 0n
  const visit = async (afterMs: number) => {
    await two.clock.advance(afterMs)
    const before = two.away.links
    await two.away.announce(announcement(two, ++sequence), two.clock.nowMs())
    await two.clock.advance(500)
    return two.away.links > before
  }
  const homeAgain = () => two.until('home again', () => two.home.free === 1)
  expect(await visit(0)).toBe(true)
  await homeAgain()
  expect(await visit(10_000)).toBe(true)
  await homeAgain()
  expect(await visit(10_000)).toBe(false)
  expect(await visit(10_000)).toBe(true)
  await homeAgain()
  expect(await visit(30_000)).toBe(false)
  expect(await visit(10_000)).toBe(true)
  two.away.lease(two.gateway.task('b:1', chat))
  await two.until('done there', () => two.away.of('done').length === 1)
  await homeAgain()
  expect(await visit(10_000)).toBe(true)
})

test('a busy worker keeps its busy slots at home and lends the free ones', async () => {
  const two = await world({
    slots: 2,
    engine: (clock) => new ScriptedEngine(clock, () => ({ tokens: ['a'], tokenMs: 1_200 })),
  })
  const check = watchOffers(two, 2)
  two.home.lease(two.gateway.task('a:1', chat))
  await two.until('busy', () => two.worker.status().slots.busy === 1)
  await two.away.announce(announcement(two, 1n), two.clock.nowMs())
  await two.until('lent', () => two.away.free === 1)
  await two.until('done at home', () => two.home.of('done').length === 1)
  expect(two.home.of('done')[0]?.free).toBe(0)
  await two.until('home again', () => two.home.free === 2)
  check()
})

test('a lease from home that was under way when the slots were lent is run or declined, never lost', async () => {
  const two = await world()
  const check = watchOffers(two, 1)
  await two.away.announce(announcement(two, 1n), two.clock.nowMs())
  await two.until('lent', () => two.away.free === 1)
  two.home.lease(two.gateway.task('a:1', chat))
  two.away.lease(two.gateway.task('b:1', chat))
  await two.until('answered', () => {
    const ended = (each: FakeCoordinator) => each.of('done').length + each.of('declined').length
    return ended(two.home) === 1 && ended(two.away) === 1
  })
  expect(two.home.of('done').length + two.away.of('done').length).toBe(1)
  await two.until('home again', () => two.home.free === 1)
  check()
})

test('what was leased away is seen through over a new link when the first one breaks', async () => {
  const two = await world({
    engine: (clock) => new ScriptedEngine(clock, () => ({ tokens: ['a', 'b'], tokenMs: 1_500 })),
  })
  await two.away.announce(announcement(two, 1n), two.clock.nowMs())
  await two.until('lent', () => two.away.free === 1)
  two.away.lease(two.gateway.task('b:1', chat), 7n)
  await two.until('running', () => two.worker.status().running.length === 1)
  two.mesh.cut(two.workerId, two.away.peerId, 'closed')
  await two.clock.advance(500)
  two.mesh.heal(two.workerId, two.away.peerId)
  await two.until('done', () => two.away.of('done').length === 1)
  expect(two.away.of('hello').at(-1)).toMatchObject({ slots: 0, running: [{ taskId: 'b:1', fence: 7n }] })
  await two.until('left', () => two.away.link === undefined)
  expect(two.home.free).toBe(1)
})

test.each([
  ['a model that is not here', { waiting: [{ ...waiting[0], model: 'llama' }] }],
  ['a sandbox that is not here', { waiting: [{ ...waiting[0], kind: 3 }] }],
  ['more context than there is', { waiting: [{ ...waiting[0], contextTokens: 4096 }] }],
])('work that needs %s is left alone', async (_, part) => {
  const two = await world()
  await two.away.announce(announcement(two, 1n, part), two.clock.nowMs())
  await two.clock.advance(2_000)
  expect(two.away.links).toBe(0)
})

test('a worker with every slot busy, and one that drains, lend nothing', async () => {
  const two = await world()
  two.home.lease(two.gateway.task('a:1', chat))
  await two.until('busy', () => two.worker.status().slots.busy === 1)
  await two.away.announce(announcement(two, 1n), two.clock.nowMs())
  await two.until('done', () => two.home.of('done').length === 1)
  expect(two.away.links).toBe(0)
})

test('old, replayed, stale, forged and strangers’ announcements are not followed', async () => {
  const two = await world({ limits: { lendAgainMs: 0 } })
  const nowMs = two.clock.nowMs()
  await two.away.announce(announcement(two, 5n), nowMs - 11 * 60_000)
  await two.away.announce(announcement(two, 5n), nowMs, newSigner())
  await two.away.network.publish('/edgecoder/test/announcements/1', Uint8Array.of(1, 2, 3))
  await two.clock.advance(2_000)
  expect(two.away.links).toBe(0)
  await two.away.announce(announcement(two, 5n), nowMs)
  await two.until('lent', () => two.away.links === 1)
  await two.until('home again', () => two.home.free === 1)
  await two.until('left', () => two.away.link === undefined)
  await two.away.announce(announcement(two, 5n), two.clock.nowMs())
  await two.away.announce(announcement(two, 4n), two.clock.nowMs())
  await two.clock.advance(3_000)
  expect(two.away.links).toBe(1)
})

test('a coordinator that the policy does not admit is not gone to', async () => {
  const two = await world({ admitted: 'first' })
  await two.away.announce(announcement(two, 1n), two.clock.nowMs())
  await two.clock.advance(2_000)
  expect(two.away.links).toBe(0)
})

test('without a home an announcement shows the way to one', async () => {
  const two = await world({ hidden: true })
  const { home, away } = two
  const why = { code: 'shutting-down', detail: 'bye', retryAfterMs: 0 }
  home.greet = () => ({ case: 'refused', value: why })
  home.send({ case: 'refused', value: why })
  await two.clock.advance(30_000)
  expect(two.worker.status().notReady?.code).toBe('shutting-down')
  await away.announce(announcement(two, 1n), two.clock.nowMs())
  await two.until('at the other', () => two.worker.status().coordinators[0]?.peerId === away.peerId, 1_000)
  expect(two.remembered.at(-1)?.map((each) => each.peerId)).toContain(away.peerId)
})
