import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { DEFAULT_TERMS } from '../../src/core/economy/terms.js'
import { loadChain, signPolicy } from '../../src/node/admin-policy.js'
import { type CliRun, runCli } from '../helpers/cli.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

interface Simulated {
  readonly fields: readonly object[]
  readonly outlook: { readonly cut: readonly { readonly peer: string; readonly agent: string }[] }
  readonly touched: { readonly leases: readonly object[]; readonly leasesInAll: number }
}

const HOME = 'coordinator-1'
const ALL = [HOME, 'coordinator-2', 'gateway', 'worker']
const WITHIN_MS = 60_000
const BRIEF_MS = 5_000

// Each command is a process of its own.
vi.setConfig({ testTimeout: 180_000 })
let held: HeldTasks
let network: SignedNetwork

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 2, workers: 1, gateways: 1 })
  network = await SignedNetwork.of(held.mesh, [], { carried: 'mesh' })
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor')
  await network.enrol('worker', 'lender')
  await network.grant('local', 20_000_000n, 'first')
  await network.beginAt(HOME)
  await held.mesh.start()
}, 180_000)

afterAll(() => held?.close())

/** Asks the home, as a person would. */
function policy(...args: readonly string[]): Promise<CliRun> {
  return runCli(['--json', '--node', held.mesh.get(HOME).node.dataDir, 'admin', 'policy', ...args])
}

function fileOf(bytes: Uint8Array): string {
  const file = join(held.mesh.dir, 'draft.json')
  writeFileSync(file, bytes)
  return file
}

async function codeOf(bytes: Uint8Array, ...options: readonly string[]): Promise<string> {
  const run = await policy('publish', fileOf(bytes), ...options)
  expect(run.code).not.toBe(0)
  return run.json<{ error: { code: string } }>().error.code
}

/** Resolves when this is why the policy is not to be relied on, at every node; undefined = it is. */
async function standsEverywhere(code: string | undefined): Promise<void> {
  await until(
    `the policy to be ${code ?? 'good'} everywhere`,
    async () => {
      const all = ALL.map((name) => held.mesh.get(name).client().call(ADMIN_ROUTES.policyStatus))
      return (await Promise.all(all)).every(
        ({ why, newest }) => why?.code === code && newest?.sequence === network.sequence,
      )
    },
    WITHIN_MS,
  )
}

async function worksOn(id: string): Promise<void> {
  await held.submit(id)
  await held.running(id)
  held.letGo(id)
  await held.expectDoneOnce(id)
}

it('a draft is compared with the chain of a running node, and with what runs there', async () => {
  await held.submit('held')
  await held.running('held')
  const { peerId } = held.mesh.get('worker').node
  const draft = fileOf(network.draft('node-state', { peer: peerId, state: 'suspended', reason: 'a test' }))
  expect((await policy('diff', draft)).json()).toMatchObject({
    kind: 'node-state',
    state: 'waiting',
    fields: expect.arrayContaining([
      { record: `node ${peerId}`, field: 'state', before: 'active', after: 'suspended' },
    ]),
  })
  const simulated = (await policy('simulate', draft)).json<Simulated>()
  expect(simulated.outlook.cut).toMatchObject([{ peer: peerId, agent: 'worker', role: 'worker' }])
  expect(simulated.touched).toMatchObject({
    leasesInAll: 1,
    leases: [{ id: expect.stringContaining('held'), worker: peerId, state: 'running' }],
    connected: [peerId],
  })
  const text = await held.mesh.cli(['--node', HOME, 'admin', 'policy', 'simulate', draft])
  expect(text.stdout).toMatch(/Cuts off: +worker 12D3\S+ \("worker", account lender\), connected now/)
  expect((await policy('show', String(network.sequence))).json()).toMatchObject({ state: 'chained' })
  expect((await policy('show', '99')).code).toBe(3)
  held.letGo('held')
  await held.expectDoneOnce('held')
})

it('a message of a chain that parted from this one is refused, and changes nothing', async () => {
  const { peerId } = held.mesh.get('worker').node
  const revoked = { peer: peerId, state: 'revoked', reason: 'says another chain' } as const
  expect(await codeOf(network.mixed('node-state', revoked))).toBe('policy-out-of-order')
  expect((await policy('diff', fileOf(network.mixed('node-state', revoked)))).code).toBe(4)
  await standsEverywhere(undefined)
})

it('when nothing newer comes in time every node says so, and what held holds on', async () => {
  await network.say('terms', { terms: DEFAULT_TERMS }, BRIEF_MS)
  expect((await policy('publish', network.files.at(-1) ?? '')).code).toBe(0)
  await standsEverywhere('policy-expired')
  // Who holds newer messages back can bring old ones again, and the node is no better off.
  expect((await policy('publish', network.files.at(-1) ?? '')).json()).toMatchObject({
    published: [{ added: false }],
  })
  await standsEverywhere('policy-expired')
  await worksOn('frozen')
  await network.say('terms', { terms: DEFAULT_TERMS })
  expect((await policy('publish', network.files.at(-1) ?? '')).code).toBe(0)
  await standsEverywhere(undefined)
})

it('an admin who drafts from an old copy is told so, and nothing stops', async () => {
  const copy = join(held.mesh.dir, 'copy')
  const draftFrom = async (): Promise<Uint8Array> => {
    const other = join(held.mesh.dir, 'other.json')
    const body = ['grant', 'local', '--credits', '3', '--reference', 'from-a-copy']
    const drafted = await policy('draft', ...body, '--chain', copy, '--out', other, '--yes')
    expect([drafted.code, drafted.json()]).toMatchObject([0, { state: 'waiting' }])
    return signPolicy(readFileSync(other), await loadChain(copy), network.admin)
  }
  expect((await policy('pull', '--chain', copy)).json()).toMatchObject({ sequence: network.sequence })
  await network.grant('lender', 1_000_000n, 'meanwhile')
  expect((await policy('publish', network.files.at(-1) ?? '')).code).toBe(0)
  expect(await codeOf(await draftFrom())).toBe('policy-out-of-order')
  await standsEverywhere(undefined)
  expect((await policy('pull', '--chain', copy)).json()).toMatchObject({ added: 1 })
  const good = await draftFrom()
  expect((await policy('publish', fileOf(good))).json()).toMatchObject({ published: [{ added: true }] })
  await network.follow(good)
  await standsEverywhere(undefined)
})

it('two messages that were signed for one place stop the chain everywhere, and tasks go on', async () => {
  await network.grant('local', 1_000_000n, 'second')
  expect((await policy('publish', network.files.at(-1) ?? '')).code).toBe(0)
  await standsEverywhere(undefined)
  const other = { account: 'lender', amount: 9_000_000n, source: 'issuance', reference: 'mine' } as const
  expect(await codeOf(network.rival('grant', other))).toBe('policy-out-of-order')
  await standsEverywhere(undefined)
  expect(await codeOf(network.rival('grant', other), '--forks')).toBe('policy-forked')
  await standsEverywhere('policy-forked')
  const { peerId } = held.mesh.get('worker').node
  const next = network.forge('node-state', { peer: peerId, state: 'revoked', reason: 'x' }, network.admin)
  expect(await codeOf(next)).toBe('policy-forked')
  await worksOn('forked')
  for (const name of ALL) {
    const { dataDir } = held.mesh.get(name).node
    const run = await runCli(['--json', '--node', dataDir, 'audit', 'list', '--kind', 'policy-forked'])
    expect(run.json()).toMatchObject({ records: [{ of: `message ${network.sequence}` }] })
  }
})
