import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_ROUTES, TASK_ROUTES } from '../../src/bridge/admin-client.js'
import { DEFAULT_TERMS } from '../../src/core/economy/terms.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const PAYS = 'coordinator-1'
const RECEIVES = 'coordinator-2'
const WITHIN_MS = 60_000

let held: HeldTasks
let network: SignedNetwork

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 3, workers: 1, gateways: 1 })
  network = await SignedNetwork.of(held.mesh)
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor', { at: RECEIVES })
  await network.enrol('worker', 'lender')
  await network.grant('local', 20_000_000n, 'first')
  // Gateway and worker attach to the home of the user, which is the only one there is at first.
  await held.mesh.start([PAYS, 'gateway', 'worker'])
}, 120_000)

afterAll(() => held?.close())

function wallet(name: string, account: string) {
  return held.mesh.get(name).client().call(ADMIN_ROUTES.wallet, { params: { account } })
}

async function available(name: string, account: string): Promise<bigint> {
  return BigInt((await wallet(name, account)).available)
}

async function solve(id: string): Promise<void> {
  const messages = [{ role: 'user' as const, content: held.prompt(id) }]
  const body = { kind: 'chat' as const, id, messages, maxOutputTokens: 64 }
  await held.gateway.client().call(TASK_ROUTES.submit, { body })
  held.letGo(id)
  await held.expectDoneOnce(id)
}

/** Resolves when the lender has this much at its home. */
async function arrived(amount: bigint): Promise<void> {
  await until(
    `${amount} microcredits at the home of the lender`,
    async () => (await available(RECEIVES, 'lender')) === amount,
    WITHIN_MS,
  )
}

/** What the worker's owner gets of a cost; fee and treasury stay where the task was settled. */
function shareOf(cost: bigint): bigint {
  const { feeBasisPoints, treasuryBasisPoints } = DEFAULT_TERMS
  return cost - (cost * feeBasisPoints) / 10_000n - (cost * treasuryBasisPoints) / 10_000n
}

describe('a contributor whose home is not where its work is paid', () => {
  let due = 0n

  async function solveAndCount(id: string): Promise<void> {
    const before = await available(PAYS, 'local')
    await solve(id)
    // The gateway has the result before the worker has shown the coordinator that it does.
    await until('the task to be settled', async () => (await wallet(PAYS, 'local')).held === '0', WITHIN_MS)
    const cost = before - (await available(PAYS, 'local'))
    expect(cost).toBeGreaterThan(0n)
    due += shareOf(cost)
  }

  it('gets the credits when enough coordinators hold the settlement, whoever was away meanwhile', async () => {
    await solveAndCount('one')
    await held.mesh.start([RECEIVES, 'coordinator-3'])
    await arrived(due)
  }, 120_000)

  it('gets them once, across kill -9 of both', async () => {
    await held.mesh.kill(RECEIVES)
    await solveAndCount('two')
    await held.mesh.kill(PAYS)
    await held.mesh.start([RECEIVES, PAYS])
    await arrived(due)
    await held.mesh.kill(RECEIVES)
    await held.mesh.start([RECEIVES])
    await arrived(due)
    for (const name of [PAYS, RECEIVES, 'coordinator-3']) {
      const { logs } = await held.mesh.get(name).client().call(ADMIN_ROUTES.ledgerStatus)
      expect(logs.filter(({ isolated }) => isolated)).toEqual([])
    }
  }, 180_000)
})
