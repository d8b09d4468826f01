import { afterAll, beforeAll, expect, it } from 'vitest'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { until } from '../helpers/until.js'

let held: HeldTasks

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 1, workers: 1, gateways: 1 }, { EDGE_SLOTS: '2' })
  await held.mesh.start()
}, 120_000)

afterAll(() => held?.close())

function coordinator(...args: string[]) {
  return held.mesh.cli(['--node', 'coordinator', '--json', 'coordinator', ...args])
}

/** The worker was told that a task waits, and that it is not to have it. */
async function toldWhy(queued: number): Promise<void> {
  await until(
    'the worker to be told of the pause',
    async () => {
      const asked = await held.mesh.cli(['--node', 'worker', '--json', 'node', 'why-idle'])
      if (asked.code !== 0) return false
      const why = asked.json<{ queued: number; reasons: readonly { code: string }[] }>()
      return why.queued === queued && why.reasons.some(({ code }) => code === 'coordinator-paused')
    },
    60_000,
  )
}

it('pause under load, kill -9, resume: what ran is done, what waited is done once, what was refused is not', async () => {
  await held.submit('runs')
  await held.running('runs')
  expect((await coordinator('pause', '--reason', 'disk swap')).code).toBe(0)
  expect(await held.submit('waits')).toMatchObject({ state: 'queued' })
  const explained = await held.mesh.cli(['task', 'explain', 'waits'])
  expect(explained.stdout).toContain('paused by its owner: disk swap')
  held.letGo('runs')
  await held.expectDoneOnce('runs', 1)
  await toldWhy(1)

  await held.mesh.kill('coordinator')
  await held.mesh.start(['coordinator'])
  const status = (await coordinator('status')).json()
  expect(status).toMatchObject({ queued: 1, leased: 0, running: 0, paused: { reason: 'disk swap' } })
  await toldWhy(1)
  expect(held.begun('waits')).toBe(0)

  expect((await coordinator('pause', '--reason', 'longer', '--refuse-submits')).code).toBe(0)
  await expect(held.submit('refused')).rejects.toMatchObject({ code: 'coordinator-paused' })

  held.letGo('waits')
  expect((await coordinator('resume')).json()).not.toHaveProperty('paused')
  await held.expectDoneOnce('waits', 1)
  expect(held.begun('waits')).toBe(1)
  expect(held.begun('refused')).toBe(0)
}, 180_000)
