import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ADMIN_ROUTES, TASK_ROUTES } from '../../src/bridge/admin-client.js'
import { DEFAULT_TERMS } from '../../src/core/economy/terms.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const TERMS = {
  ...DEFAULT_TERMS,
  pricing: { ...DEFAULT_TERMS.pricing, windowMs: 2_000 },
  issuance: { ...DEFAULT_TERMS.issuance, windowMs: 5_000, recalculateMs: 5_000 },
}
/** Its log closes the issuance windows, as it was admitted first; nothing is worked there. */
const CLOSER = 'coordinator-1'
/** The home of the accounts, in whose log all is worked. */
const HOME = 'coordinator-2'
const LATE = 'coordinator-3'
const WITHIN_MS = 90_000

let held: HeldTasks
let tasks = 0

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 3, workers: 1, gateways: 1 })
  const network = await SignedNetwork.of(held.mesh, [], { terms: TERMS })
  const home = held.mesh.get(HOME).node.peerId
  for (const [account, role] of [
    ['local', 'user'],
    ['lender', 'contributor'],
  ] as const) {
    await network.say('account', { account, role, home, epoch: 1, gateways: [] })
  }
  await network.enrol('worker', 'lender')
  await network.grant('local', 20_000_000n, 'first')
  // Gateway and worker attach to the home, which is the only one there is at first.
  await held.mesh.start([HOME, 'gateway', 'worker'])
  await held.mesh.start([CLOSER])
}, 120_000)

afterAll(() => held?.close())

const windowsAt = (name: string) => held.mesh.get(name).client().call(ADMIN_ROUTES.economyWindows, {})

async function lender(): Promise<bigint> {
  const client = held.mesh.get(HOME).client()
  return BigInt((await client.call(ADMIN_ROUTES.wallet, { params: { account: 'lender' } })).available)
}

async function work(): Promise<void> {
  const id = `task-${tasks++}`
  const messages = [{ role: 'user' as const, content: held.prompt(id) }]
  const body = { kind: 'chat' as const, id, messages, maxOutputTokens: 64 }
  await held.gateway.client().call(TASK_ROUTES.submit, { body })
  held.letGo(id)
  await held.expectDoneOnce(id)
}

/** Works until so many windows are closed, and resolves when what they give is in the lender's account. */
async function closed(windows: number) {
  return until(
    `${windows} issuance windows`,
    async () => {
      await work()
      const found = (await windowsAt(HOME)).issuance.closed
      const due = found.reduce((sum, { contributors }) => sum + BigInt(contributors), 0n)
      return found.length >= windows && (await lender()) >= due && found
    },
    WITHIN_MS,
  )
}

it('one home closes the windows over the work of another, which pays its accounts', async () => {
  const windows = await closed(2)
  const closer = held.mesh.get(CLOSER).node.peerId
  for (const window of windows) {
    expect(window).toMatchObject({ equal: true, accounts: 1 })
    expect(window.inputs.map(({ home }) => home)).toEqual([held.mesh.get(HOME).node.peerId])
    expect(BigInt(window.contributors)).toBeGreaterThan(0n)
  }
  const there = (await windowsAt(CLOSER)).issuance
  expect(there.closer).toBe(closer)
  for (const window of there.closed) expect(window.equal).toBe(true)
}, 120_000)

it('a coordinator that comes late takes both logs, though each builds on the other', async () => {
  await held.mesh.start([LATE])
  await until(
    'both logs to be final there',
    async () => {
      const [home, closer, late] = await Promise.all(
        [HOME, CLOSER, LATE].map((name) => held.mesh.get(name).client().call(ADMIN_ROUTES.ledgerStatus)),
      )
      return [home, closer].every((log) => {
        const copy = late?.logs.find(({ origin }) => origin === log?.origin)
        return copy !== undefined && copy.finalSize === log?.entries
      })
    },
    WITHIN_MS,
  )
  const { closed: windows } = (await windowsAt(LATE)).issuance
  expect(windows.length).toBeGreaterThanOrEqual(2)
  for (const window of windows) expect(window.equal).toBe(true)
}, 120_000)

it('its audit of all logs finds nothing wrong, nor does one of a backup', async () => {
  const run = await held.mesh.cli(['ledger', 'verify', '--node', LATE])
  expect([run.code, run.stdout]).toEqual([0, expect.stringContaining('all is right')])
  const file = join(held.mesh.dir, 'home.backup')
  const made = await held.mesh.cli(['backup', 'create', '--out', file, '--node', HOME])
  expect(made.code).toBe(0)
  const folder = join(held.mesh.dir, 'policy')
  const verified = await held.mesh.cli(['backup', 'verify', file, '--policy', folder])
  expect([verified.code, verified.stderr]).toEqual([0, expect.not.stringContaining('error')])
}, 120_000)
