import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectTo } from '../../cli/connection.js'
import { layOutMesh } from '../../cli/local-mesh/layout.js'
import { FIRST_CREDITS } from '../../cli/local-mesh/local-policy.js'
import { WALLET_ROUTES } from '../../src/bridge/admin-client.js'
import type { PaymentJson } from '../../src/bridge/schemas/wallet.js'
import { CREDIT } from '../../src/core/economy/fixed-point.js'
import { type CliRun, runCli } from '../helpers/cli.js'
import { until } from '../helpers/until.js'

/** Starting processes takes long on a busy machine. */
const WITHIN_MS = 120_000
const PROMPT = 'Write a JavaScript function gcd that computes the greatest common divisor.'

/** The built CLI on a mesh of its own, as a person would use it. */
class LocalMesh {
  readonly dir = mkdtempSync(join(tmpdir(), 'edgecoder-up-'))

  cli(...args: readonly string[]): Promise<CliRun> {
    return runCli(args, { env: { EDGE_MESH_DIR: this.dir, EDGE_ENGINE_THREADS: '1' } })
  }

  /** Slices that other coordinators may spend are the account's, too; they are allotted when it is used. */
  async wallet(account: string): Promise<bigint> {
    const client = connectTo(join(this.dir, 'gateway'), account)
    const { available, slices } = await client.call(WALLET_ROUTES.balance)
    return BigInt(available) + BigInt(slices)
  }

  /** A slice that is on its way from one coordinator to the other is in neither of them for a moment. */
  async expectWallet(account: string, due: bigint): Promise<void> {
    const has = async () => (await this.wallet(account)) === due
    await until(`${account} to have ${due} microcredits`, has)
  }

  async remove(): Promise<void> {
    await this.cli('down', '--remove', '--yes')
    rmSync(this.dir, { recursive: true, force: true })
  }
}

describe('edgecoder up, on a new folder, with two coordinators,', () => {
  const mesh = new LocalMesh()
  let up: CliRun
  /** Of the first credits, when a task was paid. */
  let left = 0n

  beforeAll(async () => {
    up = await mesh.cli('up', '--workers', '1', '--coordinators', '2')
  }, WITHIN_MS)
  afterAll(() => mesh.remove(), 60_000)

  it('makes a mesh in which a task is paid: its user pays, and who lends the worker earns', async () => {
    expect(up).toMatchObject({ code: 0 })
    expect(up.stderr).toContain('tasks are paid')
    expect(await mesh.wallet('local')).toBe(FIRST_CREDITS * CREDIT)
    const run = await mesh.cli('task', 'submit', 'chat', PROMPT, '--id', 'first', '--json')
    expect(run.code).toBe(0)
    const { payment } = run.lines<{ payment?: PaymentJson }>().at(-1) ?? {}
    expect(payment?.state).toBe('settled')
    const cost = BigInt(payment?.cost ?? 0)
    expect(cost > 0n).toBe(true)
    left = FIRST_CREDITS * CREDIT - cost
    await mesh.expectWallet('local', left)
    const earned = await mesh.wallet('lender')
    expect(earned > 0n && earned < cost).toBe(true)
    await until('the task to be settled for good', async () => {
      const shown = await mesh.cli('task', 'show', 'first')
      return /^Cost: +0\.\d+ credits of 0\.\d+ reserved \(final\)$/m.test(shown.stdout)
    })
  })

  it(
    'keeps its credits when it is stopped and started again',
    async () => {
      expect((await mesh.cli('down')).code).toBe(0)
      const again = await mesh.cli('up')
      expect(again).toMatchObject({ code: 0 })
      expect(again.stderr).not.toContain('making a new local mesh')
      await mesh.expectWallet('local', left)
    },
    WITHIN_MS,
  )

  it(
    'goes on without a worker that was revoked, and says why',
    async () => {
      const folder = join(mesh.dir, 'local-policy')
      const key = ['--key', join(folder, 'admin.key'), '--passphrase-file', join(folder, 'passphrase')]
      const chain = ['--chain', join(folder, 'chain')]
      const revoke = ['admin', 'nodes', 'revoke', 'worker', '--reason', 'too loud', ...key, ...chain, '--yes']
      expect(await mesh.cli(...revoke)).toMatchObject({ code: 0 })
      const run = await runCli(['--mesh', mesh.dir, 'up'])
      expect([run.code, run.stderr]).toEqual([4, expect.stringMatching(/^worker waits: .*too loud$/m)])
      expect(run.stderr).toMatch(
        /^worker runs, and gets no work: .*too loud\nnext: Ask who runs the network/m,
      )
      expect(run.stdout).toMatch(/^3 of 4 ready in .*\nnext: edgecoder --mesh \S+ task submit/m)
      expect((await mesh.cli('down')).code).toBe(0)
      const again = await mesh.cli('up', '--json')
      expect(again.code).toBe(4)
      expect(again.json<{ held: object[] }>().held).toMatchObject([{ name: 'worker' }])
    },
    WITHIN_MS,
  )

  it('leaves a key with which more can be said, for its owner’s eyes', async () => {
    const folder = join(mesh.dir, 'local-policy')
    for (const file of ['admin.key', 'passphrase']) {
      expect(statSync(join(folder, file)).mode & 0o077).toBe(0)
    }
    const passphrase = readFileSync(join(folder, 'passphrase'), 'utf8').trim()
    const draft = join(mesh.dir, 'next.json')
    const chain = join(folder, 'chain')
    const more = ['--credits', '5', '--reference', 'more', '--chain', chain, '--out', draft]
    const key = ['--key', join(folder, 'admin.key'), '--passphrase-file', join(folder, 'passphrase')]
    for (const args of [
      ['draft', 'grant', 'local', ...more],
      ['sign', draft, ...key, '--chain', chain],
      ['add', draft, '--chain', chain],
    ]) {
      expect(await mesh.cli('admin', 'policy', ...args)).toMatchObject({ code: 0 })
    }
    await mesh.expectWallet('local', left + 5n * CREDIT)
    for (const node of ['coordinator-1', 'coordinator-2', 'gateway', 'worker']) {
      expect(readFileSync(join(mesh.dir, node, 'runtime.log'), 'utf8')).not.toContain(passphrase)
    }
  })
})

describe('edgecoder up, on a mesh of before there were credits,', () => {
  const mesh = new LocalMesh()

  beforeAll(async () => {
    await layOutMesh(mesh.dir, { coordinators: 1, workers: 1, gateways: 1 })
    expect(await mesh.cli('up')).toMatchObject({ code: 0 })
  }, WITHIN_MS)
  afterAll(() => mesh.remove(), 60_000)

  it('runs it as it was: tasks are done, and not paid', async () => {
    const run = await mesh.cli('task', 'submit', 'chat', PROMPT)
    expect([run.code, run.stdout]).toEqual([0, expect.not.stringContaining('cost')])
    const wallet = await mesh.cli('wallet', 'balance')
    expect([wallet.code, wallet.stderr]).toEqual([3, expect.stringContaining('not paid in this network')])
  })
})
