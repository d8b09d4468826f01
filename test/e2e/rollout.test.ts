import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { type ADMIN_ROUTES, TASK_ROUTES } from '../../src/bridge/admin-client.js'
import { cohortOf } from '../../src/core/policy/rollout-offer.js'
import { createAdminKey } from '../../src/node/admin-policy.js'
import type { EngineModel } from '../../src/ports/engine.js'
import { type CliRun, runCli } from '../helpers/cli.js'
import { GATED_MODEL, gatedEngine } from '../helpers/gated-engine.js'
import { type OpenAiServer, startOpenAiServer } from '../helpers/openai-server.js'
import { createProcessMesh, type ProcessMesh } from '../helpers/process-mesh.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

type Status = z.output<typeof ADMIN_ROUTES.coordinatorRollouts.response>

/** Of scrypt; a guess of the passphrase of a test may be cheap. */
const COST = 2 ** 10
const OLD = 'a1'.repeat(32)
const NEW = 'b2'.repeat(32)
const ollama: { models: EngineModel[] } = {
  models: [{ name: GATED_MODEL, contextTokens: 8_192, warm: true, digest: OLD }],
}

let server: OpenAiServer
let mesh: ProcessMesh
let network: SignedNetwork
let desk = ''
let tasks = 0

beforeAll(async () => {
  desk = mkdtempSync(join(tmpdir(), 'edgecoder-rollout-'))
  writeFileSync(join(desk, 'pass'), 'correct horse battery\n', { mode: 0o600 })
  const ann = await createAdminKey(join(desk, 'ann.key'), 'correct horse battery', COST)
  server = await startOpenAiServer({
    engine: { ...gatedEngine(), models: async () => ollama.models },
    flavour: 'ollama',
    async *pull(name): AsyncGenerator<object> {
      ollama.models = [{ name, contextTokens: 8_192, warm: true, digest: NEW }]
      yield { status: 'success' }
    },
  })
  mesh = await createProcessMesh(
    { coordinators: 1, workers: 1, gateways: 1 },
    { EDGE_ENGINE: server.url, EDGE_SANDBOX: 'none' },
  )
  network = await SignedNetwork.of(mesh, [], {
    carried: 'mesh',
    powers: [{ power: 'rollout', authority: { keys: [ann], threshold: 1 } }],
  })
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor')
  await network.enrol('worker', 'lender')
  await network.grant('local', 20_000_000n, 'first')
  await network.say('model-sources', {
    models: [OLD, NEW].map((digest) => ({
      name: GATED_MODEL,
      digest: Buffer.from(digest, 'hex'),
      source: 'ollama',
    })),
    unlisted: 'refused',
    untold: 'refused',
  })
  await network.beginAt('coordinator')
  await mesh.start()
  await network.funded('local')
}, 180_000)

afterAll(async () => {
  await mesh?.close()
  await server?.close()
  rmSync(desk, { recursive: true, force: true })
})

function admin(...args: readonly string[]): Promise<CliRun> {
  const env = { EDGE_ADMIN_PASSPHRASE_FILE: 'pass' }
  return runCli(['--json', '--node', mesh.get('coordinator').node.dataDir, 'admin', ...args], {
    cwd: desk,
    env,
  })
}

function signed(...args: readonly string[]): Promise<CliRun> {
  return admin('rollout', ...args, '--key', 'ann.key', '--yes')
}

async function standing(id: string): Promise<Status['rollouts'][number] | undefined> {
  return (await admin('rollout', 'status')).json<Status>().rollouts.find((each) => each.id === id)
}

/** An id by which the one worker of the mesh is in this cohort. */
function idFor(cohort: string, batchPercent: number): string {
  const { peerId } = mesh.get('worker').node
  for (let n = 0; ; n++) if (cohortOf({ id: `r${n}`, batchPercent }, peerId) === cohort) return `r${n}`
}

async function runOne(): Promise<void> {
  const id = `t${++tasks}`
  const client = mesh.get('gateway').client()
  const messages = [{ role: 'user' as const, content: `say ${id}` }]
  await client.call(TASK_ROUTES.submit, { body: { kind: 'chat', id, messages } })
  await until(
    `${id} to be done`,
    async () => (await client.call(TASK_ROUTES.show, { params: { id } })).state === 'done',
    60_000,
  )
}

describe('a rollout', { timeout: 180_000 }, () => {
  it('of a model reaches a canary, is held until its gate holds, and then goes on to all', async () => {
    const id = idFor('canary', 50)
    const gate = ['--batch', '50', '--failures', '500', '--attempts', '2']
    const begun = await signed('start', id, '--model', GATED_MODEL, '--digest', NEW, ...gate)
    expect([begun.code, begun.stderr]).toEqual([0, ''])
    const offered = await mesh
      .get('worker')
      .statusWhere('be offered it', ({ worker }) => (worker?.offers.length ?? 0) > 0)
    expect(offered.worker?.offers).toMatchObject([
      { rollout: id, cohort: 'canary', target: 'model', model: GATED_MODEL, version: NEW, rolledBack: false },
    ])
    const text = await mesh.cli(['--node', 'worker', 'node', 'status'])
    expect(text.stdout).toContain(`edgecoder model pull ${GATED_MODEL} --digest ${NEW}`)
    const held = await signed('advance', id)
    expect([held.code, held.stdout]).toEqual([4, expect.stringContaining('rollout-held')])

    const pulled = await mesh.cli([
      '--node',
      'worker',
      '--json',
      'model',
      'pull',
      GATED_MODEL,
      '--digest',
      NEW,
    ])
    expect(pulled.code).toBe(0)
    await until(
      'the coordinator to see it',
      async () => (await standing(id))?.cohorts[0]?.having === 1,
      60_000,
    )
    expect((await mesh.get('worker').status()).worker?.offers).toEqual([])
    await runOne()
    await runOne()
    expect(await standing(id)).toMatchObject({
      stage: 'canary',
      gate: { state: 'holds', attempts: 2, failed: 0 },
    })
    expect((await signed('advance', id)).code).toBe(0)
    expect((await signed('pause', id, '--reason', 'lunch')).code).toBe(0)
    expect((await signed('advance', id)).code).toBe(4)
    expect((await signed('resume', id)).code).toBe(0)
    expect(await standing(id)).toMatchObject({ stage: 'batch', reached: 'batch' })
    expect((await signed('advance', id)).code).toBe(0)
    expect(await standing(id)).toMatchObject({ stage: 'full' })
    const people = await runCli(
      ['--node', mesh.get('coordinator').node.dataDir, 'admin', 'rollout', 'status'],
      { cwd: desk },
    )
    expect(people.stdout).toContain('the gate holds: 0 of 2 attempts failed')
    const metrics = await fetch(`http://127.0.0.1:${mesh.get('coordinator').node.adminPort}/metrics`)
    expect(await metrics.text()).toMatch(
      new RegExp(`edgecoder_rollout_workers\\{[^}]*rollout="${id}"[^}]*\\} 1`),
    )
  })

  it('that is rolled back is told to those who took it', async () => {
    const [{ id } = { id: '' }] = (await admin('rollout', 'status')).json<Status>().rollouts
    expect((await signed('rollback', id, '--reason', 'answers are worse')).code).toBe(0)
    const back = await mesh
      .get('worker')
      .statusWhere('be told to go back', ({ worker }) => worker?.offers[0]?.rolledBack === true)
    expect(back.worker?.offers).toMatchObject([{ rollout: id, version: '' }])
    expect((await signed('resume', id)).code).toBe(4)
  })

  it('of the runtime is offered to its cohort alone, and a second one waits for its end', async () => {
    const id = idFor('full', 50)
    expect((await signed('start', id, '--runtime', '9.9.9', '--batch', '50')).code).toBe(0)
    await until('the coordinator to have it', async () => (await standing(id))?.stage === 'canary', 60_000)
    expect(await standing(id)).toMatchObject({ offered: 0, cohorts: [{}, {}, { workers: 1, having: 0 }] })
    const second = await signed('start', 'another', '--runtime', '9.9.10')
    expect([second.code, second.stdout]).toEqual([4, expect.stringContaining('policy-conflict')])
    const forced = await signed('advance', id, '--override', 'a hole is closed by it')
    expect(forced.code).toBe(0)
    expect((await signed('advance', id, '--override', 'the same')).code).toBe(0)
    await mesh
      .get('worker')
      .statusWhere(
        'be offered it',
        ({ worker }) => worker?.offers.some(({ rollout }) => rollout === id) === true,
      )
    const log = await admin('policy', 'log')
    expect(log.stdout).toContain('a hole is closed by it')
  })
})
