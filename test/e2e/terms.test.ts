import { afterAll, beforeAll, expect, it } from 'vitest'
import type { z } from 'zod'
import type { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { until } from '../helpers/until.js'

type WhyIdle = z.output<typeof ADMIN_ROUTES.whyIdle.response>

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
/** Some minutes of a day that is three days away, wherever this runs. */
const CLOSED = `${DAYS[(new Date().getDay() + 3) % 7]} 12:00-12:05`

let held: HeldTasks

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 1, workers: 1, gateways: 1 }, { EDGE_HOURS: CLOSED })
  await held.mesh.start()
}, 120_000)

afterAll(() => held?.close())

function node(...args: string[]) {
  return held.mesh.cli(['--node', 'worker', '--json', 'node', ...args])
}

async function explained(id: string): Promise<string> {
  return (await held.mesh.cli(['task', 'explain', id])).stdout
}

/** The coordinator has heard why the worker offers nothing. */
async function coordinatorKnows(id: string): Promise<void> {
  await until(
    'the coordinator to know why',
    async () => (await explained(id)).includes('outside-hours'),
    60_000,
  )
}

it('a worker outside its hours takes nothing and says why; opened live it takes; shut it finishes', async () => {
  expect(await held.submit('first')).toMatchObject({ state: 'queued' })
  await coordinatorKnows('first')
  const why = (await node('why-idle')).json<WhyIdle>()
  const reason = why.reasons.find(({ code }) => code === 'outside-hours')
  const until = new Date(reason?.untilMs ?? 0)
  expect([DAYS[until.getDay()], until.getHours(), until.getMinutes()]).toEqual([CLOSED.slice(0, 3), 12, 0])
  expect(held.begun('first')).toBe(0)
  const idle = await held.mesh.cli(['--node', 'worker', 'node', 'why-idle'])
  expect(idle.stdout).toMatch(/outside the hours of this worker, until \d{4}-\d\d-\d\d 12:00\n {2}next: see/)

  const opened = await node('terms', 'set', 'hours=always')
  expect(opened.json()).toMatchObject({ closed: [] })
  await held.running('first')
  await node('terms', 'set', 'hours=default')
  expect((await node('status')).json()).toMatchObject({
    ready: true,
    worker: { closed: [{ closing: 'outside-hours', running: 'finish' }], slots: { busy: 1 } },
  })
  held.letGo('first')
  await held.expectDoneOnce('first', 1)
}, 120_000)

it('what was set holds after kill -9, and the audit log has it', async () => {
  await node('terms', 'set', `hours=${CLOSED}`, 'priceFloorMicrocredits=7')
  await held.mesh.kill('worker')
  await held.mesh.start(['worker'])
  await held.submit('second')
  await coordinatorKnows('second')
  expect((await node('terms')).json()).toMatchObject({
    terms: expect.arrayContaining([
      { name: 'hours', value: CLOSED, from: 'here' },
      { name: 'priceFloorMicrocredits', value: '7', from: 'here' },
      { name: 'ownFirst', value: 'true', from: 'settings' },
    ]),
  })
  expect(held.begun('second')).toBe(0)
  held.letGo('second')
  await node('terms', 'set', 'hours=always')
  await until(
    'the coordinator to know that it is too cheap',
    async () => (await explained('second')).includes('the worker takes from 7'),
    60_000,
  )
  expect(held.begun('second')).toBe(0)
  await node('terms', 'set', 'priceFloorMicrocredits=default')
  await held.expectDoneOnce('second', 1)
  const { stdout } = await held.mesh.cli(['--node', 'worker', 'audit', 'list'])
  expect(stdout).toContain('terms-changed')
  expect(stdout).toContain(CLOSED)
}, 120_000)

it('a term that makes no sense is refused with what would, and changes nothing', async () => {
  const before = (await node('terms')).json()
  const wrong = await node('terms', 'set', 'idleMinutes=5', 'hours=sometimes')
  expect(wrong.code).toBe(2)
  expect(wrong.stdout + wrong.stderr).toContain('mon-fri 18:00-08:00')
  expect((await node('terms', 'set', 'colour=red')).code).toBe(2)
  expect((await node('terms')).json()).toEqual(before)
})
