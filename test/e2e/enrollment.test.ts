import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { createAdminKey } from '../../src/node/admin-policy.js'
import { type CliRun, runCli } from '../helpers/cli.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import type { NodeProcess, NodeStatus } from '../helpers/process-mesh.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const PASSPHRASE = 'correct horse battery'
const ISSUER = 'coordinator-1'
const OTHER = 'coordinator-2'
/** Of scrypt; a guess of the passphrase of a test may be cheap. */
const COST = 2 ** 10

interface Token {
  readonly id: string
  readonly state: string
  readonly peer?: string
}

let held: HeldTasks
let network: SignedNetwork
let desk = ''
let attic: NodeProcess
let spare: NodeProcess

/** Two admins enrol together; one of them alone says who may work. */
beforeAll(async () => {
  desk = mkdtempSync(join(tmpdir(), 'edgecoder-admins-'))
  writeFileSync(join(desk, 'pass'), `${PASSPHRASE}\n`, { mode: 0o600 })
  const [ann, bob] = await Promise.all(
    ['ann.key', 'bob.key'].map((name) => createAdminKey(join(desk, name), PASSPHRASE, COST)),
  )
  if (ann === undefined || bob === undefined) throw new Error('no keys')
  held = await createHeldTasks({ coordinators: 2, workers: 2, gateways: 1 })
  network = await SignedNetwork.of(held.mesh, [], {
    carried: 'mesh',
    powers: [
      { power: 'enrol', authority: { keys: [ann, bob], threshold: 2 } },
      { power: 'node-state', authority: { keys: [ann], threshold: 1 } },
    ],
  })
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor')
  await network.grant('local', 20_000_000n, 'first')
  await network.beginAt(ISSUER)
  await held.mesh.start([ISSUER, 'gateway'])
  attic = held.mesh.get('worker-1')
  spare = held.mesh.get('worker-2')
}, 180_000)

afterAll(async () => {
  await held?.close()
  rmSync(desk, { recursive: true, force: true })
})

/** Asks the coordinator that makes the tokens, as a person would. */
function ask(...args: readonly string[]): Promise<CliRun> {
  const { dataDir } = held.mesh.get(ISSUER).node
  const env = { EDGE_ADMIN_PASSPHRASE_FILE: 'pass' }
  return runCli(['--json', '--node', dataDir, ...args], { cwd: desk, env })
}

function admin(...args: readonly string[]): Promise<CliRun> {
  return ask('admin', ...args)
}

async function token(agent: string): Promise<string> {
  const run = await ask('node', 'enroll', agent, '--account', 'lender')
  expect([run.code, run.stderr]).toEqual([0, ''])
  return run.json<{ text: string }>().text
}

/** Has a node approved by both admins. @returns the messages that it took */
async function approve(name: string): Promise<readonly string[]> {
  const first = await admin('nodes', 'approve', name, '--key', 'ann.key', '--yes')
  const drafted = first.json<{
    state: string
    files: readonly string[]
    messages: readonly { kind: string }[]
  }>()
  expect([first.code, drafted.state]).toEqual([0, 'awaits-signatures'])
  const [enrol = ''] = drafted.files
  expect((await admin('policy', 'sign', enrol, '--key', 'bob.key')).code).toBe(0)
  const run = await admin('policy', 'publish', ...drafted.files)
  expect([run.code, run.stderr]).toEqual([0, ''])
  return drafted.messages.map(({ kind }) => kind)
}

function standsAs(node: NodeProcess, code: string): Promise<NodeStatus> {
  return node.statusWhere(`say ${code}`, ({ notReady }) => notReady.some(({ why }) => why.code === code))
}

/** Starts a worker anew as this agent. */
async function restart(node: NodeProcess, agent: string, registration: string): Promise<void> {
  if (node.isRunning) await node.end()
  node.start({ AGENT_ID: agent, AGENT_REGISTRATION_TOKEN: registration })
}

function whyOf(status: NodeStatus): { readonly message: string; readonly next?: string | undefined } {
  const why = status.notReady[0]?.why
  if (why === undefined) throw new Error('it is ready')
  return why
}

async function attached(): Promise<readonly string[]> {
  const { workers } = await held.mesh.get(ISSUER).client().call(ADMIN_ROUTES.coordinatorWorkers)
  return workers.filter(({ liveness }) => liveness === 'live').map(({ peerId }) => peerId)
}

describe('a worker with a registration token', { timeout: 180_000 }, () => {
  let first = ''

  it('of another agent is refused, and says what to do', async () => {
    first = await token('attic')
    await restart(attic, 'cellar', first)
    const why = whyOf(await standsAs(attic, 'registration-refused'))
    expect([why.message, why.next]).toEqual([
      expect.stringContaining('for agent attic, and this one is cellar'),
      expect.stringContaining('AGENT_ID=attic'),
    ])
  })

  it('waits, says for what, and waits on after its coordinator was killed', async () => {
    await restart(attic, 'attic', first)
    const before = whyOf(await standsAs(attic, 'approval-pending'))
    expect(before.next).toBe(`An admin types: edgecoder admin nodes approve ${attic.node.peerId}`)
    const ready = await fetch(`http://127.0.0.1:${attic.node.adminPort}/readyz`)
    expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('approval-pending')])
    await held.mesh.get(ISSUER).end('SIGKILL')
    await held.mesh.start([ISSUER, OTHER])
    expect(whyOf(await standsAs(attic, 'approval-pending')).message).toBe(before.message)
    const idle = await attic.client().call(ADMIN_ROUTES.whyIdle)
    expect(idle.reasons[0]).toMatchObject({ code: 'approval-pending', next: before.next })
    const pending = (await admin('nodes', 'pending')).json<{
      coordinators: readonly { requests: object[] }[]
    }>()
    expect(pending.coordinators[0]?.requests).toMatchObject([
      { peer: attic.node.peerId, agent: 'attic', account: 'lender', replaces: [] },
    ])
    expect(await attached()).toEqual([])
  })

  it('shows its token nowhere', async () => {
    const { settings } = await attic.client().call(ADMIN_ROUTES.config)
    expect(settings.find(({ name }) => name === 'AGENT_REGISTRATION_TOKEN')?.value).toBe('(set)')
    for (const { log } of held.mesh.nodes.values()) expect(log).not.toContain(first)
  })

  it('keeps what another admin has signed for it, unless that is told to go', async () => {
    const drafted = (key: string, ...more: readonly string[]) =>
      admin('nodes', 'approve', 'attic', '--key', key, '--yes', '--out', 'shared', ...more)
    const { files } = (await drafted('ann.key')).json<{ files: readonly string[] }>()
    const [enrol = ''] = files
    const read = () => files.map((file) => readFileSync(join(desk, file), 'utf8'))
    const before = read()
    const run = await drafted('bob.key')
    const { error } = run.json<{ error: { message: string; next: string } }>()
    expect([run.code, error.message, error.next]).toEqual([
      2,
      expect.stringMatching(/enrol\.json is there already, signed by ed25519:\S+; nothing was written/),
      expect.stringContaining(`admin policy sign ${enrol} `),
    ])
    expect(read()).toEqual(before)
    expect((await drafted('bob.key', '--replace')).code).toBe(0)
    expect(read()[0]).not.toBe(before[0])
  })

  it('gets work once enough admins have approved it, and its owner is paid', async () => {
    expect(await approve('attic')).toEqual(['enrol', 'node-state'])
    await attic.ready()
    await held.submit('first')
    await held.running('first')
    held.letGo('first')
    await held.expectDoneOnce('first')
    const client = held.mesh.get(ISSUER).client()
    await until('the lender to be paid', async () => {
      const { available } = await client.call(ADMIN_ROUTES.wallet, { params: { account: 'lender' } })
      return BigInt(available) > 0n
    })
    const { coordinators } = (await admin('nodes', 'pending')).json<{
      coordinators: { requests: object[] }[]
    }>()
    expect(coordinators[0]?.requests).toEqual([])
  })

  it('that was spent by another key is refused', async () => {
    await restart(spare, 'attic', first)
    const why = whyOf(await standsAs(spare, 'registration-refused'))
    expect(why.message).toContain('spent')
    expect(await attached()).toEqual([attic.node.peerId])
  })

  it('for an agent that has a key already takes its place when that is approved, and not before', async () => {
    await restart(spare, 'attic', await token('attic'))
    const why = whyOf(await standsAs(spare, 'approval-pending'))
    expect(why.message).toContain(`in place of ${attic.node.peerId}`)
    expect(await attached()).toEqual([attic.node.peerId])
    expect(await approve(spare.node.peerId)).toEqual(['enrol', 'node-state', 'node-state'])
    await spare.ready()
    await until('only the new key to be there', async () => (await attached()).join() === spare.node.peerId)
    const status = await standsAs(attic, 'not-admitted')
    expect(whyOf(status).message).toContain(`replaced by ${spare.node.peerId}`)
  })

  it('shows another one within the grace when it is told to rotate, and needs no approval for its own key', async () => {
    const run = await ask('node', 'rotate', 'attic', '--account', 'lender', '--grace', '1h')
    const { text, token: made } = run.json<{ text: string; token: { id: string } }>()
    await restart(spare, 'attic', text)
    await spare.ready()
    await until('the token to be spent', async () => {
      const { tokens } = (await ask('node', 'enroll', 'list')).json<{ tokens: readonly Token[] }>()
      const found = tokens.find(({ id }) => id === made.id)
      return found?.state === 'spent' && found.peer === spare.node.peerId
    })
    const { coordinators } = (await admin('nodes', 'pending')).json<{ coordinators: readonly object[] }>()
    expect(coordinators).toMatchObject([{ requests: [], overdue: [] }])
  })

  it('that is revoked under load gets no lease any more', async () => {
    await held.submit('cut')
    await held.running('cut')
    await held.submit('late')
    cpSync(network.folder, join(desk, 'policy'), { recursive: true })
    const by = ['--key', 'ann.key', '--chain', 'policy', '--yes']
    const run = await admin('nodes', 'revoke', 'attic', '--reason', 'test', ...by)
    expect([run.code, run.json<{ state: string }>().state]).toEqual([0, 'published'])
    const copy = (await admin('policy', 'verify', 'policy')).json<{ sequence: number }>()
    const { newest } = await held.mesh.get(ISSUER).client().call(ADMIN_ROUTES.policyStatus)
    expect(copy.sequence).toBe(newest?.sequence)
    await until('the worker to be cut off', async () => (await attached()).length === 0)
    const home = held.mesh.get(ISSUER)
    for (const id of ['cut', 'late']) await held.standsAt(home, id, 'queued')
    expect([held.begun('cut'), held.begun('late')]).toEqual([1, 0])
  })

  it('that was denied is told why, and its token stays spent', async () => {
    const registration = await token('barn')
    await restart(attic, 'barn', registration)
    await standsAs(attic, 'approval-pending')
    const run = await admin('nodes', 'deny', 'barn', '--reason', 'who is this?', '--yes')
    expect([run.code, run.stderr]).toEqual([0, ''])
    expect(whyOf(await standsAs(attic, 'registration-refused')).message).toContain('who is this?')
    await restart(spare, 'barn', registration)
    expect(whyOf(await standsAs(spare, 'registration-refused')).message).toContain('spent')
  })
})

it('an admin whose copy of the policy has what the coordinator has not signs nothing', async () => {
  await network.grant('local', 1n, 'elsewhere')
  cpSync(network.folder, join(desk, 'other'), { recursive: true })
  const by = ['--key', 'ann.key', '--chain', 'other', '--yes']
  const run = await admin('nodes', 'resume', attic.node.peerId, '--reason', 'x', ...by)
  expect([run.code, run.json<{ error: { code: string } }>().error.code]).toEqual([1, 'policy-behind'])
})

it('a coordinator that is down is said once', async () => {
  const run = await runCli(['--node', desk, 'admin', 'nodes', 'pending'])
  expect([run.code, run.stderr.split('no node runs from').length - 1]).toEqual([5, 1])
})
