import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_ROUTES, TASK_ROUTES } from '../../../src/bridge/admin-client.js'
import { ADMIN_DUTIES, DUTIES, placeOf } from '../../../src/bridge/duties.js'
import { OPENAI_ROUTES } from '../../../src/bridge/openai/openai-routes.js'
import type { Route } from '../../../src/bridge/route.js'
import { WALLET_ROUTES } from '../../../src/bridge/routes/wallet-routes.js'
import { SCOPES } from '../../../src/bridge/schemas/key.js'
import type { PolicyView } from '../../../src/core/policy/policy-view.js'
import { isRefusal } from '../../../src/core/refusal.js'
import { PolicyChain } from '../../../src/roles/policy/policy-chain.js'
import type { Worker } from '../../../src/roles/worker/worker.js'
import { createSeededRandom } from '../../../src/services/clock/seeded-random.js'
import { systemClock } from '../../../src/services/clock/system-clock.js'
import { createMemoryMesh } from '../../../src/services/network/memory-network.js'
import { type AdminUnderTest, startAdmin } from '../../helpers/admin-under-test.js'
import { type BridgeUnderTest, bodyOf, startBridge } from '../../helpers/bridge-under-test.js'
import { FakeGateway } from '../../helpers/fake-gateway.js'
import { fetching } from '../../helpers/lending-peers.js'
import { memoryModelFiles } from '../../helpers/memory-model-files.js'
import { seededKey } from '../../helpers/note-signers.js'
import { readPage, tableRows } from '../../helpers/pages.js'
import { sampleChain, signed } from '../../helpers/sample-policy.js'
import { World } from '../../unit/roles/coordinator/world.js'

const worker: Worker = {
  start: async () => {},
  stop: async () => {},
  status: () => ({
    agentId: 'node-1',
    coordinators: [],
    slots: { total: 1, busy: 0 },
    running: [],
    engine: '',
    sandbox: '',
    languages: [],
    models: [],
    closed: [],
    offers: [],
    finished: { done: 0, failed: 0 },
  }),
  learnModels: () => {},
  terms: () => ({ closed: [], terms: [], notes: [] }),
  setTerms: async () => undefined,
  whyIdle: async () => ({ busy: false, queued: 0, reasons: [] }),
}

const NOBODY: PolicyView = {
  network: 'test',
  admission: 'listed',
  coordinators: new Set(),
  gateways: new Set(),
  workers: new Set(),
}

/** In a network whose policy lists no models. */
const clock = systemClock()
const network = createMemoryMesh({ clock, random: createSeededRandom(1) }).network('worker')
const { pulls } = fetching({ network, clock, policy: () => NOBODY }, memoryModelFiles())

/** What whoever holds a token of such a node is to the network. */
const HOLDERS = { coordinator: 'coordinator-owner', gateway: 'admin', worker: 'contributor' } as const
type Place = keyof typeof HOLDERS
const PLACES = Object.keys(HOLDERS) as readonly Place[]

const USER_ROUTES = { ...TASK_ROUTES, ...WALLET_ROUTES }
const ON_THE_BRIDGE: readonly (readonly [prefix: string, route: Route])[] = [
  ...Object.values<Route>(USER_ROUTES).map((route) => ['/api/v1', route] as const),
  ...Object.values<Route>(OPENAI_ROUTES).map((route) => ['/v1', route] as const),
]

let nodes: Record<Place, AdminUnderTest>
let bridge: BridgeUnderTest

beforeAll(async () => {
  const { coordinator } = await new World().start()
  const keep = { failuresPerAddress: 100_000, requestsPerAddress: 100_000, requestsPerKey: 100_000 }
  nodes = {
    coordinator: await startAdmin({ coordinator }, { mode: 'coordinator' }),
    gateway: await startAdmin({ gateway: new FakeGateway() }, { mode: 'gateway' }),
    worker: await startAdmin({ worker, pulls }, { mode: 'worker' }),
  }
  bridge = await startBridge(keep)
})

afterAll(async () => {
  await Promise.all(Object.values(nodes).map((node) => node.stop()))
  await bridge.stop()
})

/** Follows no stream to its end. */
async function ask(url: string, prefix: string, route: Route, secret: string): Promise<Response> {
  const method = route.method.toUpperCase()
  const path = route.path.replaceAll(/\{\w+\}/g, 'x')
  const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }
  const signal = AbortSignal.timeout(20_000)
  // A dispute of a good form, to be told that there is no such task.
  const sent = route === TASK_ROUTES.openDispute ? '{"reason":"so"}' : '{"unknown":1}'
  const body = method === 'POST' ? { body: sent } : {}
  return fetch(`${url}${prefix}${path}`, { method, headers, signal, ...body })
}

async function isElsewhere(answer: Response): Promise<boolean> {
  if (answer.status !== 404) return false
  const { error } = await bodyOf(answer)
  return /^this node is no /.test(error.message)
}

describe('each owner at each act of the admin API', () => {
  it('does at a node what that node is for, by its own token, and nothing else', async () => {
    let refused = 0
    for (const place of PLACES) {
      const { url, token } = nodes[place]
      for (const [name, route] of Object.entries<Route>({ ...ADMIN_ROUTES, ...USER_ROUTES })) {
        const at = placeOf(route)
        const owns = at === 'any' || at === place
        const answer = await ask(url, '/admin/v1', route, token)
        expect([place, name, answer.status === 401 || answer.status === 403]).toEqual([place, name, false])
        expect([place, name, await isElsewhere(answer)]).toEqual([place, name, !owns])
        if (!owns) refused++
      }
    }
    expect(refused).toBeGreaterThan(80)
  })

  it('does nothing at the node of another, nor does a user with a key', async () => {
    const secret = await bridge.key(SCOPES)
    for (const place of PLACES) {
      const others = PLACES.filter((other) => other !== place).map((other) => nodes[other].token)
      for (const route of Object.values<Route>({ ...ADMIN_ROUTES, ...USER_ROUTES })) {
        for (const token of [...others, secret]) {
          const { status } = await ask(nodes[place].url, '/admin/v1', route, token)
          expect([place, route.path, status]).toEqual([place, route.path, 401])
        }
      }
    }
  })

  it('is told apart: nobody owns what the runbook says that they do not', () => {
    const actsOf = (owner: string) =>
      Object.entries(ADMIN_DUTIES).flatMap(([name, duty]) => (DUTIES[duty].owner === owner ? [name] : []))
    expect(actsOf('coordinator-owner').filter((name) => name.startsWith('key'))).toEqual([])
    expect(
      actsOf('contributor').filter((name) => /^(coordinator|ledger|economy|enrollment|key)/.test(name)),
    ).toEqual([])
    expect(actsOf('admin').every((name) => name.startsWith('key'))).toBe(true)
    expect(actsOf('user')).toEqual([])
    for (const { owner, at } of Object.values(DUTIES)) {
      const holder = at === 'any' ? 'anybody' : HOLDERS[at]
      expect([holder, 'user']).toContain(owner)
    }
  })
})

describe('each user at each act of the bridge', () => {
  it('is nobody with a token of a node', async () => {
    for (const { token } of Object.values(nodes)) {
      for (const [prefix, route] of ON_THE_BRIDGE) {
        const { status } = await ask(bridge.url, prefix, route, token)
        expect([route.path, status]).toEqual([route.path, 401])
      }
    }
  })

  it('sees and does nothing of another user', async () => {
    const id = 'x'
    const chat = { kind: 'chat', id, messages: [{ role: 'user', content: 'acme-only' }] }
    expect((await bridge.post('/api/v1/tasks', chat)).status).toBe(201)
    bridge.gateway.wallets.give('acme', 5_000_000n, 'acme-only')
    bridge.gateway.wallets.give('mallory', 7n, 'other')
    const mallory = await bridge.key(SCOPES, 'mallory')
    for (const [prefix, route] of ON_THE_BRIDGE) {
      const answer = await ask(bridge.url, prefix, route, mallory)
      const text = await answer.text()
      expect([route.path, text.includes('acme')]).toEqual([route.path, false])
      if (prefix === '/api/v1' && route.path.includes('{id}'))
        expect([route.path, answer.status]).toEqual([route.path, 404])
    }
    expect(bridge.gateway.cancelled).toEqual([])
    const own = await bodyOf(await bridge.get(`/api/v1/tasks/${id}`))
    expect(own).toMatchObject({ id, account: 'acme' })
  })
})

describe('each owner at each kind of policy', () => {
  it('is signed by those who hold its power, and by no key of a node', async () => {
    const chain = new PolicyChain()
    for (const { message, bytes } of sampleChain()) {
      for (const fill of [101, 102, 103, 104, 105]) {
        const taken = await chain.take(signed(message, seededKey(fill)))
        expect([message.kind, isRefusal(taken) && taken.code]).toEqual([message.kind, 'policy-unsigned'])
      }
      expect(isRefusal(await chain.take(bytes))).toBe(false)
    }
  })
})

it('the table of docs/OPERATING.md is the one that is enforced', () => {
  const page = readPage('docs/OPERATING.md')
  const from = page.indexOf('## Who may do what')
  const rows = tableRows(page.slice(from, page.indexOf('\n## ', from + 1))).filter(
    ([first]) => first !== 'what',
  )
  expect(rows.map(([name, owner, at]) => [name, owner, at])).toEqual(
    Object.entries(DUTIES).map(([name, { owner, at }]) => [`\`${name}\``, owner, at]),
  )
})
