import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { identityFileOf } from '../../src/node/services.js'
import { loadIdentity } from '../../src/services/identity/identity.js'
import { type CliRun, runCli } from '../helpers/cli.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { WORKER } from '../helpers/sample-policy.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const HOME = 'coordinator-1'
const SECOND = 'coordinator-2'
const ALL = [HOME, SECOND, 'gateway', 'worker']
const WITHIN_MS = 90_000

let held: HeldTasks
let network: SignedNetwork

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 2, workers: 1, gateways: 1 })
  network = await SignedNetwork.of(held.mesh, [], { carried: 'mesh' })
  // The second coordinator comes later: tasks are paid by the home of their account, which is the first.
  for (const name of ALL.filter((each) => each !== SECOND)) held.mesh.get(name).start()
}, 120_000)

afterAll(() => held?.close())

/** Asks a node of the mesh, as a person would. */
function policy(name: string, ...args: readonly string[]): Promise<CliRun> {
  const { dataDir } = held.mesh.get(name).node
  return runCli(['--json', '--node', dataDir, 'admin', 'policy', ...args])
}

async function newest(name: string): Promise<number> {
  const status = await held.mesh.get(name).client().call(ADMIN_ROUTES.policyStatus)
  return status.newest?.sequence ?? -1
}

/** Resolves when all of these have the newest message. */
async function reached(names: readonly string[]): Promise<void> {
  await until(
    `message ${network.sequence} to be at ${names.join(', ')}`,
    async () => (await Promise.all(names.map(newest))).every((sequence) => sequence === network.sequence),
    WITHIN_MS,
  )
}

async function codeOf(run: CliRun): Promise<readonly [code: string, exit: number | null]> {
  return [run.json<{ error: { code: string } }>().error.code, run.code]
}

describe('nodes that were given an id and bootstrap peers, and no policy', { timeout: 180_000 }, () => {
  it('wait, say so, and are not ready', async () => {
    const { node } = held.mesh.get('worker')
    const ready = await until('the admin API', async () => {
      const answer = await fetch(`http://127.0.0.1:${node.adminPort}/readyz`)
      return answer.status === 503 && ((await answer.json()) as { roles: object })
    })
    const why = {
      code: 'not-found',
      message: 'there is no policy yet',
      next: expect.stringMatching(/enroll/),
    }
    expect(ready.roles).toEqual({ worker: { ready: false, why }, policy: { ready: false, why } })
    for (const name of ['worker', 'gateway']) {
      const { notReady } = await held.mesh.get(name).statusWhere('wait', (status) => !status.ready)
      expect(notReady).toEqual([{ role: name, why }])
    }
    const idle = await held.mesh.get('worker').client().call(ADMIN_ROUTES.whyIdle)
    expect(idle.reasons[0]).toMatchObject({ detail: why.message, next: why.next })
    const doctor = await runCli(['--json', '--node', node.dataDir, 'doctor'])
    const faults = doctor.json<{ findings: readonly { ok: boolean; next?: string }[] }>()
    expect(faults.findings.filter(({ ok, next }) => !ok && next === undefined)).toEqual([])
    await until('the log to say so', () => held.mesh.get('worker').log.includes('policy-awaited'))
    expect((await policy('worker', 'status')).code).not.toBe(0)
  })

  it('begin once the policy is published at one of them, and it is at all', async () => {
    await network.openAccount('local')
    await network.openAccount('lender', 'contributor')
    await network.enrol('worker', 'lender')
    await network.grant('local', 20_000_000n, 'first')
    const run = await policy(HOME, 'publish', ...network.files)
    expect([run.code, run.json()]).toMatchObject([
      0,
      { published: network.files.map(() => ({ added: true })) },
    ])
    const begun = ALL.filter((name) => name !== SECOND)
    await reached(begun)
    for (const name of begun) await held.mesh.get(name).ready()
    await held.submit('first')
    await held.running('first')
    held.letGo('first')
    await held.expectDoneOnce('first')
  })

  it('get all of it when they come later', async () => {
    await held.mesh.start([SECOND])
    await reached(ALL)
  })

  it('take a later one wherever it is published, and say how many have it', async () => {
    await network.grant('local', 1_000_000n, 'second')
    const run = await policy('gateway', 'publish', '--wait', network.files.at(-1) ?? '')
    expect([run.code, run.json<{ peers: number }>().peers > 0]).toEqual([0, true])
    await reached(ALL)
    const log = (await policy('worker', 'log')).json<{ messages: readonly object[]; standing: string }>()
    expect([log.messages.length, log.standing]).toEqual([network.sequence + 1, 'good'])
  })

  it('refuse what is forged, old, or signed by a hijacked coordinator, and say why', async () => {
    const publish = async (name: string, bytes: Uint8Array): Promise<readonly [string, number | null]> => {
      const file = join(held.mesh.dir, 'forged.json')
      writeFileSync(file, bytes)
      return codeOf(await policy(name, 'publish', file))
    }
    const { dataDir } = held.mesh.get(HOME).node
    const { signer } = await loadIdentity(identityFileOf(dataDir))
    const before = network.sequence
    const enrol = { node: WORKER, agent: 'attic', account: 'lender', role: 'worker' } as const
    const admits = { peer: WORKER.peer, state: 'active', reason: 'says the coordinator' } as const
    for (const message of [
      network.forge('enrol', enrol, signer),
      network.forge('node-state', admits, signer),
      network.forge('coordinators', { admit: [WORKER], remove: [] }, signer),
    ]) {
      expect(await publish(HOME, message)).toEqual(['policy-unsigned', 4])
    }
    const old = await policy('gateway', 'publish', network.files[1] ?? '')
    expect([old.code, old.json()]).toMatchObject([0, { published: [{ sequence: 1, added: false }] }])
    expect(await publish('gateway', Buffer.from('{}'))).toEqual(['malformed', 1])
    for (const name of ALL) expect(await newest(name)).toBe(before)
  })

  it('have all of it after kill -9, with nobody else to ask', async () => {
    await network.grant('local', 1_000_000n, 'third')
    const run = await policy(SECOND, 'publish', network.files.at(-1) ?? '')
    expect(run.code).toBe(0)
    await Promise.all(ALL.map((name) => held.mesh.get(name).end('SIGKILL')))
    const alone = held.mesh.get(SECOND)
    alone.start()
    await until('it to answer', async () => (await newest(SECOND)) === network.sequence, WITHIN_MS)
    for (const name of ALL.filter((each) => each !== SECOND)) held.mesh.get(name).start()
    await reached(ALL)
    for (const name of ALL) await held.mesh.get(name).ready()
  })

  it('give a worker nothing new while the policy drains it, and let it finish what it has', async () => {
    await held.mesh.get(SECOND).end('SIGKILL')
    await held.submit('has')
    await held.running('has')
    await network.setState('worker', 'draining')
    expect((await policy('gateway', 'publish', network.files.at(-1) ?? '')).code).toBe(0)
    await reached([HOME, 'gateway', 'worker'])
    held.letGo('has')
    await held.expectDoneOnce('has', 1)
    await held.submit('waits')
    const params = { account: 'local', id: 'waits' }
    const home = held.mesh.get(HOME)
    const view = await home.client().call(ADMIN_ROUTES.coordinatorExplain, { params })
    const reasons = view.candidates.flatMap((each) => each.reasons.map(({ code }) => code))
    expect([view.state, reasons]).toEqual(['queued', ['worker-draining']])
    await network.setState('worker', 'active')
    expect((await policy('gateway', 'publish', network.files.at(-1) ?? '')).code).toBe(0)
    held.letGo('waits')
    await held.expectDoneOnce('waits', 1)
  })

  it('give a worker no lease any more once the policy has revoked it, and drop its connections', async () => {
    const { peerId } = held.mesh.get(HOME).node
    await held.gateway.statusWhere(
      'be at the home',
      ({ gateway }) => gateway?.coordinators.some((at) => at.peerId === peerId) === true,
    )
    await network.setState('worker', 'revoked')
    expect((await policy('gateway', 'publish', network.files.at(-1) ?? '')).code).toBe(0)
    await reached([HOME, 'gateway'])
    const home = held.mesh.get(HOME)
    await until('the worker to be cut off', async () => {
      return (await home.client().call(ADMIN_ROUTES.coordinatorStatus)).workers === 0
    })
    const revoked = held.mesh.get('worker').node.peerId
    for (const name of [HOME, 'gateway']) {
      await until(`${name} to have no connection with it`, async () => {
        const { peers } = await held.mesh.get(name).client().call(ADMIN_ROUTES.peers)
        return peers.every(({ peerId: each }) => each !== revoked)
      })
      expect(held.mesh.get(name).log).toContain('peer-cut-off')
    }
    await held.submit('late')
    await held.standsAt(home, 'late', 'queued')
    expect(held.begun('late')).toBe(0)
  })
})
