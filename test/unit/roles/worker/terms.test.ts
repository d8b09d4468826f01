import { expect, test } from 'vitest'
import type { WallClock } from '../../../../src/core/terms/hours.js'
import type { MachineReading } from '../../../../src/core/terms/machine-reading.js'
import type { TermTexts } from '../../../../src/core/terms/terms.js'
import type { MachineQuestion } from '../../../../src/ports/machine.js'
import type { Store } from '../../../../src/ports/store.js'
import type { Lent } from '../../../../src/roles/worker/lent-terms.js'
import type { WhyIdle } from '../../../../src/roles/worker/worker.js'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import { Fault } from '../../../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import { ScriptedEngine, ScriptedSandbox } from '../../../helpers/scripted-machinery.js'
import { chat } from './fake-gateway.js'
import { attachedWorld, createWorld, type World } from './worker-world.js'

const MINUTE_MS = 60_000
const NEVER = new AbortController().signal
/** The wall clock of Greenwich. */
const wall: WallClock = (atMs) => {
  const date = new Date(atMs)
  return { weekday: (date.getUTCDay() + 6) % 7, minute: date.getUTCHours() * 60 + date.getUTCMinutes() }
}
// Worlds begin on a Tuesday at 22:13:20.
const OPEN = 'tue 22:00-23:00'
const SHUT = 'tue 22:15-23:00'

/** A machine that tells what a test has it tell. */
class ToldMachine {
  reading: MachineReading = {}
  readonly confined: number[] = []
  readonly questions: MachineQuestion[] = []

  async read(question: MachineQuestion): Promise<MachineReading> {
    this.questions.push(question)
    return this.reading
  }

  async confine(cpuPercent: number): Promise<string | undefined> {
    this.confined.push(cpuPercent)
    return undefined
  }
}

function lent(texts: Partial<TermTexts> = {}, store: Store = createMemoryDisk().open()) {
  const machine = new ToldMachine()
  const usual: TermTexts = {
    hours: 'always',
    idleMinutes: '0',
    cpuPercent: '100',
    memoryMib: '0',
    batteryPercent: '0',
    hottestC: '0',
    priceFloorMicrocredits: '0',
    ownFirst: 'true',
    uploadKibPerS: '1024',
  }
  return { machine, store, wall, texts: { ...usual, ...texts } } satisfies Lent
}

const slowEngine = (clock: ConstructorParameters<typeof ScriptedEngine>[0]) =>
  new ScriptedEngine(clock, () => ({ tokens: new Array<string>(1_000).fill('x'), tokenMs: 1_000 }))

/** What the coordinator was told last of free slots. */
function told({ home }: World) {
  const last = home.of('slots').at(-1)
  return { free: home.free, reason: last?.reason }
}

/** Why it is idle; the coordinator of these worlds does not answer that. */
async function reasons({ worker, clock }: World): Promise<WhyIdle['reasons']> {
  const asked = worker.whyIdle(NEVER)
  await clock.advance(3_000)
  return (await asked).reasons
}

test('outside its hours a worker offers nothing, declines what comes and says until when; then it works', async () => {
  const world = await attachedWorld({ engine: slowEngine, lent: lent({ hours: SHUT }) })
  await world.until('told', () => told(world).reason === 'outside-hours')
  expect(world.home.of('hello')[0]?.slots).toBe(0)
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until('declined', () => world.home.of('declined').length === 1)
  expect(world.home.of('declined')[0]).toMatchObject({ reason: 'outside-hours', free: 0 })
  const untilMs = Date.UTC(2023, 10, 14, 22, 15)
  expect(await reasons(world)).toMatchObject([{ code: 'no-sandbox' }, { code: 'outside-hours', untilMs }])
  expect(world.worker.status()).toMatchObject({
    closed: [{ closing: 'outside-hours', running: 'finish', untilMs }],
  })
  expect(world.worker.status()).not.toHaveProperty('notReady')
  await world.until('open', () => told(world).free === 1, 3 * MINUTE_MS)
  expect(world.clock.nowMs()).toBeGreaterThanOrEqual(untilMs)
  expect(world.clock.nowMs()).toBeLessThan(untilMs + 6_000)
  expect(world.worker.status().closed).toEqual([])
})

test('what runs when the hours end is finished, and nothing new is taken', async () => {
  const world = await attachedWorld({
    slots: 2,
    engine: (clock) =>
      new ScriptedEngine(clock, () => ({ tokens: new Array<string>(200).fill('x'), tokenMs: 1_000 })),
    lent: lent({ hours: 'tue 22:00-22:15' }),
  })
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until('shut', () => told(world).reason === 'outside-hours', 3 * MINUTE_MS)
  expect(world.worker.status().slots.busy).toBe(1)
  await world.until('done', () => world.home.of('done').length === 1, 5 * MINUTE_MS)
  expect(world.home.of('done')[0]?.free).toBe(0)
  expect(world.home.of('failed')).toEqual([])
})

test('whoever comes back to the machine gets it at once: leases go back, at nobody’s fault', async () => {
  const terms = lent({ idleMinutes: '10' })
  terms.machine.reading = { inputIdleMs: 20 * MINUTE_MS }
  const world = await attachedWorld({ engine: slowEngine, lent: terms })
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until('runs', () => world.gateway.outputs.length > 0)
  terms.machine.reading = { inputIdleMs: 100 }
  await world.until('handed back', () => world.home.of('failed').length === 1, 6_000)
  expect(world.home.of('failed')[0]).toMatchObject({ fault: Fault.GATEWAY, why: { code: 'in-use' }, free: 0 })
  expect(await reasons(world)).toMatchObject([{ code: 'no-sandbox' }, { code: 'in-use' }])
  terms.machine.reading = {}
  await world.until('open', () => told(world).free === 1, 10 * MINUTE_MS + 6_000)
})

test('terms set while it runs hold at once, and after a restart; the default is what the settings say', async () => {
  const disk = createMemoryDisk()
  const first = await attachedWorld({ engine: slowEngine, lent: lent({}, disk.open()) })
  expect(await first.worker.setTerms({ hours: SHUT, priceFloorMicrocredits: '500' })).toBeUndefined()
  await first.until('told', () => told(first).reason === 'outside-hours')
  expect(first.home.of('capabilities').at(-1)).toMatchObject({ priceFloorMicrocredits: 500n, ownFirst: true })
  expect(first.worker.terms()?.terms).toContainEqual({ name: 'hours', value: SHUT, from: 'here' })
  expect(first.worker.terms()?.terms).toContainEqual({ name: 'ownFirst', value: 'true', from: 'settings' })

  const second = createWorld({ engine: slowEngine, lent: lent({ hours: OPEN }, disk.fork().open()) })
  await second.worker.start()
  expect(second.worker.status().closed).toMatchObject([{ closing: 'outside-hours' }])
  expect(await second.worker.setTerms({ hours: null })).toBeUndefined()
  expect(second.worker.status().closed).toEqual([])
  expect(second.worker.terms()?.terms).toContainEqual({ name: 'hours', value: OPEN, from: 'settings' })
  expect(second.worker.terms()?.terms).toContainEqual({
    name: 'priceFloorMicrocredits',
    value: '500',
    from: 'here',
  })
})

test('a term that makes no sense changes nothing, and neither does a disk that is full', async () => {
  const terms = lent()
  const world = await attachedWorld({ engine: slowEngine, lent: terms })
  const before = world.worker.terms()
  expect(await world.worker.setTerms({ idleMinutes: '5', hours: 'sometimes' })).toMatchObject({
    code: 'bad-request',
  })
  expect(world.worker.terms()).toEqual(before)
  terms.store.commit = () => Promise.reject(new Error('no room'))
  await expect(world.worker.setTerms({ hours: SHUT })).rejects.toThrow('no room')
  expect(world.worker.terms()).toEqual(before)
})

test('a share of the processor is kept from the start, and anew when it is changed', async () => {
  const terms = lent({ cpuPercent: '50' })
  const world = await attachedWorld({ engine: slowEngine, lent: terms })
  await world.worker.setTerms({ cpuPercent: '25' })
  expect(terms.machine.confined).toEqual([50, 25])
})

test('only what the terms ask for is looked at', async () => {
  const terms = lent({ hottestC: '80' })
  await attachedWorld({ engine: slowEngine, lent: terms })
  expect(terms.machine.questions[0]).toEqual({ use: false, battery: false, heat: true })
})

test('a program that asks for more memory than is lent is not run, and another worker gets it', async () => {
  const world = await attachedWorld({
    sandbox: (clock) => new ScriptedSandbox(clock, () => ({}), 10),
    lent: lent({ memoryMib: '256' }),
  })
  const limits = { wallMs: 60_000, cpuMs: 1, memoryMib: 257, processes: 1, outputBytes: 1 }
  const suite = { files: [], command: ['node', 'x.js'], language: 'javascript', limits }
  world.home.lease(world.gateway.task('a:1', { case: 'test', value: { suite } }))
  await world.until('failed', () => world.home.of('failed').length === 1)
  expect(world.home.of('failed')[0]).toMatchObject({ fault: Fault.WORKER, why: { code: 'over-terms' } })
})
