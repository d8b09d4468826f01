import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_ROUTES, TASK_ROUTES, WALLET_ROUTES } from '../../src/bridge/admin-client.js'
import type { HistoryJson, WalletJson } from '../../src/bridge/schemas/wallet.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const GRANTED = 5_000_000n
const NOTE = 'for the blue bicycle'
/** Transfers that are under way when somebody is killed. */
const BURST = 20

let held: HeldTasks
let network: SignedNetwork

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 1, workers: 1, gateways: 2 })
  network = await SignedNetwork.of(held.mesh)
  // Two gateways of one network; only the first may order for ann.
  await network.openAccount('ann', 'user', { gateways: ['gateway-1'] })
  await network.openAccount('bob')
  await network.openAccount('lender', 'contributor')
  await network.enrol('worker', 'lender')
  await network.grant('ann', GRANTED, 'first')
  await held.mesh.start()
}, 120_000)

afterAll(() => held?.close())

const gateway = (name = 'gateway-1', account = 'ann') => held.mesh.get(name).client(account)

function wallet(account: string, name = 'gateway-1'): Promise<WalletJson> {
  return gateway(name, account).call(WALLET_ROUTES.balance)
}

function transfer(id: string, amount: bigint, account = 'ann', to = 'bob', name = 'gateway-1') {
  const body = { id, to, amount: String(amount), note: NOTE }
  return gateway(name, account).call(WALLET_ROUTES.transfer, { body })
}

async function history(account: string): Promise<HistoryJson['rows']> {
  return (await gateway('gateway-1', account).call(WALLET_ROUTES.history)).rows
}

describe('a wallet', () => {
  it('shows what came, what is reserved, and what a task cost', async () => {
    const messages = [{ role: 'user' as const, content: held.prompt('one') }]
    const body = { kind: 'chat' as const, id: 'one', messages, maxOutputTokens: 64 }
    await gateway().call(TASK_ROUTES.submit, { body })
    await until('it to run', async () => held.engine.waiting.includes(held.prompt('one')))
    const params = { id: 'one' }
    const during = await gateway().call(WALLET_ROUTES.payment, { params })
    expect(during.state).toBe('held')
    expect(await wallet('ann')).toMatchObject({
      account: 'ann',
      isHome: true,
      home: held.mesh.get('coordinator').node.peerId,
      held: during.held,
      available: String(GRANTED - BigInt(during.held)),
    })
    held.letGo('one')
    const paid = await until('it to be settled for good', async () => {
      const now = await gateway().call(WALLET_ROUTES.payment, { params })
      return now.state === 'settled' && now.standing === 'final' && now
    })
    expect(paid).toEqual({ ...during, state: 'settled', cost: paid.cost, standing: 'final' })
    const left = GRANTED - BigInt(paid.cost)
    expect(await wallet('ann')).toMatchObject({ held: '0', available: String(left), final: String(left) })
    expect(await history('ann')).toMatchObject([
      { kind: 'settle', about: 'one', amount: String(BigInt(paid.held) - BigInt(paid.cost)) },
      { kind: 'hold', about: 'one', amount: `-${paid.held}` },
      { kind: 'grant', about: 'first', amount: String(GRANTED), balance: String(GRANTED), standing: 'final' },
    ])
    const [earned] = await history('lender')
    expect(earned).toMatchObject({ kind: 'settle', about: 'ann:one' })
    expect((await gateway('gateway-1', 'lender').call(WALLET_ROUTES.balance)).available).toBe(earned?.amount)
    // Another gateway learns nothing of it.
    const strange = gateway('gateway-2').call(WALLET_ROUTES.payment, { params })
    await expect(strange).rejects.toMatchObject({ code: 'hold-unknown' })
  })

  it('is the same at its coordinator, and on the command line', async () => {
    const client = held.mesh.get('coordinator').client()
    const there = await client.call(ADMIN_ROUTES.wallet, { params: { account: 'ann' } })
    expect(there).toEqual(await wallet('ann'))
    const page = await client.call(ADMIN_ROUTES.walletHistory, {
      params: { account: 'ann' },
      query: { limit: 2 },
    })
    expect(page.rows).toEqual((await history('ann')).slice(0, 2))
    for (const node of ['gateway-1', 'coordinator']) {
      const shown = await held.mesh.cli(['--node', node, 'wallet', 'balance', 'ann', '--json'])
      expect(shown.json<WalletJson>()).toEqual(there)
      const listed = await held.mesh.cli([
        '--node',
        node,
        'wallet',
        'history',
        'ann',
        '--limit',
        '2',
        '--json',
      ])
      expect(listed.json<HistoryJson>()).toEqual(page)
    }
  })

  it('is closed to a gateway that its owner did not choose', async () => {
    for (const asked of [wallet('ann', 'gateway-2'), transfer('theft', 1n, 'ann', 'bob', 'gateway-2')]) {
      await expect(asked).rejects.toMatchObject({ code: 'not-admitted' })
    }
    await expect(wallet('nobody')).rejects.toMatchObject({ code: 'account-unknown' })
  })
})

describe('a transfer', () => {
  it('is paid once, whoever is killed before, while and after it is asked for', async () => {
    const before = {
      ann: BigInt((await wallet('ann')).available),
      bob: BigInt((await wallet('bob')).available),
    }
    let sent = 0n
    for (const victim of ['coordinator', 'gateway-1']) {
      for (const late of [false, true]) {
        const ids = Array.from({ length: BURST }, (_, n) => `${victim}-${late}-${n}`)
        sent += 1_000n * BigInt(BURST)
        const asked = ids.map((id) => transfer(id, 1_000n).catch(() => undefined))
        if (late) await Promise.race(asked)
        await held.mesh.kill(victim)
        await Promise.all(asked)
        await held.mesh.start([victim])
        for (const id of ids) {
          const made = await until('the transfer to be made', () =>
            transfer(id, 1_000n).catch(() => false as const),
          )
          expect((await transfer(id, 1_000n)).entry).toBe(made.entry)
        }
      }
    }
    expect(BigInt((await wallet('ann')).available)).toBe(before.ann - sent)
    expect(BigInt((await wallet('bob')).available)).toBe(before.bob + sent)
    const [row] = await history('bob')
    expect(row).toMatchObject({ kind: 'transfer-out', amount: '1000', about: 'ann', note: NOTE })
  }, 120_000)

  it('sent again by another gateway of the account is the same; saying something else it is refused', async () => {
    const { available } = await wallet('bob')
    const made = await transfer('shared', 500n, 'bob', 'ann', 'gateway-1')
    const again = await transfer('shared', 500n, 'bob', 'ann', 'gateway-2')
    expect({ ...again, standing: made.standing }).toEqual(made)
    expect((await wallet('bob')).available).toBe(String(BigInt(available) - 500n))
    const other = transfer('shared', 501n, 'bob', 'ann')
    await expect(other).rejects.toMatchObject({ code: 'entry-conflict' })
  })

  it('of more than there is, to nobody or to oneself is refused, and nothing is paid', async () => {
    const { available } = await wallet('ann')
    const much = await transfer('much', BigInt(available) + 1n).catch((error: unknown) => error)
    expect(much).toMatchObject({ code: 'insufficient-credits' })
    expect(String(much)).toContain(available)
    await expect(transfer('nowhere', 1n, 'ann', 'nobody')).rejects.toMatchObject({ code: 'account-unknown' })
    await expect(transfer('self', 1n, 'ann', 'ann')).rejects.toMatchObject({ code: 'bad-request' })
    expect((await wallet('ann')).available).toBe(available)
  })

  it('on the command line wants a yes, and counts to the microcredit', async () => {
    const { available } = await wallet('ann')
    const cli = (...more: readonly string[]) =>
      held.mesh.cli(['--account', 'ann', 'wallet', 'transfer', 'bob', '0.000123', '--id', 'cli', ...more])
    const unsure = await cli()
    expect([unsure.code, unsure.stderr]).toEqual([2, expect.stringContaining('--yes')])
    expect((await cli('--dry-run')).json()).toEqual({ id: 'cli', to: 'bob', amount: '123' })
    expect((await wallet('ann')).available).toBe(available)
    for (const run of [await cli('--yes'), await cli('--yes')]) expect(run.code).toBe(0)
    expect((await wallet('ann')).available).toBe(String(BigInt(available) - 123n))
    const much = await held.mesh.cli(['--account', 'ann', 'wallet', 'transfer', 'bob', '9999', '--yes'])
    expect(much.code).toBe(4)
  }, 60_000)
})

it('no note stands in any log', () => {
  for (const node of held.mesh.nodes.values()) expect(node.log).not.toContain(NOTE)
})
