import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_ROUTES, TASK_ROUTES, WALLET_ROUTES } from '../../src/bridge/admin-client.js'
import type { IncidentJson } from '../../src/bridge/schemas/policy.js'
import type { SubmissionJson } from '../../src/bridge/schemas/submission.js'
import { createAdminKey } from '../../src/node/admin-policy.js'
import { type CliRun, runCli } from '../helpers/cli.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const PASSPHRASE = 'correct horse battery'
/** Of scrypt; a guess of the passphrase of a test may be cheap. */
const COST = 2 ** 10
const COORDINATORS = ['coordinator-1', 'coordinator-2', 'coordinator-3']
const REASON = 'forged results'
/** Tasks that come while it is closed. */
const LOAD = Array.from({ length: 20 }, (_, n) => `load-${n}`)

const CODE: SubmissionJson = {
  kind: 'test',
  id: 'code',
  suite: { files: [{ path: 'a.mjs', content: '' }], command: ['node', 'a.mjs'], language: 'javascript' },
}

let held: HeldTasks
let network: SignedNetwork
let desk = ''
let transfers = 0

/** Ann alone holds the power over incidents, Bob none; the test holds the rest. */
beforeAll(async () => {
  desk = mkdtempSync(join(tmpdir(), 'edgecoder-incident-'))
  writeFileSync(join(desk, 'pass'), `${PASSPHRASE}\n`, { mode: 0o600 })
  const ann = await createAdminKey(join(desk, 'ann.key'), PASSPHRASE, COST)
  await createAdminKey(join(desk, 'bob.key'), PASSPHRASE, COST)
  held = await createHeldTasks({ coordinators: 3, workers: 1, gateways: 1 }, { EDGE_SLOTS: '2' })
  network = await SignedNetwork.of(held.mesh, [], {
    carried: 'mesh',
    powers: [{ power: 'incident', authority: { keys: [ann], threshold: 1 } }],
  })
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor')
  await network.enrol('worker', 'lender')
  await network.grant('local', 20_000_000n, 'first')
  await network.beginAt('coordinator-1')
  await held.mesh.start()
  await network.funded('local')
}, 180_000)

afterAll(async () => {
  await held?.close()
  rmSync(desk, { recursive: true, force: true })
})

function ask(...args: readonly string[]): Promise<CliRun> {
  const env = { EDGE_ADMIN_PASSPHRASE_FILE: 'pass' }
  return runCli(['--json', '--node', held.mesh.get('coordinator-1').node.dataDir, ...args], {
    cwd: desk,
    env,
  })
}

function admin(...args: readonly string[]): Promise<CliRun> {
  return ask('admin', ...args)
}

/** A user of the gateway sends credits. */
function send(id = `t${++transfers}`) {
  const body = { id, to: 'lender', amount: '1000', note: '' }
  return held.gateway.client('local').call(WALLET_ROUTES.transfer, { body })
}

async function isOver(node: string, sequence: number): Promise<boolean> {
  const status = await held.mesh.get(node).client().call(ADMIN_ROUTES.policyStatus)
  const ledger = await held.mesh.get(node).client().call(ADMIN_ROUTES.ledgerStatus)
  return status.newest?.sequence === sequence && ledger.policySequence === sequence
}

describe('an incident', { timeout: 180_000 }, () => {
  it('closes by one signed message, under load and at every node; what runs is done and paid, and the rest waits', async () => {
    await held.submit('runs')
    const worker = await held.running('runs')
    await send()
    // Paid tasks keep coming before, while and after it is closed.
    const load = Promise.all(
      LOAD.map(async (id) => {
        held.letGo(id)
        await held.submit(id)
        await held.expectDoneOnce(id)
      }),
    )
    const closed = await admin(
      'incident',
      'close',
      'transfers',
      'enrollments',
      'code',
      'payouts',
      '--reason',
      REASON,
      '--key',
      'ann.key',
      '--yes',
    )
    expect(closed.code).toBe(0)
    const { messages } = closed.json<{ messages: readonly { sequence: number }[] }>()
    const sequence = messages[0]?.sequence ?? -1
    for (const name of COORDINATORS) await until(`${name} to have it`, () => isOver(name, sequence))
    await until('the worker and the gateway to have it', async () => {
      const both = await Promise.all(
        [worker, held.gateway].map((node) => node.client().call(ADMIN_ROUTES.policyIncident)),
      )
      return both.every(({ said }) => said?.sequence === sequence)
    })

    await expect(send('closed')).rejects.toMatchObject({
      code: 'incident-closed',
      message: expect.stringContaining(REASON),
    })
    const shell = await held.mesh.cli(['--node', 'gateway', 'wallet', 'transfer', 'lender', '1', '--yes'])
    expect([shell.code, shell.stderr]).toEqual([4, expect.stringContaining(REASON)])
    const token = await ask('node', 'enroll', 'attic', '--account', 'lender')
    expect([token.code, token.stdout]).toEqual([4, expect.stringContaining('incident-closed')])

    // Work goes on, and is paid; code waits, and says why.
    await held.gateway.client().call(TASK_ROUTES.submit, { body: CODE })
    const explained = await held.mesh.cli(['task', 'explain', 'code'])
    expect(explained.stdout).toContain(REASON)
    held.letGo('runs')
    await held.expectDoneOnce('runs', 1)
    await load
    await until('all of it to be paid for good', async () => {
      const payments = await Promise.all(
        ['runs', ...LOAD].map((id) => held.gateway.client().call(WALLET_ROUTES.payment, { params: { id } })),
      )
      return payments.every(({ state, standing }) => state === 'settled' && standing === 'final')
    })

    for (const name of [...COORDINATORS, 'worker', 'gateway']) {
      const status = await held.mesh.get(name).client().call(ADMIN_ROUTES.status)
      expect(status.incident?.map(({ code }) => code)).toEqual(Array(4).fill('incident-closed'))
    }
    const page = await fetch(`http://127.0.0.1:${held.mesh.get('coordinator-2').node.adminPort}/metrics`)
    const metrics = await page.text()
    expect(metrics).toContain('edgecoder_incident_closed{path="transfers"} 1')
    expect(metrics).toContain('edgecoder_incident_closed{path="model-sources"} 0')
    expect((await ask('doctor')).stdout).toContain(REASON)
  })

  it('outlasts kill -9, of all coordinators at once', async () => {
    await Promise.all(COORDINATORS.map((name) => held.mesh.kill(name)))
    await held.mesh.start(COORDINATORS)
    await expect(
      until('the home to answer', () =>
        send('closed').catch((error: { code: string }) => error.code === 'incident-closed' && error),
      ),
    ).resolves.toMatchObject({ code: 'incident-closed' })
    const { said } = (await admin('incident', 'status')).json<IncidentJson>()
    expect(said).toMatchObject({ reason: REASON, by: [expect.stringMatching(/^ed25519:/)] })
  })

  it('is not reopened by others, nor without a clean report; then all goes on', async () => {
    const other = await admin(
      'incident',
      'reopen',
      '--reason',
      'x',
      '--override',
      'x',
      '--key',
      'bob.key',
      '--yes',
    )
    expect([other.code, other.stdout]).toEqual([4, expect.stringContaining('does not hold')])

    // One coordinator is away: nobody knows what it has.
    await held.mesh.kill('coordinator-3')
    const unclean = await until('it to be noticed', async () => {
      const run = await admin('incident', 'reopen', '--reason', 'over', '--key', 'ann.key', '--yes')
      return run.code !== 0 && run
    })
    expect([unclean.code, unclean.stdout]).toEqual([4, expect.stringContaining('not clean')])
    await held.mesh.start(['coordinator-3'])

    const partly = await until('a clean reconcile', async () => {
      const run = await admin(
        'incident',
        'reopen',
        'transfers',
        '--reason',
        'looked at',
        '--key',
        'ann.key',
        '--yes',
      )
      return run.code === 0 && run
    })
    const { messages } = partly.json<{ messages: readonly { sequence: number }[] }>()
    await until('the transfer', () => send('closed').catch(() => false as const))
    const shown = await admin('policy', 'show', String(messages[0]?.sequence))
    const { message } = shown.json<{ message: { body: { reconciled: readonly string[] } } }>()
    expect(message.body.reconciled).toHaveLength(1)
    const { peerId } = held.mesh.get('coordinator-1').node
    const report = join(desk, 'drafts', `reconcile-${Number(messages[0]?.sequence) - 1}-${peerId}.json`)
    expect(message.body.reconciled[0]).toBe(createHash('sha256').update(readFileSync(report)).digest('hex'))

    const rest = await admin(
      'incident',
      'reopen',
      '--reason',
      'over',
      '--override',
      'a test',
      '--key',
      'ann.key',
      '--yes',
    )
    expect(rest.code).toBe(0)
    await until(
      'tokens to be made',
      async () => (await ask('node', 'enroll', 'attic', '--account', 'lender')).code === 0,
    )
    const kinds = ['policy-taken', 'incident-override']
    const acts = (await ask('audit', 'list', '--kind', kinds.join(','))).json<{
      records: readonly { kind: string }[]
    }>()
    expect(new Set(acts.records.map(({ kind }) => kind))).toEqual(new Set(kinds))
    // Whoever audits it later finds each entry right where it stands.
    const audit = await ask('ledger', 'verify')
    expect([audit.code, audit.stderr]).toEqual([0, ''])
    const { paths } = (await admin('incident', 'status')).json<IncidentJson>()
    expect(paths.filter(({ closed }) => closed)).toEqual([])
  })
})
