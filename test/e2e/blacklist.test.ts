import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import {
  createAdminKey,
  type DsseSigner,
  openAdminKey,
  type PolicyBody,
} from '../../src/node/admin-policy.js'
import { identityFileOf } from '../../src/node/services.js'
import { loadIdentity } from '../../src/services/identity/identity.js'
import { type CliRun, runCli } from '../helpers/cli.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import type { NodeProcess } from '../helpers/process-mesh.js'
import { reported } from '../helpers/sample-policy.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const PASSPHRASE = 'correct horse battery'
/** Of scrypt; a guess of the passphrase of a test may be cheap. */
const COST = 2 ** 10
const HOME = 'coordinator'
const ALL = [HOME, 'gateway', 'worker-1', 'worker-2']

let held: HeldTasks
let network: SignedNetwork
let desk = ''

/** Ann may keep people out, and nothing else. */
beforeAll(async () => {
  desk = mkdtempSync(join(tmpdir(), 'edgecoder-blacklist-'))
  writeFileSync(join(desk, 'pass'), `${PASSPHRASE}\n`, { mode: 0o600 })
  writeFileSync(join(desk, 'forged.json'), '{"task":"local:first"}')
  const ann = await createAdminKey(join(desk, 'ann.key'), PASSPHRASE, COST)
  held = await createHeldTasks({ coordinators: 1, workers: 2, gateways: 1 })
  network = await SignedNetwork.of(held.mesh, [], {
    carried: 'mesh',
    powers: [{ power: 'blacklist', authority: { keys: [ann], threshold: 1 } }],
  })
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor')
  await network.openAccount('other', 'contributor')
  await network.enrol('worker-1', 'lender')
  await network.enrol('worker-2', 'other')
  await network.grant('local', 20_000_000n, 'first')
  await network.beginAt(HOME)
  await held.mesh.start()
  await network.funded('local')
}, 180_000)

afterAll(async () => {
  await held?.close()
  rmSync(desk, { recursive: true, force: true })
})

/** Asks the coordinator, as a person would. */
function ask(...args: readonly string[]): Promise<CliRun> {
  const { dataDir } = held.mesh.get(HOME).node
  const env = { EDGE_ADMIN_PASSPHRASE_FILE: 'pass' }
  return runCli(['--json', '--node', dataDir, ...args], { cwd: desk, env })
}

function admin(...args: readonly string[]): Promise<CliRun> {
  return ask('admin', ...args)
}

async function say(...args: readonly string[]): Promise<void> {
  const evidence = ['--evidence', 'forged.json', '--key', 'ann.key', '--yes']
  const run = await admin('blacklist', ...args, ...evidence)
  expect([run.code, run.code === 0 ? '' : run.stderr]).toEqual([0, ''])
}

/** Resolves when neither coordinator nor gateway has a connection with it. */
async function isCutOff({ node: { peerId } }: NodeProcess): Promise<void> {
  for (const name of [HOME, 'gateway']) {
    await until(`${name} to have no connection with it`, async () => {
      const { peers } = await held.mesh.get(name).client().call(ADMIN_ROUTES.peers)
      return peers.every((peer) => peer.peerId !== peerId)
    })
  }
}

function says(node: NodeProcess, code: string): Promise<unknown> {
  return node.statusWhere(`say ${code}`, ({ notReady }) => notReady.some(({ why }) => why.code === code))
}

async function doneBy(id: string): Promise<string | undefined> {
  return (await held.task(id)).worker?.peerId
}

describe('who is on the blacklist', { timeout: 180_000 }, () => {
  it('loses what it runs to others and gets nothing more, while the others go on', async () => {
    await held.submit('a')
    const bad = await held.running('a')
    const good = held.mesh.get(bad.node.name === 'worker-1' ? 'worker-2' : 'worker-1')
    await held.submit('b')
    await held.running('b')
    await say('add', bad.node.peerId, '--reason', 'forged-results')
    await isCutOff(bad)
    await says(bad, 'blacklisted')
    // Load that waits for it in vain.
    const waiting = ['c', 'd', 'e']
    for (const id of waiting) await held.submit(id)
    for (const id of ['b', 'a', ...waiting]) {
      await until(`${id} to be done`, async () => {
        held.letGo(id)
        return (await held.task(id)).state === 'done'
      })
      expect(await doneBy(id)).toBe(good.node.peerId)
    }
    const { workers } = await held.mesh.get(HOME).client().call(ADMIN_ROUTES.coordinatorWorkers)
    const gone = workers.find(({ peerId }) => peerId === bad.node.peerId)
    expect([gone?.liveness ?? 'lost', gone?.free]).not.toContain('live')
    // It goes on knocking, and is a guest no more than it is a member.
    await until('it to be refused', async () => {
      const acts = await ask('audit', 'list', '--kind', 'admission-refused', '--about', bad.node.peerId)
      return acts.json<{ records: readonly object[] }>().records.length > 0
    })
    expect((await admin('blacklist', 'list')).json()).toMatchObject({
      entries: [
        { subject: `peer:${bad.node.peerId}`, reason: 'forged-results', expiresMs: 0, isOver: false },
      ],
    })
    await say('remove', bad.node.peerId)
    await bad.ready()
  })

  it('comes back by itself when its time is over, and no older message does either', async () => {
    const worker = held.mesh.get('worker-1')
    const { peerId } = worker.node
    await say('add', `account:lender`, '--reason', 'abuse-spam', '--hours', '0.006')
    await isCutOff(worker)
    await says(worker, 'blacklisted')
    const old = await admin('policy', 'publish', ...network.files)
    expect(old.json<{ published: { added: boolean }[] }>().published.some(({ added }) => added)).toBe(false)
    await says(worker, 'blacklisted')
    await worker.ready()
    expect((await admin('blacklist', 'list')).json()).toMatchObject({
      entries: [{ subject: 'account:lender', isOver: true }],
    })
    const { peers } = await held.mesh.get(HOME).client().call(ADMIN_ROUTES.peers)
    expect(peers.map((peer) => peer.peerId)).toContain(peerId)
  })

  it('submits nothing as an account, by no key, and what it has waiting is cancelled', async () => {
    const gateway = held.mesh.get('gateway')
    const { secret } = await gateway.client().call(ADMIN_ROUTES.keyCreate, { body: { name: 'mine' } })
    const get = (path: string) =>
      fetch(`${held.mesh.bridgeUrl}${path}`, { headers: { authorization: `Bearer ${secret}` } })
    expect((await get('/api/v1/tasks')).status).toBe(200)
    await Promise.all(ALL.slice(2).map((name) => held.mesh.get(name).end('SIGKILL')))
    await held.submit('waits')
    await say('add', 'account:local', '--reason', 'abuse-malware')
    await until('what waits to be cancelled', async () => {
      const task = await held.task('waits')
      return task.state === 'cancelled' && task.why?.code === 'blacklisted'
    })
    await expect(held.submit('more')).rejects.toMatchObject({ code: 'blacklisted' })
    for (const path of ['/api/v1/tasks', '/api/v1/wallet', '/v1/models', '/openapi.json']) {
      const answer = await get(path)
      expect([path, answer.status]).toEqual([path, 403])
      expect(await answer.text()).toContain('blacklist')
    }
    await say('remove', 'account:local')
    await until('its key to work again', async () => (await get('/api/v1/tasks')).status === 200)
  })

  it('is there by the power for it alone, and by a reporter who signed', async () => {
    const { signer } = await loadIdentity(identityFileOf(held.mesh.get(HOME).node.dataDir))
    const entry = {
      action: 'add',
      subject: 'account:other',
      reason: 'dos-behaviour',
      evidence: new Uint8Array(32),
      expiresMs: 0,
    } as const
    const publish = async (body: PolicyBody<'blacklist'>, by: DsseSigner): Promise<readonly unknown[]> => {
      const file = join(desk, 'forged-message.json')
      writeFileSync(file, network.next(await newest(), 'blacklist', body, by))
      const run = await admin('policy', 'publish', file)
      return [run.json<{ error: { code: string } }>().error.code, run.code]
    }
    const ann = await openAdminKey(join(desk, 'ann.key'), PASSPHRASE)
    // A coordinator that was taken over, root, and Ann with a report that nobody made.
    expect(await publish(reported(signer, network.id, entry), signer)).toEqual(['policy-unsigned', 4])
    expect(await publish(reported(signer, network.id, entry), network.admin)).toEqual(['policy-unsigned', 4])
    expect(await publish(reported(signer, 'other', entry), ann)).toEqual(['bad-signature', 4])
  })

  it('is audited from the first message on, with a word about each file that is missing', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'edgecoder-evidence-'))
    renameSync(join(desk, 'forged.json'), join(folder, 'anything.bin'))
    const good = await ask('audit', 'blacklist', '--evidence', folder)
    const { faults, rows } = good.json<{ faults: readonly string[]; rows: readonly object[] }>()
    expect([good.code, faults, rows.length]).toEqual([0, [], 5])
    writeFileSync(join(folder, 'anything.bin'), '{"task":"local:second"}')
    const bad = await ask('audit', 'blacklist', '--evidence', folder)
    expect(bad.code).toBe(1)
    expect(bad.json<{ faults: readonly string[] }>().faults).toHaveLength(5)
    expect(bad.json<{ faults: readonly string[] }>().faults[0]).toMatch(
      /no file in .* has the digest [0-9a-f]{64}/,
    )
    rmSync(folder, { recursive: true })
  })
})

async function newest(): Promise<{ readonly sequence: number; readonly digest: Uint8Array }> {
  const status = await held.mesh.get(HOME).client().call(ADMIN_ROUTES.policyStatus)
  return { sequence: status.newest?.sequence ?? -1, digest: Buffer.from(status.newest?.digest ?? '', 'hex') }
}
