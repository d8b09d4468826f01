import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import type { CoordinatorStatusJson } from '../../src/bridge/schemas/coordinator.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import type { NodeProcess } from '../helpers/process-mesh.js'
import { until } from '../helpers/until.js'

const WORKERS = ['worker-1', 'worker-2']
/** As many as all stages ask for, and one more. */
const ENOUGH = Array.from({ length: 36 }, (_, n) => `free-${n}`)

let held: HeldTasks

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 1, workers: 2, gateways: 1 }, { EDGE_SLOTS: '4' })
  await held.mesh.start()
}, 120_000)

afterAll(() => held?.close())

function coordinator(...args: readonly string[]) {
  return held.mesh.cli(['--node', 'coordinator', '--json', 'coordinator', ...args])
}

function status(): Promise<CoordinatorStatusJson> {
  return held.mesh.get('coordinator').client().call(ADMIN_ROUTES.coordinatorStatus)
}

/** Resolves with the one worker that runs something, once it is half-way. */
function runner(of: readonly string[]): Promise<NodeProcess> {
  return until('one of them to run', async () => {
    const { waiting } = held.engine
    const id = of.find((each) => waiting.includes(held.prompt(each)))
    return id !== undefined && held.running(id)
  })
}

describe('resume --staged', { timeout: 180_000 }, () => {
  it('goes by itself from a probe to all, when all goes well, and the command ends with 0', async () => {
    expect((await coordinator('pause', '--reason', 'an incident')).code).toBe(0)
    for (const id of ENOUGH) {
      held.letGo(id)
      await held.submit(id)
    }
    const run = await coordinator('resume', '--staged', '--stage-seconds', '0')
    expect([run.code, run.json()]).toMatchObject([0, { queued: expect.any(Number) }])
    expect(run.json()).not.toHaveProperty('resuming')
    expect(run.json()).not.toHaveProperty('paused')
    for (const id of ENOUGH) await held.expectDoneOnce(id)
    const { log } = held.mesh.get('coordinator')
    for (const stage of ['probe', '10%', '50%']) expect(log).toContain(`"stage":"${stage}"`)
  })

  it('holds when workers are lost, says why with exit code 1, over kill -9 too, until it is resumed in full', async () => {
    expect((await coordinator('pause', '--reason', 'an incident')).code).toBe(0)
    const ids = ['lost-a', 'lost-b', 'lost-c']
    for (const id of ids) await held.submit(id)
    const waits = coordinator('resume', '--staged', '--stage-seconds', '0')
    for (let n = 0; n < WORKERS.length; n++) {
      const { node } = await runner(ids)
      expect(held.engine.waiting).toHaveLength(1)
      expect((await status()).resuming).toMatchObject({ stage: 'probe', mostLeases: 1, failed: n })
      await held.mesh.kill(node.name)
    }
    const run = await waits
    expect([run.code, run.json()]).toMatchObject([1, { resuming: { held: expect.stringContaining('lost') } }])

    await held.mesh.kill('coordinator')
    await held.mesh.start(['coordinator', ...WORKERS])
    await until('its user to be told', async () => {
      const explained = await held.mesh.cli(['task', 'explain', 'lost-c'])
      return explained.stdout.includes('holds: 2 of 2 attempts at probe failed')
    })
    const page = await fetch(`http://127.0.0.1:${held.mesh.get('coordinator').node.adminPort}/metrics`)
    expect(await page.text()).toContain('edgecoder_coordinator_resume_held 1')
    await until('workers to be told', async () => {
      const asked = await held.mesh.cli(['--node', 'worker-1', '--json', 'node', 'why-idle'])
      return asked.stdout.includes('staged resume of the coordinator holds')
    })
    expect(held.engine.waiting).toEqual([])
    const acts = await held.mesh.cli([
      '--node',
      'coordinator',
      '--json',
      'audit',
      'list',
      '--kind',
      'resume-held',
    ])
    expect(acts.json<{ records: readonly unknown[] }>().records).toHaveLength(1)

    for (const id of ids) held.letGo(id)
    expect((await coordinator('resume')).json()).not.toHaveProperty('resuming')
    for (const id of ids) await held.expectDoneOnce(id)
  })
})
