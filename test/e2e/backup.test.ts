import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { z } from 'zod'
import { ADMIN_ROUTES, TASK_ROUTES } from '../../src/bridge/admin-client.js'
import type { CliRun } from '../helpers/cli.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const WITHIN_MS = 60_000

// Each command is a process of its own.
vi.setConfig({ testTimeout: 300_000 })

type Status = z.output<typeof ADMIN_ROUTES.ledgerStatus.response>
interface Summary {
  readonly entries: number
  readonly logs: readonly { readonly origin: string; readonly size: number; readonly root: string }[]
}

let held: HeldTasks
let network: SignedNetwork
let backup: string

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 1, workers: 1, gateways: 1 })
  network = await SignedNetwork.of(held.mesh)
  backup = join(held.mesh.dir, 'coordinator.backup')
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor')
  await network.enrol('worker', 'lender')
  await network.grant('local', 100_000_000n, 'first')
  await held.mesh.start()
}, 120_000)

afterAll(() => held?.close())

function status(): Promise<Status> {
  return held.mesh.get('coordinator').client().call(ADMIN_ROUTES.ledgerStatus)
}

function submit(id: string) {
  const messages = [{ role: 'user' as const, content: held.prompt(id) }]
  const body = { kind: 'chat' as const, id, messages, maxOutputTokens: 64 }
  return held.gateway.client().call(TASK_ROUTES.submit, { body })
}

async function wallet(account: string): Promise<{ readonly available: bigint; readonly held: bigint }> {
  const client = held.mesh.get('coordinator').client()
  const found = await client.call(ADMIN_ROUTES.wallet, { params: { account } })
  return { available: BigInt(found.available), held: BigInt(found.held) }
}

/** Runs a task to its end, and resolves once it is paid. */
async function solve(id: string): Promise<void> {
  await submit(id)
  await held.running(id)
  held.letGo(id)
  await held.expectDoneOnce(id)
}

/** Runs a command that is to be refused. @returns the code it gives */
async function refused(exit: number, args: readonly string[]): Promise<string> {
  const run = await held.mesh.cli(['--json', ...args])
  const { error } = json<{ error?: { code: string; message: string; next?: string } }>(run)
  expect([run.code, args, error?.message]).toEqual([exit, args, expect.stringMatching(/./)])
  return error?.code ?? ''
}

function json<T>(run: CliRun): T {
  return run.json<T>()
}

describe('while a coordinator runs', () => {
  it('its log is read again, entry by entry', async () => {
    await solve('one')
    const run = await held.mesh.cli(['ledger', 'verify', '--json'])
    expect(run.code).toBe(0)
    const { good, logs } = json<{ good: boolean; logs: { kinds: object; records: number }[] }>(run)
    expect([good, logs.length]).toEqual([true, 1])
    expect(logs[0]).toMatchObject({
      complete: true,
      kinds: { genesis: 1, hold: 1, settle: 1 },
      mismatches: [],
    })
    expect(logs[0]?.records).toBeGreaterThan(10)
    expect(await refused(3, ['ledger', 'verify', '--log', 'edgecoder/x/log/y/1'])).toBe('not-found')
  })

  it('an entry of it is proven to anybody, without a node', async () => {
    const file = join(held.mesh.dir, 'one.proof')
    expect((await held.mesh.cli(['ledger', 'prove', 'one', '--out', file])).code).toBe(0)
    const policy = ['--policy', network.folder]
    const checked = await held.mesh.cli(['ledger', 'check', file, ...policy, '--json'])
    expect(json(checked)).toMatchObject({
      kind: 'proof',
      standing: 'final',
      statements: 'hold',
      entry: { kind: 'settle', task: 'local:one' },
    })
    expect(checked.code).toBe(0)
    const alone = await held.mesh.cli(['ledger', 'check', file])
    expect([alone.code, alone.stdout]).toEqual([0, expect.stringContaining('LOCAL at least')])
    const byIndex = await held.mesh.cli(['ledger', 'prove', '0'])
    expect(byIndex.stdout).toMatch(/^c2sp.org\/tlog-proof@v1\n/)
    expect(await refused(3, ['ledger', 'prove', 'nope'])).toBe('not-found')
    expect(await refused(3, ['ledger', 'prove', '1000000'])).toBe('not-found')
    const text = readFileSync(file, 'utf8')
    const edited = text.replace(/^index (\d+)$/m, (_, index: string) => `index ${Number(index) - 1}`)
    writeFileSync(`${file}.edited`, edited)
    expect(await refused(4, ['ledger', 'check', `${file}.edited`, ...policy])).toBe('wrong-evidence')
    writeFileSync(`${file}.signed`, text.replace(/.{6}\n$/, 'AAAA==\n'))
    expect(await refused(4, ['ledger', 'check', `${file}.signed`, ...policy])).toBe('bad-signature')
  })

  it('all that should agree does', async () => {
    const run = await held.mesh.cli(['ledger', 'reconcile', '--json'])
    expect(json(run)).toMatchObject({
      clean: true,
      differences: [],
      compared: { holds: 1, tasks: 0, logs: 1 },
    })
    expect(run.code).toBe(0)
    const evidence = await held.mesh.cli(['ledger', 'evidence', '--json'])
    expect(json(evidence)).toEqual({ logs: [] })
    expect(await refused(2, ['ledger', 'confirm', '--yes'])).toBe('bad-request')
    expect(await refused(3, ['ledger', 'release', 'nope', '--yes'])).toBe('hold-unknown')
  })

  it('it is backed up, whole, while tasks run', async () => {
    const ids = ['a', 'b', 'c', 'd', 'e'].map((name) => `load-${name}`)
    await Promise.all(ids.map(submit))
    const load = Promise.all(
      ids.map(async (id) => {
        await held.running(id)
        held.letGo(id)
        await held.expectDoneOnce(id)
      }),
    )
    const made = await held.mesh.cli(['backup', 'create', '--out', backup, '--json'])
    expect(made.code).toBe(0)
    await load
    const verified = await held.mesh.cli(['backup', 'verify', backup, '--policy', network.folder, '--json'])
    expect(json(verified)).toEqual(json(made))
    const audited = await held.mesh.cli(['ledger', 'verify', '--backup', backup, '--policy', network.folder])
    expect([audited.code, audited.stdout]).toEqual([0, expect.stringContaining('all is right')])
    expect(await refused(2, ['backup', 'create', '--out', backup])).toBe('bad-request')
  })
})

describe('a backup', () => {
  it('that was cut off, edited, or is of another network is refused', async () => {
    const bytes = readFileSync(backup)
    const cut = join(held.mesh.dir, 'cut.backup')
    writeFileSync(cut, bytes.subarray(0, bytes.length - 10))
    expect(await refused(1, ['backup', 'verify', cut])).toBe('malformed')
    const edited = join(held.mesh.dir, 'edited.backup')
    const copy = Buffer.from(bytes)
    copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1
    writeFileSync(edited, copy)
    expect(await refused(1, ['ledger', 'verify', '--backup', edited, '--policy', network.folder])).toBe(
      'malformed',
    )
    expect(await refused(1, ['ledger', 'check', backup])).toBe('wrong-type')
    expect(await refused(3, ['backup', 'verify', `${backup}.nope`])).toBe('not-found')
  })

  it('is not restored while the node runs, nor over what is newer', async () => {
    const restore = ['--node', 'coordinator', 'backup', 'restore', backup, '--policy', network.folder]
    expect(await refused(1, restore)).toBe('store-locked')
    await solve('later')
    await held.mesh.kill('coordinator')
    expect(await refused(4, restore)).toBe('stale-backup')
    await held.mesh.start(['coordinator'])
  })

  it('is restored on an empty machine, and gone on with once an admin confirms it', async () => {
    await submit('under-way')
    await held.running('under-way')
    const made = json<Summary>(await held.mesh.cli(['backup', 'create', '--out', backup, '--yes', '--json']))
    // What was written after the backup is lost with the machine; its gateway orders the task again.
    const coordinator = held.mesh.get('coordinator')
    await submit('lost')
    await held.standsAt(coordinator, 'lost', 'queued')
    await coordinator.end()
    for (const name of ['store', 'peers']) {
      rmSync(join(coordinator.node.dataDir, name), { recursive: true, force: true })
    }
    const args = ['--node', 'coordinator', 'backup', 'restore', backup, '--policy', network.folder]
    const reach = () => readFileSync(join(coordinator.node.dataDir, 'log-reach.json'), 'utf8')
    expect(reach()).toContain(made.logs[0]?.origin)
    const restored = await held.mesh.cli([...args, '--json'])
    expect([restored.code, restored.stderr]).toEqual([0, ''])
    const [log] = made.logs
    expect(json(restored)).toMatchObject({
      logs: [{ origin: log?.origin, size: log?.size, own: true }],
      leftOut: [],
    })
    expect(reach()).not.toContain(log?.origin)
    coordinator.start()
    const waiting = await until(
      'the restored log to wait',
      async () => {
        const now = await status()
        return now.entries === log?.size && now
      },
      WITHIN_MS,
    )
    expect([waiting.root, waiting.notReady?.code]).toEqual([log?.root, 'log-unconfirmed'])
    const unclean = await held.mesh.cli(['ledger', 'reconcile', '--json'])
    expect([unclean.code, json(unclean)]).toMatchObject([1, { clean: false, differences: [{ what: 'log' }] }])
    expect(await refused(2, ['ledger', 'confirm'])).toBe('bad-request')
    expect((await held.mesh.cli(['ledger', 'confirm', '--yes'])).code).toBe(0)
    await coordinator.ready()
    for (const id of ['under-way', 'lost']) {
      await held.running(id)
      held.letGo(id)
      await held.expectDoneOnce(id)
    }
    const audit = await held.mesh.cli(['ledger', 'verify', '--json'])
    expect([audit.code, json(audit)]).toMatchObject([0, { good: true }])
    await until('nothing to be held', async () => (await wallet('local')).held === 0n)
    const clean = await held.mesh.cli(['ledger', 'reconcile', '--json'])
    expect([clean.code, json(clean)]).toMatchObject([0, { clean: true, differences: [] }])
  })
})

describe('a store whose own log is damaged at its head', () => {
  it('has lost entries without an error: the coordinator does not go on before an admin gives them up', async () => {
    const coordinator = held.mesh.get('coordinator')
    await coordinator.end('SIGTERM')
    coordinator.start()
    await coordinator.ready()
    const before = await wallet('local')
    await network.grant('local', 5_000_000n, 'late')
    const { entries } = await until(
      'the grant to be durable',
      async () => {
        const now = await status()
        const has = (await wallet('local')).available > before.available
        return has && now.pendingEntries === 0 && now
      },
      WITHIN_MS,
    )
    await coordinator.end('SIGTERM')
    const store = join(coordinator.node.dataDir, 'store')
    const wal = join(store, readdirSync(store).find((name) => name.endsWith('.log')) ?? '')
    const bytes = readFileSync(wal)
    writeFileSync(wal, bytes.fill(0xa5, 0, 256))
    coordinator.start()
    const { notReady } = await until(
      'it to wait',
      async () => {
        const now = await status()
        return now.notReady !== undefined && now
      },
      WITHIN_MS,
    )
    expect(notReady).toMatchObject({
      code: 'log-unconfirmed',
      message: expect.stringContaining(`of ${entries} that were durable`),
      next: expect.stringContaining('edgecoder ledger confirm --yes'),
    })
    const doctor = await held.mesh.cli(['--node', 'coordinator', 'doctor'])
    expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringContaining('that were durable')])
    expect(doctor.stdout).toContain('FAULT  coordinator: ')
    expect(coordinator.log).toContain('log-end-lost')
    expect((await held.mesh.cli(['ledger', 'confirm', '--yes'])).code).toBe(0)
    await coordinator.ready()
    // What policy says is entered again.
    await until(
      'the grant to be there',
      async () => (await wallet('local')).available > before.available,
      WITHIN_MS,
    )
    const clean = await held.mesh.cli(['ledger', 'reconcile', '--json'])
    expect([clean.code, json(clean)]).toMatchObject([0, { clean: true, differences: [] }])
  })
})
