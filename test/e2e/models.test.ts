import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_ROUTES, TASK_ROUTES } from '../../src/bridge/admin-client.js'
import type { EngineModel } from '../../src/ports/engine.js'
import type { PolicyBody } from '../../src/wire/policy/policy-message.js'
import { GATED_MODEL, gatedEngine } from '../helpers/gated-engine.js'
import { type OpenAiServer, startOpenAiServer } from '../helpers/openai-server.js'
import { createProcessMesh, type ProcessMesh } from '../helpers/process-mesh.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const LOOKED_AT = 'a1'.repeat(32)
const STRANGE = 'b2'.repeat(32)
const SOURCES: PolicyBody<'model-sources'> = {
  models: [{ name: GATED_MODEL, digest: Buffer.from(LOOKED_AT, 'hex'), source: 'ollama' }],
  unlisted: 'refused',
  untold: 'refused',
}

/** What an Ollama has, and what it gets when it is told to fetch something. */
const ollama: { models: EngineModel[]; sends: string } = {
  models: [{ name: GATED_MODEL, contextTokens: 8_192, warm: true, digest: STRANGE }],
  sends: STRANGE,
}
const engine = gatedEngine()

let server: OpenAiServer
let mesh: ProcessMesh
let network: SignedNetwork

beforeAll(async () => {
  server = await startOpenAiServer({
    engine: { ...engine, models: async () => ollama.models },
    flavour: 'ollama',
    async *pull(name) {
      yield { status: 'pulling manifest' }
      yield { status: 'pulling', digest: 'sha256:1', total: 4_194_304, completed: 1_048_576 }
      yield { status: 'pulling', digest: 'sha256:1', total: 4_194_304, completed: 4_194_304 }
      ollama.models = [{ name, contextTokens: 8_192, warm: true, digest: ollama.sends }]
      yield { status: 'success' }
    },
  })
  mesh = await createProcessMesh(
    { coordinators: 1, workers: 1, gateways: 1 },
    { EDGE_ENGINE: server.url, EDGE_LEASE_MS: '120000', EDGE_SANDBOX: 'none' },
  )
  network = await SignedNetwork.of(mesh)
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor')
  await network.enrol('worker', 'lender')
  await network.grant('local', 20_000_000n, 'first')
  await network.say('model-sources', SOURCES)
  for (const name of ['coordinator', 'gateway', 'worker']) mesh.get(name).start()
  for (const name of ['coordinator', 'gateway']) await mesh.get(name).ready()
}, 180_000)

afterAll(async () => {
  await mesh?.close()
  await server?.close()
})

function model(...args: readonly string[]) {
  return mesh.cli(['--node', 'worker', '--json', 'model', ...args])
}

function submit(id: string) {
  const messages = [{ role: 'user' as const, content: `say ${id}` }]
  return mesh
    .get('gateway')
    .client()
    .call(TASK_ROUTES.submit, { body: { kind: 'chat', id, messages } })
}

async function explained(id: string): Promise<string> {
  return (await mesh.cli(['--node', 'gateway', 'task', 'explain', id])).stdout
}

/** The coordinator has heard what the worker has. */
async function told(id: string, words: string): Promise<void> {
  await until(
    `${id} to be explained by "${words}"`,
    async () => (await explained(id)).includes(words),
    60_000,
  )
}

describe('models that policy lists', { timeout: 180_000 }, () => {
  it('another file of the name gets no lease, and everybody who asks is told why', async () => {
    await submit('first')
    await told('first', `model ${GATED_MODEL} is ${STRANGE.slice(0, 12)}… here`)
    const { worker, ready } = await mesh.get('worker').status()
    expect(worker?.models).toMatchObject([
      { name: GATED_MODEL, digest: STRANGE, bar: { code: 'model-refused' } },
    ])
    expect(ready).toBe(false)
    const idle = await mesh.cli(['--node', 'worker', '--json', 'node', 'why-idle'])
    expect(idle.json()).toMatchObject({
      reasons: expect.arrayContaining([expect.objectContaining({ code: 'model-refused' })]),
    })
    const list = await mesh.cli(['--node', 'coordinator', 'model', 'list'])
    expect(list.stdout).toContain(STRANGE.slice(0, 12))
    expect(engine.begun.some((prompt) => prompt.includes('first'))).toBe(false)
  })

  it('a model that policy does not list is not fetched', async () => {
    const wild = await model('pull', 'wild')
    expect([wild.code, wild.stdout]).toEqual([4, expect.stringContaining('model-refused')])
    const policy = await model('policy')
    expect(policy.json()).toMatchObject({
      models: [{ name: GATED_MODEL, digest: LOOKED_AT, source: 'ollama' }],
    })
  })

  it('a listed one that comes as something else is told so, and gets no lease either', async () => {
    ollama.sends = 'c3'.repeat(32)
    const pulled = await model('pull', GATED_MODEL)
    expect([pulled.code, pulled.stdout]).toEqual([4, expect.stringContaining('model-refused')])
    expect(engine.begun.some((prompt) => prompt.includes('first'))).toBe(false)
  })

  it('pull fetches the one that is listed, and what waited for it is done', async () => {
    ollama.sends = LOOKED_AT
    const pulled = await model('pull', GATED_MODEL)
    expect([pulled.code, pulled.json()]).toEqual([
      0,
      expect.objectContaining({ state: 'done', bytes: 4_194_304, ofBytes: 4_194_304 }),
    ])
    await until(
      'what waited to be done',
      async () => {
        const task = await mesh
          .get('gateway')
          .client()
          .call(TASK_ROUTES.show, { params: { id: 'first' } })
        return task.state === 'done'
      },
      60_000,
    )
    await mesh.get('worker').ready()
    const { stdout } = await mesh.cli(['--node', 'worker', 'audit', 'list'])
    expect(stdout).toContain('model-pulled')
  })

  it('a list that is signed while it runs holds at once: untold, unlisted, and open again', async () => {
    await network.say('model-sources', { ...SOURCES, models: [] })
    await until(
      'the coordinator to have it',
      async () => {
        const said = await mesh.get('coordinator').client().call(ADMIN_ROUTES.modelPolicy)
        return said.sequence === network.sequence
      },
      60_000,
    )
    await submit('second')
    await told('second', 'is not among the models that policy lets serve')
    await network.say('model-sources', { ...SOURCES, models: [], unlisted: 'allowed' })
    await until(
      'it to be done',
      async () => {
        const task = await mesh
          .get('gateway')
          .client()
          .call(TASK_ROUTES.show, { params: { id: 'second' } })
        return task.state === 'done'
      },
      60_000,
    )
  })

  it('while an incident closes model sources nothing is fetched, and the list only becomes shorter', async () => {
    const closed = {
      closed: ['model-sources'],
      reason: 'a source was taken over',
      reconciled: [],
      override: '',
    } as const
    await network.say('model-sources', SOURCES)
    await network.say('incident', closed)
    await until(
      'the worker to have it',
      async () =>
        (await mesh.get('worker').client().call(ADMIN_ROUTES.policyIncident)).said?.sequence ===
        network.sequence,
      60_000,
    )
    const pulled = await model('pull', GATED_MODEL)
    expect([pulled.code, pulled.stdout]).toEqual([4, expect.stringContaining('a source was taken over')])
    await expect(network.say('model-sources', { ...SOURCES, unlisted: 'allowed' })).rejects.toMatchObject({
      code: 'incident-closed',
    })
    await network.say('model-sources', { ...SOURCES, models: [] })
  })
})
