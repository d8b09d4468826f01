import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { ADMIN_ROUTES, TASK_ROUTES } from '../../src/bridge/admin-client.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const HOME = 'coordinator-1'
const NEXT = 'coordinator-2'
const THIRD = 'coordinator-3'
const ALL = [HOME, NEXT, THIRD]
const GRANTED = 20_000_000n
const WITHIN_MS = 90_000

type Status = z.output<typeof ADMIN_ROUTES.ledgerStatus.response>
type Written = Status['written'][number]

let held: HeldTasks
let network: SignedNetwork

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 3, workers: 1, gateways: 1 })
  network = await SignedNetwork.of(held.mesh)
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor')
  await network.enrol('worker', 'lender')
  await network.grant('local', GRANTED, 'first')
  // Gateway and worker attach to the home of the accounts, which is the only one there is at first.
  await held.mesh.start([HOME, 'gateway', 'worker'])
  await held.mesh.start()
}, 120_000)

afterAll(() => held?.close())

const client = (name: string) => held.mesh.get(name).client()
const peerOf = (name: string): string => held.mesh.get(name).node.peerId
const status = (name: string): Promise<Status> => client(name).call(ADMIN_ROUTES.ledgerStatus)
const wallet = (name: string) => client(name).call(ADMIN_ROUTES.wallet, { params: { account: 'local' } })

/** The home's log of an epoch, as the coordinator has it that writes it, wrote it, or is to. */
async function written(name: string, epoch: number): Promise<Written | undefined> {
  const { written: logs } = await status(name)
  return logs.find((log) => log.home === peerOf(HOME) && log.epoch === epoch)
}

/** Resolves once all that the coordinator writes is final; with its log of the home. */
function allFinal(name: string, epoch: number): Promise<Written> {
  return until(
    `all of epoch ${epoch} to be final`,
    async () => {
      const { written: logs, pendingEntries } = await status(name)
      const log = logs.find((each) => each.home === peerOf(HOME) && each.epoch === epoch)
      const going = logs.filter(({ state }) => state === 'serving')
      const isFinal = pendingEntries === 0 && going.every((each) => each.finalEntries === each.entries)
      return isFinal && log?.state === 'serving' && log.entries > 0 && log
    },
    WITHIN_MS,
  )
}

function handOver(epoch: number, to: string): Promise<void> {
  return network.say('handover', { home: peerOf(HOME), epoch, coordinator: peerOf(to) })
}

/** Submits one with a small reservation. */
async function submit(id: string): Promise<void> {
  const messages = [{ role: 'user' as const, content: held.prompt(id) }]
  const body = { kind: 'chat' as const, id, messages, maxOutputTokens: 64 }
  await held.gateway.client().call(TASK_ROUTES.submit, { body })
}

/** Sees it done, and paid at this coordinator. */
async function finish(id: string, at: string): Promise<void> {
  held.letGo(id)
  await held.expectDoneOnce(id)
  // The gateway has the result before the worker has shown a coordinator that it does.
  await until(
    `${id} to be paid`,
    async () => {
      const payment = await client(at).call(ADMIN_ROUTES.ledgerProof, { query: { task: `local:${id}` } })
      return payment.origin.includes(peerOf(HOME)) && (await wallet(at)).held === '0'
    },
    WITHIN_MS,
  )
}

async function attachedTo(name: string): Promise<void> {
  await until(
    `the gateway to be at ${name}`,
    async () => {
      const { gateway } = await held.gateway.client().call(ADMIN_ROUTES.status)
      return gateway?.coordinators.some(({ peerId }) => peerId === peerOf(name))
    },
    WITHIN_MS,
  )
}

async function expectClean(name: string): Promise<void> {
  const found = await until(
    `${name} to be reconciled`,
    async () => {
      const { clean, differences } = await client(name).call(ADMIN_ROUTES.ledgerReconcile)
      return clean || differences.every(({ what }) => what === 'hold') ? differences : undefined
    },
    WITHIN_MS,
  )
  expect(found).toEqual([])
}

/** What can be spent and what is reserved, once the use of the account has brought about a slice elsewhere. */
let before: { readonly available: string; readonly held: string }

describe('a home that is handed over', () => {
  it('after its coordinator was killed goes on where policy says, with the balance that was final', async () => {
    await submit('one')
    await finish('one', HOME)
    await until(
      'a slice of the account to be allotted',
      async () => {
        const { rows } = await client(HOME).call(ADMIN_ROUTES.walletHistory, { params: { account: 'local' } })
        return rows.some(({ kind }) => kind === 'allot')
      },
      WITHIN_MS,
    )
    await submit('two')
    await held.running('two')
    await allFinal(HOME, 1)
    before = await wallet(HOME)
    expect(BigInt(before.held)).toBeGreaterThan(0n)
    // Else the gateway would have it done by a slice, at whichever coordinator is there first.
    await held.mesh.kill('gateway', HOME)
    await handOver(2, NEXT)
    // Killed while it takes the home over, or right after.
    await until('the successor to hear of it', async () => (await written(NEXT, 2)) !== undefined, WITHIN_MS)
    await held.mesh.kill(NEXT)
    await held.mesh.start([NEXT])
    await allFinal(NEXT, 2)
    const { isHome, available, final } = await wallet(NEXT)
    expect({ isHome, available, final }).toEqual({
      isHome: true,
      available: before.available,
      final: before.available,
    })
  }, 240_000)

  it('has what was under way done and paid once, and takes new tasks', async () => {
    await held.mesh.start(['gateway'])
    await attachedTo(NEXT)
    await finish('two', NEXT)
    const after = await wallet(NEXT)
    const cost = BigInt(before.available) + BigInt(before.held) - BigInt(after.available)
    expect(cost).toBeGreaterThan(0n)
    expect(cost).toBeLessThan(BigInt(before.held))
    await submit('three')
    await finish('three', NEXT)
    const shown = await held.mesh.cli(['ledger', 'status', '--node', NEXT])
    expect(shown.stdout).toMatch(new RegExp(`${peerOf(HOME)} +2 +serving`))
    await allFinal(NEXT, 2)
  }, 240_000)

  it('leaves a coordinator that comes back sealed: its log does not grow, and it cosigns for others', async () => {
    await held.mesh.start([HOME])
    const sealed = await until(
      'the old log to be sealed',
      async () => {
        const log = await written(HOME, 1)
        return log?.state === 'sealed' && log
      },
      WITHIN_MS,
    )
    await held.mesh.kill(THIRD)
    await submit('four')
    await finish('four', NEXT)
    // With only one other coordinator, nothing is final without it.
    await allFinal(NEXT, 2)
    expect((await written(HOME, 1))?.entries).toBe(sealed.entries)
    expect(await wallet(HOME)).toMatchObject({ isHome: false })
    const shown = await held.mesh.cli(['ledger', 'status', '--node', HOME])
    expect(shown.stdout).toContain('sealed')
    await held.mesh.start([THIRD])
    await expectClean(NEXT)
  }, 240_000)

  it('comes back from a backup with all that its successor writes', async () => {
    const file = join(held.mesh.dir, 'next.backup')
    const [kept, own] = [await allFinal(NEXT, 2), await status(NEXT)]
    const { available } = await wallet(NEXT)
    const at = (...args: readonly string[]) => held.mesh.cli(['--json', '--node', NEXT, ...args])
    expect((await at('backup', 'create', '--out', file)).code).toBe(0)
    const audit = await at('ledger', 'verify', '--backup', file, '--policy', network.folder)
    expect([audit.code, audit.json()]).toMatchObject([0, { good: true, logs: [{}, {}, {}, {}] }])
    await held.mesh.kill('gateway', NEXT)
    rmSync(join(held.mesh.get(NEXT).node.dataDir, 'store'), { recursive: true })
    const restored = await at('backup', 'restore', file, '--policy', network.folder)
    expect([restored.code, restored.stderr]).toEqual([0, ''])
    await held.mesh.start([NEXT])
    await held.mesh.start(['gateway'])
    const log = await allFinal(NEXT, 2)
    expect(log.entries).toBeGreaterThanOrEqual(kept.entries)
    expect((await status(NEXT)).entries).toBeGreaterThanOrEqual(own.entries)
    expect(await wallet(NEXT)).toMatchObject({ isHome: true, available })
  }, 240_000)

  it('can be handed back, with the right balance', async () => {
    const { available } = await wallet(NEXT)
    await handOver(3, HOME)
    await allFinal(HOME, 3)
    expect(await wallet(HOME)).toMatchObject({ isHome: true, available })
    expect((await written(NEXT, 2))?.state).toBe('sealed')
    // Else it would be refused at the coordinator that is not the home any more.
    await until(
      'the gateway to have heard of it',
      async () =>
        (await held.gateway.client().call(ADMIN_ROUTES.policyStatus)).newest?.sequence === network.sequence,
      WITHIN_MS,
    )
    await submit('five')
    await finish('five', HOME)
    await allFinal(HOME, 3)
    for (const name of ALL) {
      const { logs } = await status(name)
      expect(logs.filter(({ isolated }) => isolated)).toEqual([])
    }
    const supply = await client(HOME).call(ADMIN_ROUTES.economySupply)
    expect(supply).toMatchObject({ issued: String(GRANTED), sum: '0' })
    await expectClean(HOME)
  }, 240_000)
})
