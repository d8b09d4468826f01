import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { createAdminKey } from '../../src/node/admin-policy.js'
import { identityFileOf } from '../../src/node/services.js'
import { loadIdentity } from '../../src/services/identity/identity.js'
import { publicKeyOf } from '../../src/wire/peer-id.js'
import { type CliRun, runCli } from '../helpers/cli.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import type { NodeProcess, NodeStatus } from '../helpers/process-mesh.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const PASSPHRASE = 'correct horse battery'
const ISSUER = 'coordinator-1'
/** Of scrypt; a guess of the passphrase of a test may be cheap. */
const COST = 2 ** 10
const POWERS = ['enrol', 'node-state', 'coordinators', 'gateways'] as const

interface Pending {
  readonly coordinators: readonly { readonly requests: readonly object[] }[]
}

let held: HeldTasks
let network: SignedNetwork
let desk = ''
let gateway: NodeProcess
let second: NodeProcess
/** The token of the gateway. */
let first = ''

/** A network that began with one coordinator, and nobody else. */
beforeAll(async () => {
  desk = mkdtempSync(join(tmpdir(), 'edgecoder-admins-'))
  writeFileSync(join(desk, 'pass'), `${PASSPHRASE}\n`, { mode: 0o600 })
  const ann = await createAdminKey(join(desk, 'ann.key'), PASSPHRASE, COST)
  held = await createHeldTasks({ coordinators: 2, workers: 1, gateways: 1 })
  network = await SignedNetwork.of(held.mesh, [], {
    carried: 'mesh',
    powers: POWERS.map((power) => ({ power, authority: { keys: [ann], threshold: 1 } })),
    strangers: ['coordinator-2', 'gateway'],
  })
  await network.openAccount('local')
  await network.openAccount('club', 'contributor')
  await network.grant('local', 20_000_000n, 'first')
  held.mesh.get(ISSUER).start()
  await until('the policy to be published', async () => {
    return (await admin('policy', 'publish', ...network.files)).code === 0
  })
  gateway = held.mesh.get('gateway')
  second = held.mesh.get('coordinator-2')
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

async function token(agent: string, role: string, account = 'club'): Promise<string> {
  const run = await ask('node', 'enroll', agent, '--role', role, '--account', account)
  expect([run.code, run.stderr]).toEqual([0, ''])
  return run.json<{ text: string }>().text
}

async function approve(name: string): Promise<readonly string[]> {
  const run = await admin('nodes', 'approve', name, '--key', 'ann.key', '--yes')
  const made = run.json<{ state: string; messages: readonly { kind: string }[] }>()
  expect([run.code, made.state]).toEqual([0, 'published'])
  return made.messages.map(({ kind }) => kind)
}

async function requests(): Promise<readonly object[]> {
  return (await admin('nodes', 'pending')).json<Pending>().coordinators[0]?.requests ?? []
}

async function waitsAs(node: NodeProcess, code: string): Promise<NodeStatus['notReady'][number]['why']> {
  const status = await node.statusWhere(`say ${code}`, ({ notReady }) =>
    notReady.some(({ why }) => why.code === code),
  )
  const why = status.notReady[0]?.why
  if (why === undefined) throw new Error('it is ready')
  return why
}

async function restart(node: NodeProcess, agent: string, registration: string, mode?: string): Promise<void> {
  if (node.isRunning) await node.end()
  const as = mode === undefined ? {} : { EDGE_RUNTIME_MODE: mode }
  node.start({ AGENT_ID: agent, AGENT_REGISTRATION_TOKEN: registration, ...as })
}

async function gatewaysAtIssuer(): Promise<number> {
  return (await held.mesh.get(ISSUER).client().call(ADMIN_ROUTES.coordinatorStatus)).gateways
}

describe('a gateway with a registration token', { timeout: 180_000 }, () => {
  it('that is for another role is refused, and says what to do; the token stays good', async () => {
    const others = await token('edge', 'coordinator')
    await restart(gateway, 'edge', others)
    const why = await waitsAs(gateway, 'registration-refused')
    expect([why.message, why.next]).toEqual([
      expect.stringContaining('for a coordinator, and this node is a gateway'),
      expect.stringContaining('EDGE_RUNTIME_MODE=coordinator'),
    ])
    const { tokens } = (await ask('node', 'enroll', 'list')).json<{ tokens: readonly object[] }>()
    expect(tokens).toMatchObject([{ agent: 'edge', role: 'coordinator', state: 'open' }])
    expect(await requests()).toEqual([])
  })

  it('waits, says for what, and waits on after both were killed', async () => {
    first = await token('edge', 'gateway')
    await restart(gateway, 'edge', first)
    const before = await waitsAs(gateway, 'approval-pending')
    expect(before.message).toContain('gateway edge of club waits for approval since')
    expect(before.next).toBe(`An admin types: edgecoder admin nodes approve ${gateway.node.peerId}`)
    const readable = await runCli(['--node', gateway.node.dataDir, 'node', 'status'])
    expect(readable.stdout).toContain(`edgecoder admin nodes approve ${gateway.node.peerId}`)
    for (const path of ['readyz', 'health/control-plane']) {
      const answer = await fetch(`http://127.0.0.1:${gateway.node.adminPort}/${path}`)
      expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining('approval-pending')])
    }
    await Promise.all([held.mesh.get(ISSUER).end('SIGKILL'), gateway.end('SIGKILL')])
    held.mesh.get(ISSUER).start()
    await restart(gateway, 'edge', first)
    expect((await waitsAs(gateway, 'approval-pending')).message).toBe(before.message)
    expect(await requests()).toMatchObject([
      { peer: gateway.node.peerId, agent: 'edge', account: 'club', role: 'gateway', by: expect.any(String) },
    ])
    expect(await gatewaysAtIssuer()).toBe(0)
  })

  it('is in no log, and the setting is not shown', async () => {
    const { settings } = await gateway.client().call(ADMIN_ROUTES.config)
    expect(settings.find(({ name }) => name === 'AGENT_REGISTRATION_TOKEN')?.value).toBe('(set)')
    expect(gateway.log).toContain('approval-pending')
    for (const { log } of held.mesh.nodes.values()) expect(log).not.toContain(first)
  })

  it('is admitted by no coordinator, whatever that signs', async () => {
    const { signer } = await loadIdentity(identityFileOf(held.mesh.get(ISSUER).node.dataDir))
    const { peerId } = gateway.node
    const publicKey = publicKeyOf(peerId)
    if (publicKey === undefined) throw new Error('no key in the peer id')
    const enrol = {
      node: { peer: peerId, publicKey },
      agent: 'edge',
      account: 'club',
      role: 'gateway',
    } as const
    for (const message of [
      network.forge('gateways', { admit: [peerId], remove: [] }, signer),
      network.forge('enrol', enrol, signer),
      network.forge('coordinators', { admit: [enrol.node], remove: [] }, signer),
    ]) {
      writeFileSync(join(desk, 'forged.json'), message)
      const run = await admin('policy', 'publish', 'forged.json')
      expect([run.json<{ error: { code: string } }>().error.code, run.code]).toEqual(['policy-unsigned', 4])
    }
    await waitsAs(gateway, 'approval-pending')
    expect(await gatewaysAtIssuer()).toBe(0)
  })

  it('takes tasks once an admin has approved it', async () => {
    expect(await approve('edge')).toEqual(['enrol', 'node-state', 'gateways'])
    await gateway.ready()
    expect(await requests()).toEqual([])
    const worker = held.mesh.get('worker')
    await restart(worker, 'lab', await token('lab', 'worker'))
    await waitsAs(worker, 'approval-pending')
    expect(await approve('lab')).toEqual(['enrol', 'node-state'])
    await held.submit('first')
    await held.running('first')
    held.letGo('first')
    await held.expectDoneOnce('first')
  })

  it('that was spent is refused to another key', async () => {
    await restart(second, 'edge', first, 'gateway')
    expect((await waitsAs(second, 'registration-refused')).message).toContain('spent')
    expect(await requests()).toEqual([])
  })
})

describe('a coordinator with a registration token', { timeout: 180_000 }, () => {
  it('that was denied is told why', async () => {
    await restart(second, 'second', await token('second', 'coordinator'))
    await waitsAs(second, 'approval-pending')
    expect((await admin('nodes', 'deny', 'second', '--reason', 'who is this?', '--yes')).code).toBe(0)
    expect((await waitsAs(second, 'registration-refused')).message).toContain('who is this?')
  })

  it('keeps the ledger with the others once an admin has approved it', async () => {
    await restart(second, 'second', await token('second', 'coordinator'))
    await waitsAs(second, 'approval-pending')
    expect(await approve('second')).toEqual(['enrol', 'node-state', 'coordinators'])
    await second.ready()
    const { nodes } = (await admin('nodes', 'list')).json<{ nodes: readonly object[] }>()
    expect(nodes).toMatchObject([
      { agent: 'edge', role: 'gateway', state: 'active' },
      { agent: 'lab', role: 'worker', state: 'active' },
      { agent: 'second', role: 'coordinator', state: 'active', account: 'club' },
    ])
    // With who said so.
    const shown = (await admin('nodes', 'show', 'second')).json<{ nodes: readonly object[] }>()
    const signers = [expect.stringMatching(/^ed25519:/)]
    expect(shown.nodes).toMatchObject([
      { node: { reason: 'approved', message: expect.any(Number) }, signers },
    ])
    await held.submit('second')
    await held.running('second')
    held.letGo('second')
    await held.expectDoneOnce('second')
  })
})

it('a gateway that is revoked is cut off, and its token does not bring it back', {
  timeout: 180_000,
}, async () => {
  const by = ['--reason', 'sold', '--key', 'ann.key', '--yes']
  expect((await admin('nodes', 'revoke', 'edge', ...by)).code).toBe(0)
  await until('it to be cut off', async () => (await gatewaysAtIssuer()) === 0)
  await restart(gateway, 'edge', first)
  expect((await waitsAs(gateway, 'not-admitted')).message).toContain('edge is revoked since')
  expect(await requests()).toEqual([])
})
