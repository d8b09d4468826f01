import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { z } from 'zod'
import { ADMIN_ROUTES, TASK_ROUTES } from '../../src/bridge/admin-client.js'
import { DEFAULT_TERMS } from '../../src/core/economy/terms.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const HOME = 'coordinator-1'
const OTHERS = ['coordinator-2', 'coordinator-3']
const WITHIN_MS = 60_000

// Each command is a process of its own.
vi.setConfig({ testTimeout: 300_000 })

interface Audits {
  readonly logs: readonly { readonly kinds: Readonly<Record<string, number>> }[]
}
type Status = z.output<typeof ADMIN_ROUTES.ledgerStatus.response>

let held: HeldTasks
let network: SignedNetwork

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 3, workers: 1, gateways: 1 })
  network = await SignedNetwork.of(held.mesh)
  // Windows of seconds, so that credits are issued while the test runs.
  const { pricing, issuance } = DEFAULT_TERMS
  const windows = { pricing: { ...pricing, windowMs: 2_000 }, issuance: { ...issuance, windowMs: 4_000 } }
  await network.say('terms', { terms: { ...DEFAULT_TERMS, ...windows } })
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor')
  await network.enrol('worker', 'lender')
  await network.grant('local', 20_000_000n, 'first')
  // Gateway and worker attach to the home of the accounts, which is the only one there is at first.
  await held.mesh.start([HOME, 'gateway', 'worker'])
  await held.mesh.start()
}, 120_000)

afterAll(() => held?.close())

function status(): Promise<Status> {
  return held.mesh.get(HOME).client().call(ADMIN_ROUTES.ledgerStatus)
}

/** Resolves with the status of the home's ledger once every entry is final, and held by all. */
function heldByAll(): Promise<Status> {
  return until(
    'all to hold the log of the home',
    async () => {
      const now = await status()
      const cosigned = now.peers.every(
        ({ connected, cosignedSize }) => connected && cosignedSize === now.entries,
      )
      return now.pendingEntries === 0 && now.finalEntries === now.entries && cosigned && now
    },
    WITHIN_MS,
  )
}

async function solve(id: string): Promise<void> {
  const messages = [{ role: 'user' as const, content: held.prompt(id) }]
  const body = { kind: 'chat' as const, id, messages, maxOutputTokens: 64 }
  await held.gateway.client().call(TASK_ROUTES.submit, { body })
  await held.running(id)
  held.letGo(id)
  await held.expectDoneOnce(id)
}

function at(name: string, ...args: readonly string[]) {
  return held.mesh.cli(['--json', '--node', name, ...args])
}

describe('of several coordinators', () => {
  it('an entry is proven final by the cosignatures of others', async () => {
    await solve('one')
    await heldByAll()
    const file = join(held.mesh.dir, 'one.proof')
    expect((await at(HOME, 'ledger', 'prove', 'one', '--out', file)).json()).toMatchObject({
      standing: 'final',
    })
    const checked = await at(HOME, 'ledger', 'check', file, '--policy', network.folder)
    expect(checked.json()).toMatchObject({ standing: 'final', quorum: 2, statements: 'hold' })
    expect(checked.json<{ cosigners: string[] }>().cosigners.length).toBeGreaterThan(0)
    const peers = [HOME, ...OTHERS].flatMap((name) => ['--coordinator', held.mesh.get(name).node.peerId])
    expect((await at(HOME, 'ledger', 'check', file, ...peers)).json()).toMatchObject({ standing: 'final' })
    // The same entry is proven by whoever holds the log.
    const { origin } = await status()
    const copy = await at('coordinator-2', 'ledger', 'prove', 'one', '--log', origin)
    expect(copy.json()).toMatchObject({ origin, standing: 'final' })
  })

  it('each is clean while all agree, and is not while one cannot be asked', async () => {
    for (const name of [HOME, ...OTHERS]) {
      const run = await at(name, 'ledger', 'reconcile')
      expect([name, run.code, run.json()]).toMatchObject([
        name,
        0,
        { differences: [], compared: { pairs: 3 } },
      ])
    }
    await held.mesh.kill('coordinator-3')
    const run = await at(HOME, 'ledger', 'reconcile')
    const name = held.mesh.get('coordinator-3').node.peerId
    expect([run.code, run.json()]).toMatchObject([
      1,
      {
        clean: false,
        differences: [{ what: 'coordinator', name, next: expect.stringContaining('edgecoder') }],
      },
    ])
    await held.mesh.start(['coordinator-3'])
    await heldByAll()
  })

  it('one that was restored from an old backup gets all that it lacks from the others', async () => {
    const file = join(held.mesh.dir, 'home.backup')
    await until(
      'work to be paid by an issuance',
      async () => {
        const audit = await at(HOME, 'ledger', 'verify')
        return (audit.json<Audits>().logs[0]?.kinds['issue'] ?? 0) > 0
      },
      WITHIN_MS,
    )
    const made = await at(HOME, 'backup', 'create', '--out', file)
    const audit = await at(HOME, 'ledger', 'verify', '--backup', file, '--policy', network.folder)
    expect([audit.code, audit.json()]).toMatchObject([0, { good: true, logs: [{}, {}, {}] }])
    expect(made.json<{ logs: object[] }>().logs).toHaveLength(3)
    await solve('two')
    const before = await heldByAll()
    const home = held.mesh.get(HOME)
    // Else the gateway would move on to a coordinator that is not the home of the account.
    await held.mesh.kill('gateway')
    await home.end()
    const restore = (name: string) => at(name, 'backup', 'restore', file, '--policy', network.folder)
    await held.mesh.kill('coordinator-2')
    expect((await restore('coordinator-2')).json()).toMatchObject({ error: { code: 'bad-signature' } })
    await held.mesh.start(['coordinator-2'])
    for (const name of ['store', 'peers']) {
      rmSync(join(home.node.dataDir, name), { recursive: true, force: true })
    }
    expect((await restore(HOME)).json()).toMatchObject({ leftOut: [], logs: [{}, {}, {}] })
    await held.mesh.start([HOME])
    await held.mesh.start(['gateway'])
    const after = await heldByAll()
    // Windows may have closed since.
    expect(after.entries).toBeGreaterThanOrEqual(before.entries)
    const two = (await at(HOME, 'ledger', 'prove', 'two')).json<{ standing: string; index: number }>()
    expect([two.standing, two.index < before.entries]).toEqual(['final', true])
    await solve('three')
    await heldByAll()
    for (const name of [HOME, ...OTHERS]) {
      const audit = await at(name, 'ledger', 'verify')
      expect([name, audit.code, audit.json()]).toMatchObject([name, 0, { good: true, logs: [{}, {}, {}] }])
    }
    const clean = await at(HOME, 'ledger', 'reconcile')
    expect([clean.code, clean.json()]).toMatchObject([0, { clean: true, differences: [] }])
  })
})
