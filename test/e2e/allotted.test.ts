import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_ROUTES, TASK_ROUTES } from '../../src/bridge/admin-client.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const HOME = 'coordinator-1'
const OTHERS = ['coordinator-2', 'coordinator-3']
const GRANTED = 20_000_000n
const WITHIN_MS = 90_000

let held: HeldTasks
/** The coordinator that a slice is allotted to. */
let spare: string

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 3, workers: 1, gateways: 1 })
  const network = await SignedNetwork.of(held.mesh)
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor')
  await network.enrol('worker', 'lender')
  await network.grant('local', GRANTED, 'first')
  await held.mesh.start()
}, 120_000)

afterAll(() => held?.close())

/** What can be spent there: of the account at its home, elsewhere of its slice. */
async function walletAt(name: string) {
  const wallet = await held.mesh
    .get(name)
    .client()
    .call(ADMIN_ROUTES.wallet, { params: { account: 'local' } })
  const { isHome, available, allotted = '0', held: reserved } = wallet
  return { available: BigInt(isHome ? available : allotted), reserved: BigInt(reserved) }
}

/** Where a task was done: its coordinator at the end. */
async function doneAt(id: string): Promise<string> {
  const { coordinator } = await held.gateway.client().call(TASK_ROUTES.show, { params: { id } })
  const found = [HOME, ...OTHERS].find((name) => held.mesh.get(name).node.peerId === coordinator)
  if (found === undefined) throw new Error(`${id} was done at ${coordinator}`)
  return found
}

/** @returns the coordinator at which it was done, and is paid */
async function solve(id: string): Promise<string> {
  const messages = [{ role: 'user' as const, content: held.prompt(id) }]
  const body = { kind: 'chat' as const, id, messages, maxOutputTokens: 64 }
  await held.gateway.client().call(TASK_ROUTES.submit, { body })
  held.letGo(id)
  await held.expectDoneOnce(id)
  // The gateway has the result before the worker has shown a coordinator that it does.
  const at = await doneAt(id)
  await until('the task to be settled', async () => (await walletAt(at)).reserved === 0n, WITHIN_MS)
  return at
}

describe('an account whose home is lost', () => {
  it('is spent at its home while that can be reached, whatever the gateway was attached to', async () => {
    expect(await solve('one')).toBe(HOME)
    const { available } = await walletAt(HOME)
    expect(available).toBeLessThan(GRANTED)
  }, 120_000)

  it('has a slice at another coordinator soon after it was used', async () => {
    spare = await until(
      'a slice at another coordinator',
      async () => {
        for (const name of OTHERS) if ((await walletAt(name)).available > 0n) return name
        return undefined
      },
      WITHIN_MS,
    )
    const [home, there] = [await walletAt(HOME), await walletAt(spare)]
    expect(home.available + there.available).toBeLessThan(GRANTED)
    await until(
      'the home to see the slice in its copy of the other log',
      async () => {
        const { stdout } = await held.mesh.cli(['wallet', 'balance', 'local', '--node', HOME])
        return /^In slices: +0\.\d+ credits, which other homes may spend$/m.test(stdout)
      },
      WITHIN_MS,
    )
  }, 120_000)

  it('is spent from the slice while its home is dead, and never twice', async () => {
    const [home, before] = [await walletAt(HOME), await walletAt(spare)]
    await held.mesh.kill(HOME)
    expect(await solve('two')).toBe(spare)
    const after = await walletAt(spare)
    expect(after.available).toBeLessThan(before.available)
    await held.mesh.start([HOME])
    expect(await walletAt(HOME)).toEqual(home)
    for (const name of [HOME, ...OTHERS]) {
      const { logs } = await held.mesh.get(name).client().call(ADMIN_ROUTES.ledgerStatus)
      expect(logs.filter(({ isolated }) => isolated)).toEqual([])
    }
  }, 180_000)

  it('is spent at its home again once that is back', async () => {
    const there = await walletAt(spare)
    await until(
      'a task to be taken at home',
      async () => (await solve(`back-${performance.now().toFixed(0)}`)) === HOME,
      WITHIN_MS,
    )
    expect((await walletAt(spare)).available).toBeGreaterThan(0n)
    expect(there.available).toBeGreaterThan(0n)
  }, 180_000)

  it('gets its slice back when the operator of the other coordinator says so', async () => {
    const listed = await held.mesh.cli(['ledger', 'slice', 'list', '--node', spare])
    expect(listed.stdout).toMatch(/^local +0\.\d+ credits/m)
    expect((await held.mesh.cli(['ledger', 'slice', 'return', 'local', '--node', spare])).code).toBe(2)
    const given = await held.mesh.cli([
      '--json',
      'ledger',
      'slice',
      'return',
      'local',
      '--yes',
      '--node',
      spare,
    ])
    expect(given.code).toBe(0)
    // The home may have filled the slice up since it was last looked at.
    const returned: unknown = JSON.parse(given.stdout).amount
    expect(returned).toMatch(/^[1-9][0-9]*$/)
    await until(
      'it to arrive at home',
      async () => {
        const input = { params: { account: 'local' } }
        const { rows } = await held.mesh.get(HOME).client().call(ADMIN_ROUTES.walletHistory, input)
        return rows.some(({ kind, amount }) => kind === 'transfer-in' && amount === returned)
      },
      WITHIN_MS,
    )
  }, 120_000)
})
