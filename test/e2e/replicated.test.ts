import { cpSync, renameSync, rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { ADMIN_ROUTES, TASK_ROUTES } from '../../src/bridge/admin-client.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const COORDINATORS = ['coordinator-1', 'coordinator-2', 'coordinator-3']
const HOME = 'coordinator-1'
const WITHIN_MS = 60_000

type Status = z.output<typeof ADMIN_ROUTES.ledgerStatus.response>

let held: HeldTasks

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 3, workers: 1, gateways: 1 })
  const network = await SignedNetwork.of(held.mesh)
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor')
  await network.enrol('worker', 'lender')
  await network.grant('local', 20_000_000n, 'first')
  // Gateway and worker attach to the home of the accounts, which is the only one there is at first.
  await held.mesh.start([HOME, 'gateway', 'worker'])
  await held.mesh.start()
}, 120_000)

afterAll(() => held?.close())

function status(name: string): Promise<Status> {
  return held.mesh.get(name).client().call(ADMIN_ROUTES.ledgerStatus)
}

/** Resolves with the status of the home's ledger once every entry is final. */
function allFinal(): Promise<Status> {
  return until(
    'all entries of the home to be final',
    async () => {
      const now = await status(HOME)
      return now.pendingEntries === 0 && now.finalEntries === now.entries && now
    },
    WITHIN_MS,
  )
}

/** Resolves when the coordinator holds as much of the home's log as the home does, and knows that it is final. */
async function caughtUp(name: string): Promise<void> {
  await until(
    `${name} to catch up`,
    async () => {
      const [home, there] = await Promise.all([status(HOME), status(name)])
      const log = there.logs.find(({ origin }) => origin === home.origin)
      return log?.size === home.entries && log.finalSize === home.finalEntries
    },
    WITHIN_MS,
  )
}

/** Submits one with a small reservation, and sees it paid. */
async function solve(id: string): Promise<void> {
  const messages = [{ role: 'user' as const, content: held.prompt(id) }]
  const body = { kind: 'chat' as const, id, messages, maxOutputTokens: 64 }
  await held.gateway.client().call(TASK_ROUTES.submit, { body })
  held.letGo(id)
  await held.expectDoneOnce(id)
}

describe('three coordinators', () => {
  it('hold the logs of each other, and what two of them have cosigned is final', async () => {
    await solve('one')
    const home = await allFinal()
    expect(home).toMatchObject({ quorum: 2, unfinalAgeMs: 0 })
    expect(home.logs).toHaveLength(3)
    await Promise.all(COORDINATORS.slice(1).map(caughtUp))
  })

  it('know a wallet and its history from their copies of its home’s log', async () => {
    const input = { params: { account: 'local' } }
    const [home, ...others] = COORDINATORS.map((name) => held.mesh.get(name).client())
    // Soon after the account was used, a slice of it goes to another home.
    const history = await until(
      'a slice of the account to be allotted, finally',
      async () => {
        const now = await home?.call(ADMIN_ROUTES.walletHistory, input)
        return now?.rows[0]?.kind === 'allot' && now.rows[0].standing === 'final' && now
      },
      WITHIN_MS,
    )
    expect(history.rows.map(({ kind, standing }) => `${kind} ${standing}`)).toEqual([
      'allot final',
      'settle final',
      'hold final',
      'grant final',
    ])
    await allFinal()
    await Promise.all(COORDINATORS.slice(1).map(caughtUp))
    const wallet = await home?.call(ADMIN_ROUTES.wallet, input)
    if (wallet === undefined) throw new Error('it has a wallet')
    expect(wallet.final).toBe(wallet.available)
    // The slice is seen in copies of the log that it has arrived in, sooner or later.
    const { slices: _, ...figures } = wallet
    for (const other of others) {
      expect(await other.call(ADMIN_ROUTES.wallet, input)).toMatchObject({ ...figures, isHome: false })
      expect(await other.call(ADMIN_ROUTES.walletHistory, input)).toEqual(history)
    }
  }, 120_000)

  it('go on when one is killed', async () => {
    await held.mesh.kill('coordinator-3')
    await solve('two')
    const { peers } = await allFinal()
    expect(peers.filter(({ connected }) => connected)).toHaveLength(1)
  })

  it('pay while no other is there, and say that it is not final yet', async () => {
    const before = await status(HOME)
    await held.mesh.kill('coordinator-2')
    await solve('three')
    const alone = await until('the task to be settled', async () => {
      const now = await status(HOME)
      return now.entries >= before.entries + 2 && now.pendingEntries === 0 && now
    })
    expect(alone.finalEntries).toBeLessThan(alone.entries)
    expect(alone.unfinalAgeMs).toBeGreaterThan(0)
    const shown = await held.mesh.cli(['ledger', 'status', '--node', HOME])
    expect(shown.stdout).toMatch(/\d+, and \d+ wait since/)
  })

  it('bring those that were away up to date', async () => {
    await held.mesh.start(['coordinator-2', 'coordinator-3'])
    await allFinal()
    await Promise.all(COORDINATORS.slice(1).map(caughtUp))
    // One may have brought what the other lacked; which of two dials waits longer after each failure.
    await until(
      'the home to be linked with both',
      async () => (await status(HOME)).peers.filter(({ connected }) => connected).length === 2,
      WITHIN_MS,
    )
  }, 120_000)

  it('have what was final before a kill at its home, after it', async () => {
    const before = await allFinal()
    await held.mesh.kill('gateway')
    await held.mesh.kill(HOME)
    await held.mesh.start([HOME])
    await held.mesh.start(['gateway'])
    const after = await allFinal()
    expect(after.finalEntries).toBeGreaterThanOrEqual(before.finalEntries)
    expect(after.logs.some(({ isolated }) => isolated)).toBe(false)
  })

  it('give a home back what an old copy of its folder lacks, before it appends anything', async () => {
    const { dataDir } = held.mesh.get(HOME).node
    // Else the gateway would move on to a coordinator that is not the home of the account.
    await held.mesh.kill('gateway')
    await held.mesh.kill(HOME)
    cpSync(dataDir, `${dataDir}-old`, { recursive: true })
    await held.mesh.start([HOME])
    await held.mesh.start(['gateway'])
    await solve('four')
    const before = await allFinal()
    await Promise.all(COORDINATORS.slice(1).map(caughtUp))
    await held.mesh.kill('gateway')
    await held.mesh.kill(HOME)
    rmSync(dataDir, { recursive: true })
    renameSync(`${dataDir}-old`, dataDir)
    await held.mesh.start([HOME])
    await held.mesh.start(['gateway'])
    expect((await status(HOME)).entries).toBeGreaterThanOrEqual(before.entries)
    await solve('five')
    const after = await allFinal()
    expect(after.entries).toBeGreaterThan(before.entries)
    await Promise.all(COORDINATORS.slice(1).map(caughtUp))
    const views = await Promise.all(COORDINATORS.map(status))
    expect(views.flatMap(({ logs }) => logs.filter(({ isolated }) => isolated))).toEqual([])
  }, 120_000)
})
