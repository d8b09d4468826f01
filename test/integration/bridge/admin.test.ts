import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { request } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { createAdminApi } from '../../../src/bridge/admin/admin-api.js'
import { ADMIN_ROUTES, createAdminClient, TASK_ROUTES } from '../../../src/bridge/admin-client.js'
import type { Route } from '../../../src/bridge/route.js'
import { refusal } from '../../../src/core/refusal.js'
import type { Coordinator } from '../../../src/roles/coordinator/coordinator.js'
import type { PauseOrder } from '../../../src/roles/coordinator/pause.js'
import type { ResumptionOrder } from '../../../src/roles/coordinator/resumption.js'
import type { Worker } from '../../../src/roles/worker/worker.js'
import { type AdminUnderTest, fakeNode, startAdmin } from '../../helpers/admin-under-test.js'
import { bodyOf } from '../../helpers/bridge-under-test.js'
import { FakeGateway, PATCH } from '../../helpers/fake-gateway.js'
import { memoryAudit } from '../../helpers/memory-audit.js'

let a: AdminUnderTest
afterEach(() => a.stop())

const CHAT = { kind: 'chat' as const, messages: [{ role: 'user' as const, content: 'x' }] }
const NEVER = new AbortController().signal

const worker: Worker = {
  start: async () => {},
  stop: async () => {},
  status: () => ({
    agentId: 'node-1',
    notReady: refusal('no-coordinator', 'none answers', { next: 'Start one.' }),
    closed: [],
    offers: [],
    coordinators: [],
    slots: { total: 2, busy: 1 },
    running: [
      {
        taskId: 'acme:t',
        kind: 'chat',
        model: 'm',
        fence: '7',
        stage: 'generating',
        sinceMs: 1,
        tokens: 3,
      },
    ],
    engine: 'llama-cpp',
    sandbox: '',
    languages: [],
    models: [{ name: 'm', contextTokens: 512, tokensPerS: 30, warm: true }],
    finished: { done: 4, failed: 1 },
  }),
  terms: () => undefined,
  setTerms: async () => undefined,
  learnModels: () => {},
  whyIdle: async () => ({
    busy: false,
    queued: 3,
    reasons: [{ code: 'model-missing', detail: 'no x here', tasks: 3, next: 'Pull it.' }],
  }),
}

const orders: (PauseOrder | ResumptionOrder | 'resume')[] = []

const SUSPENSION = {
  worker: '12D3KooWbad',
  reason: 'forged-results',
  detail: 'two say so',
  sinceMs: 5,
  untilMs: 9,
  state: 'stands',
  evidence: 'ab',
} as const

const coordinator: Coordinator = {
  start: async () => {},
  stop: async () => {},
  pause: async (order) => void orders.push(order),
  resume: async (staged) => void orders.push(staged ?? 'resume'),
  drain: async () => undefined,
  undrain: async (worker) => refusal('not-found', `worker ${worker} is not drained here`),
  rollouts: () => [],
  drains: () => [{ worker: '12D3KooWw', reason: 'old', sinceMs: 5, leases: 1 }],
  isolate: async ({ peer }) => (peer === 'itself' ? refusal('bad-request', 'itself') : undefined),
  release: async (peer) => refusal('not-found', `${peer} is not isolated here`),
  isolations: () => [{ peer: '12D3KooWw', reason: 'forged results', sinceMs: 5 }],
  suspensions: () => [SUSPENSION],
  suspensionEvidence: async (worker) =>
    worker === SUSPENSION.worker
      ? Uint8Array.of(1, 2, 3)
      : refusal('not-found', `${worker} is not suspended`),
  reinstate: async (worker) =>
    worker === SUSPENSION.worker ? undefined : refusal('not-found', `${worker} is not suspended`),
  ledger: () => undefined,
  ledgerOffice: () => undefined,
  economy: () => undefined,
  wallet: async () => undefined,
  history: async () => undefined,
  quality: () => ({
    sinceMs: 1,
    attempts: { success: 3, failure: 1, lost: 0 },
    done: 3,
    doneAtFirst: 2,
    retries: 1,
    wait: { p50Ms: 4, p99Ms: 9, samples: 4 },
    models: [{ model: 'm', success: 3, failure: 1, lost: 0, doneAtFirst: 2 }],
    workers: [
      {
        peerId: '12D3KooWworker',
        success: 3,
        failure: 1,
        lost: 0,
        reasons: [{ code: 'engine-failed', count: 1 }],
      },
    ],
  }),
  status: () => ({
    workers: 2,
    gateways: 1,
    queued: 5,
    leased: 1,
    running: 2,
    oldestQueuedMs: 9,
    done: 1,
    failed: 0,
    isolated: 1,
    paused: { reason: 'disk swap', refusesSubmits: true, sinceMs: 5 },
  }),
  queue: (limit) => ({
    queued: 5,
    classes: [{ kind: 'chat', model: 'm', languages: [], queued: 5, oldestMs: 9, feasibleWorkers: 1 }],
    accounts: [{ account: 'acme', unfinished: 5 }],
    tasks: [
      {
        id: 'acme:t',
        account: 'acme',
        kind: 'chat',
        model: 'm',
        state: 'queued' as const,
        sinceMs: 1,
        attempts: limit,
        why: refusal('no-free-slot', 'all busy'),
      },
    ],
  }),
  workers: () =>
    ['w1', 'w2', 'w3'].map((agentId, index) => ({
      peerId: `12D3KooW${agentId}`,
      agentId,
      liveness: index === 2 ? ('lost' as const) : ('live' as const),
      lastHeardMs: 1,
      slots: 2,
      free: 1,
      engine: 'llama-cpp',
      sandbox: 'deno',
      models: [{ name: 'm', contextTokens: 512, tokensPerS: 10 + index, warm: true }],
      languages: ['python'],
      done: 0,
      failed: 0,
      version: '0.1.0',
    })),
  explain: (account, id) =>
    id === 't'
      ? {
          summary: `${account} waits`,
          state: 'queued',
          workers: 1,
          candidates: [
            {
              worker: 'w',
              agentId: 'w1',
              eligible: false,
              reasons: [refusal('no-free-slot', 'all busy')],
            },
          ],
        }
      : refusal('task-not-found', 'no such task'),
}

describe('the token', () => {
  it('stands in a file only its owner can read, and opens every route; nothing else does', async () => {
    a = await startAdmin({ gateway: new FakeGateway() })
    expect((await stat(a.tokenFile)).mode & 0o777).toBe(0o600)
    expect(a.token).toMatch(/^[\w-]{43}$/)
    for (const route of [...Object.values<Route>(ADMIN_ROUTES), ...Object.values<Route>(TASK_ROUTES)]) {
      const url = `${a.url}/admin/v1${route.path.replaceAll(/\{\w+\}/g, 'x')}`
      for (const authorization of ['', 'Bearer wrong', `Bearer ${a.token}x`, `Bearer ${a.token.slice(1)}`]) {
        const response = await fetch(url, { method: route.method.toUpperCase(), headers: { authorization } })
        expect([route.path, response.status]).toEqual([route.path, 401])
      }
    }
    await expect(
      createAdminClient({ url: a.url, token: 'wrong' }).call(ADMIN_ROUTES.status),
    ).rejects.toMatchObject({ code: 'unauthorized', next: expect.stringContaining('token file') })
  })

  it('goes when the node stops', async () => {
    a = await startAdmin({})
    await a.stop()
    expect(existsSync(a.tokenFile)).toBe(false)
  })
})

describe('a gateway that is starting', () => {
  it('says so, and not that there is no such task', async () => {
    const gateway = new FakeGateway()
    gateway.started = false
    a = await startAdmin({ gateway })
    const show = a.client.call(TASK_ROUTES.show, { params: { id: 'mine' } })
    await expect(show).rejects.toMatchObject({ code: 'starting' })
    gateway.started = true
    const again = a.client.call(TASK_ROUTES.show, { params: { id: 'mine' } })
    await expect(again).rejects.toMatchObject({ code: 'task-not-found' })
  })
})

describe('hostile callers', () => {
  function status(headers: Record<string, string>): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      const outgoing = request(`${a.url}/admin/v1/status`, { headers }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      outgoing.on('error', reject).end()
    })
  }

  it('that name another host are refused, whatever they hold', async () => {
    a = await startAdmin({})
    const { port } = new URL(a.url)
    const authorization = `Bearer ${a.token}`
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`, 'LOCALHOST']) {
      expect([host, await status({ host, authorization })]).toEqual([host, 200])
    }
    for (const host of [
      `evil.example:${port}`,
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      `127.0.0.2:${port}`,
      '0.0.0.0',
      'evil.example:127.0.0.1',
    ]) {
      expect([host, [400, 403].includes((await status({ host, authorization })) ?? 0)]).toEqual([host, true])
    }
    const health = await fetch(`${a.url}/healthz`, { headers: { origin: 'http://evil.example' } })
    expect(health.headers.get('access-control-allow-origin')).toBeNull()
  })

  it.each(['0.0.0.0', '192.168.1.2', '::', 'example.org'])(
    'are kept out: it does not bind %s',
    async (host) => {
      a = await startAdmin({})
      const parts = { node: fakeNode() }
      const api = createAdminApi(parts as Parameters<typeof createAdminApi>[0], {
        host,
        port: 0,
        tokenFile: '/nowhere/token',
      })
      await expect(api.start()).rejects.toMatchObject({ code: 'bad-config', next: expect.any(String) })
    },
  )
})

describe('a gateway', () => {
  it('serves tasks for the local account, or the one that is named', async () => {
    const gateway = new FakeGateway()
    a = await startAdmin({ gateway })
    gateway.onSubmit = (task) => {
      gateway.text(task, 'hello')
      gateway.finish(task)
    }
    const made = await a.client.call(TASK_ROUTES.submit, { body: { ...CHAT, id: 't' }, query: { wait: 5 } })
    expect(made).toMatchObject({ id: 't', account: 'local', state: 'done' })
    await a.as('acme').call(TASK_ROUTES.submit, { body: { ...CHAT, id: 'u' } })
    expect(gateway.submitted.map((one) => one.account)).toEqual(['local', 'acme'])

    expect(
      (await a.client.call(TASK_ROUTES.list, { query: { limit: 5 } })).tasks.map((one) => one.id),
    ).toEqual(['t'])
    expect((await a.client.call(TASK_ROUTES.show, { params: { id: 't' } })).state).toBe('done')
    expect(await a.client.call(TASK_ROUTES.result, { params: { id: 't' } })).toMatchObject({ text: 'hello' })
    expect((await a.client.call(TASK_ROUTES.explain, { params: { id: 't' } })).candidates).toHaveLength(1)
    expect((await a.client.call(TASK_ROUTES.capacity)).workers).toBe(3)
    await expect(a.client.call(TASK_ROUTES.show, { params: { id: 'u' } })).rejects.toMatchObject({
      code: 'task-not-found',
    })
    await expect(a.client.call(TASK_ROUTES.cancel, { params: { id: 't' } })).rejects.toMatchObject({
      code: 'task-ended',
    })
    await expect(a.as('no/such').call(TASK_ROUTES.list)).rejects.toMatchObject({ code: 'bad-request' })
  })

  it('gives the patch as text', async () => {
    const gateway = new FakeGateway()
    a = await startAdmin({ gateway })
    gateway.onSubmit = (task) => gateway.finish(task)
    const suite = { files: [], command: ['node', 'a.js'], language: 'javascript' as const }
    await a.client.call(TASK_ROUTES.submit, { body: { kind: 'solve', id: 's', instructions: 'do', suite } })
    const patch = a.client.text(TASK_ROUTES.result, { params: { id: 's' }, query: { format: 'patch' } })
    expect(await patch).toBe(PATCH)
  })

  it('streams events, resumes, and ends with the task', async () => {
    const gateway = new FakeGateway()
    a = await startAdmin({ gateway })
    await a.client.call(TASK_ROUTES.submit, { body: { ...CHAT, id: 't' } })
    const task = gateway.find('local', 't')
    if (task === undefined) throw new Error('no task')
    const seen: string[] = []
    for await (const event of a.client.events('t', { signal: NEVER })) {
      seen.push(event.type)
      if (seen.length === 1) gateway.text(task, 'é\n"')
      if (event.type === 'text') {
        expect(event.text).toBe('é\n"')
        gateway.finish(task)
      }
    }
    expect(seen).toEqual(['state', 'text', 'state'])
    const late: number[] = []
    for await (const event of a.client.events('t', { signal: NEVER, after: 1 })) late.push(event.seq)
    expect(late).toEqual([2, 3])
    const missing = a.client.events('nope', { signal: NEVER })[Symbol.asyncIterator]().next()
    await expect(missing).rejects.toMatchObject({ code: 'task-not-found' })
  })

  it('ends a stream with its own words when it stops or the reader does', async () => {
    const gateway = new FakeGateway()
    a = await startAdmin({ gateway })
    await a.client.call(TASK_ROUTES.submit, { body: { ...CHAT, id: 't' } })
    const stopped = new AbortController()
    const read = async (signal: AbortSignal) => {
      for await (const _ of a.client.events('t', { signal })) {
        if (signal === stopped.signal) stopped.abort()
      }
    }
    await expect(read(stopped.signal)).rejects.toMatchObject({ code: 'cancelled' })
    await gateway.until(() => gateway.open === 0)
    const reading = read(NEVER)
    const outcome = expect(reading).rejects.toMatchObject({ code: 'shutting-down' })
    await gateway.until(() => gateway.open === 1)
    await a.stop()
    await outcome
    await expect(a.client.call(ADMIN_ROUTES.status)).rejects.toMatchObject({
      code: 'unreachable',
      next: expect.stringContaining('node start'),
    })
  })

  it('makes, lists, rotates and revokes keys', async () => {
    a = await startAdmin({ gateway: new FakeGateway() })
    const { key, secret } = await a.client.call(ADMIN_ROUTES.keyCreate, {
      body: { name: 'ci', account: 'acme', scopes: ['tasks:read'] },
    })
    expect(secret).toMatch(/^ec_[\w-]{43}$/)
    const rotated = await a.client.call(ADMIN_ROUTES.keyRotate, { params: { id: key.id } })
    expect(rotated.key.id).toBe(key.id)
    expect(rotated.secret).not.toBe(secret)
    const plain = await a.client.call(ADMIN_ROUTES.keyCreate, { body: { name: 'mine' } })
    expect(plain.key).toMatchObject({
      account: 'local',
      scopes: ['tasks:read', 'tasks:write', 'models:read', 'wallet:read'],
    })
    const revoked = await a.client.call(ADMIN_ROUTES.keyRevoke, { params: { id: key.id } })
    expect(revoked.revokedMs).toBeGreaterThan(0)
    const { keys } = await a.client.call(ADMIN_ROUTES.keyList)
    expect(keys.map((one) => one.name).sort()).toEqual(['ci', 'mine'])
    expect(JSON.stringify(keys)).not.toMatch(/hash|ec_/)
    await expect(a.client.call(ADMIN_ROUTES.keyRevoke, { params: { id: 'nope' } })).rejects.toMatchObject({
      code: 'not-found',
    })
  })
})

describe('every node', () => {
  it('tells who it is, what it does and why not', async () => {
    a = await startAdmin({ worker, coordinator }, { mode: 'all-in-one', bridgeUrl: () => undefined })
    const status = await a.client.call(ADMIN_ROUTES.status)
    expect(status).toMatchObject({
      version: '0.1.0',
      network: 'test-net',
      peerId: '12D3KooWself',
      mode: 'all-in-one',
      roles: ['worker', 'coordinator'],
      ready: false,
      notReady: [
        { role: 'worker', why: { code: 'no-coordinator', message: 'none answers', next: 'Start one.' } },
      ],
      worker: { slots: { total: 2, busy: 1 }, running: [{ taskId: 'acme:t', fence: '7' }] },
      coordinator: { queued: 5 },
    })
    expect(status.uptimeMs).toBeGreaterThanOrEqual(5_000)
    expect(status.gateway).toBeUndefined()
    expect((await a.client.call(ADMIN_ROUTES.config)).settings).toEqual([
      { name: 'EDGE_SLOTS', value: '1', origin: 'default', help: 'tasks at once' },
    ])
    expect((await a.client.call(ADMIN_ROUTES.peers)).peers[0]?.roles).toEqual(['coordinator'])
    expect((await a.client.call(ADMIN_ROUTES.whyIdle)).reasons[0]?.code).toBe('model-missing')
  })

  it('pauses its coordinator and ends it, for a reason that is told', async () => {
    a = await startAdmin({ coordinator })
    const body = { reason: 'disk swap', refusesSubmits: true }
    const status = await a.client.call(ADMIN_ROUTES.coordinatorPause, { body })
    expect(status.paused).toEqual({ ...body, sinceMs: 5 })
    await a.client.call(ADMIN_ROUTES.coordinatorResume, { body: {} })
    await a.client.call(ADMIN_ROUTES.coordinatorResume, { body: { staged: { stageMs: 5 } } })
    const asked = [
      { reason: '', refusesSubmits: true },
      { reason: 'x'.repeat(257), refusesSubmits: true },
    ]
    for (const wrong of asked) {
      await expect(a.client.call(ADMIN_ROUTES.coordinatorPause, { body: wrong })).rejects.toMatchObject({
        code: 'bad-request',
      })
    }
    expect(orders).toEqual([body, 'resume', { stageMs: 5 }])
    const health = await (await fetch(`${a.url}/health/coordinator`)).json()
    // Whoever reads it without a token is not told why.
    expect(health).toMatchObject({ ready: true, details: { pausedSinceMs: 5 } })
    expect(JSON.stringify(health)).not.toContain('disk swap')
  })

  it('drains workers of its coordinator, and tells what they have left', async () => {
    a = await startAdmin({ coordinator })
    const body = { worker: '12D3KooWw', reason: 'old', deadlineMs: 5 }
    const drained = { drains: [{ worker: '12D3KooWw', reason: 'old', sinceMs: 5, leases: 1 }] }
    expect(await a.client.call(ADMIN_ROUTES.coordinatorDrain, { body })).toEqual(drained)
    expect(await a.client.call(ADMIN_ROUTES.coordinatorDrains)).toEqual(drained)
    const params = { worker: '12D3KooWx' }
    await expect(a.client.call(ADMIN_ROUTES.coordinatorUndrain, { params })).rejects.toMatchObject({
      code: 'not-found',
    })
  })

  it('shows workers that were suspended, with the evidence, and ends a suspension', async () => {
    a = await startAdmin({ coordinator })
    const suspensions = [SUSPENSION]
    expect(await a.client.call(ADMIN_ROUTES.coordinatorSuspensions)).toEqual({ suspensions })
    const params = { worker: SUSPENSION.worker }
    expect(await a.client.call(ADMIN_ROUTES.coordinatorEvidence, { params })).toEqual({ evidence: 'AQID' })
    expect(await a.client.call(ADMIN_ROUTES.coordinatorReinstate, { params })).toEqual({ suspensions })
    const other = { params: { worker: '12D3KooWx' } }
    for (const asked of [
      a.client.call(ADMIN_ROUTES.coordinatorEvidence, other),
      a.client.call(ADMIN_ROUTES.coordinatorReinstate, other),
    ]) {
      await expect(asked).rejects.toMatchObject({ code: 'not-found' })
    }
  })

  it('shows its coordinator', async () => {
    a = await startAdmin({ coordinator })
    expect((await a.client.call(ADMIN_ROUTES.coordinatorStatus)).running).toBe(2)
    const queue = await a.client.call(ADMIN_ROUTES.coordinatorQueue, { query: { limit: 7 } })
    expect(queue.tasks[0]).toMatchObject({ attempts: 7, why: { code: 'no-free-slot', message: 'all busy' } })
    expect((await a.client.call(ADMIN_ROUTES.coordinatorWorkers)).workers).toHaveLength(3)
    expect((await a.client.call(ADMIN_ROUTES.coordinatorPeers)).peers).toHaveLength(1)
    const params = { account: 'acme', id: 't' }
    expect((await a.client.call(ADMIN_ROUTES.coordinatorExplain, { params })).summary).toBe('acme waits')
    const unknown = { ...params, id: 'u' }
    await expect(a.client.call(ADMIN_ROUTES.coordinatorExplain, { params: unknown })).rejects.toMatchObject({
      code: 'task-not-found',
    })
    expect(await a.client.call(ADMIN_ROUTES.models)).toEqual({
      from: 'coordinator',
      models: [
        {
          name: 'm',
          digests: [],
          barredWorkers: 0,
          contextTokens: 512,
          tokensPerS: 11,
          workers: 2,
          freeSlots: 2,
        },
      ],
    })
  })

  it('shows the models of a worker alone', async () => {
    a = await startAdmin({ worker })
    expect(await a.client.call(ADMIN_ROUTES.models)).toEqual({
      from: 'worker',
      models: [
        {
          name: 'm',
          digests: [],
          barredWorkers: 0,
          contextTokens: 512,
          tokensPerS: 30,
          workers: 1,
          freeSlots: 1,
        },
      ],
    })
  })

  it('says clearly what it is not', async () => {
    a = await startAdmin({ worker }, { mode: 'worker' })
    for (const call of [
      a.client.call(ADMIN_ROUTES.coordinatorQueue),
      a.client.call(TASK_ROUTES.list),
      a.client.call(ADMIN_ROUTES.keyList),
    ]) {
      await expect(call).rejects.toMatchObject({
        code: 'not-found',
        message: expect.stringContaining('runs as worker'),
      })
    }
  })

  it('isolates peers of its coordinator, and writes down who asked for what', async () => {
    const audit = memoryAudit()
    a = await startAdmin({ coordinator, audit })
    const isolated = { isolations: [{ peer: '12D3KooWw', reason: 'forged results', sinceMs: 5 }] }
    const body = { peer: '12D3KooWw', reason: 'forged results' }
    expect(await a.client.call(ADMIN_ROUTES.coordinatorIsolate, { body })).toEqual(isolated)
    expect(await a.client.call(ADMIN_ROUTES.coordinatorIsolations)).toEqual(isolated)
    const itself = a.client.call(ADMIN_ROUTES.coordinatorIsolate, { body: { ...body, peer: 'itself' } })
    await expect(itself).rejects.toMatchObject({ code: 'bad-request' })
    const released = a.client.call(ADMIN_ROUTES.coordinatorRelease, { params: { peer: '12D3KooWw' } })
    await expect(released).rejects.toMatchObject({ code: 'not-found' })
    expect(audit.acts).toMatchObject([
      {
        kind: 'peer-isolated',
        by: 'admin',
        of: '12D3KooWw',
        outcome: 'done',
        facts: { reason: 'forged results' },
      },
      { kind: 'peer-isolated', of: 'itself', outcome: 'refused', facts: { code: 'bad-request' } },
      { kind: 'peer-released', of: '12D3KooWw', outcome: 'refused' },
    ])
  })

  it('stops when asked, with the drain it was given', async () => {
    a = await startAdmin({})
    expect(await a.client.call(ADMIN_ROUTES.stop, { body: { drainMs: 100 } })).toEqual({ stopping: true })
    await a.client.call(ADMIN_ROUTES.stop, { body: {} })
    expect(a.stops).toEqual([100, undefined])
  })

  it('has health and metrics without a token', async () => {
    a = await startAdmin({ worker })
    expect((await fetch(`${a.url}/healthz`)).status).toBe(200)
    const ready = await fetch(`${a.url}/readyz`)
    expect([ready.status, (await bodyOf(ready)).roles.worker.why.code]).toEqual([503, 'no-coordinator'])
    const inference = await fetch(`${a.url}/health/inference`)
    expect(inference.status).toBe(503)
    const text = await inference.text()
    expect(text).toContain('"models":["m"]')
    expect(text).not.toContain('acme:t')
    expect(await (await fetch(`${a.url}/metrics`)).text()).toContain('edgecoder_http_requests_total')
  })
})
