import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_ROUTES, TASK_ROUTES } from '../../src/bridge/admin-client.js'
import { loadChain } from '../../src/node/admin-policy.js'
import { auditLog } from '../../src/roles/ledger/audit-log.js'
import { chainStatements, termQuotes } from '../../src/roles/ledger/chain-evidence.js'
import { createEvidenceReader } from '../../src/roles/ledger/evidence.js'
import { openLevelStore } from '../../src/services/store/level-store.js'
import { logOrigin } from '../../src/wire/checkpoint.js'
import { noteKey } from '../../src/wire/note-key.js'
import { publicKeyOf } from '../../src/wire/peer-id.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const GRANTED = 2_000_000n

let held: HeldTasks
let network: SignedNetwork

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 1, workers: 1, gateways: 1 })
  network = await SignedNetwork.of(held.mesh)
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor')
  await network.enrol('worker', 'lender')
  await network.grant('local', GRANTED, 'first')
  await held.mesh.start()
}, 120_000)

afterAll(() => held?.close())

async function wallet(account: string): Promise<{ readonly available: bigint; readonly held: bigint }> {
  const client = held.mesh.get('coordinator').client()
  const found = await client.call(ADMIN_ROUTES.wallet, { params: { account } })
  return { available: BigInt(found.available), held: BigInt(found.held) }
}

/** Waits until nothing is reserved for the account. */
async function settled(account: string): Promise<bigint> {
  const found = await until('all to be settled', async () => {
    const now = await wallet(account)
    return now.held === 0n && now
  })
  return found.available
}

/** What a worker gets of what a task cost. */
function share(cost: bigint): bigint {
  return cost - (cost * 150n) / 10_000n - (cost * 500n) / 10_000n
}

/** Submits with a bound on the output, so that the reservation stays small. */
function submit(id: string, maxOutputTokens = 64) {
  const messages = [{ role: 'user' as const, content: held.prompt(id) }]
  const body = { kind: 'chat' as const, id, messages, maxOutputTokens }
  return held.gateway.client().call(TASK_ROUTES.submit, { body })
}

describe('a task', () => {
  it('is paid once it is done: the worker gets its share, and the user the rest back', async () => {
    await submit('one')
    await held.running('one')
    const during = await wallet('local')
    expect(during.held > 0n && during.available + during.held === GRANTED).toBe(true)
    held.letGo('one')
    await held.expectDoneOnce('one', 1)
    const cost = await until('what it cost to be what its worker got a share of', async () => {
      const spent = GRANTED - (await settled('local'))
      return spent > 0n && (await wallet('lender')).available === share(spent) && spent
    })
    expect(cost).toBeLessThanOrEqual(during.held)
  })

  it('is paid once, whatever is killed while it runs', async () => {
    const before = { local: await settled('local'), lender: (await wallet('lender')).available }
    await submit('killed')
    await held.running('killed')
    const reserved = (await wallet('local')).held
    await held.mesh.kill('coordinator')
    await held.mesh.start(['coordinator'])
    expect((await wallet('local')).held).toBe(reserved)
    await held.mesh.kill('gateway')
    await held.mesh.start(['gateway'])
    held.letGo('killed')
    await held.expectDoneOnce('killed')
    const cost = await until('what it cost to be what its worker got a share of', async () => {
      const spent = before.local - (await settled('local'))
      return spent > 0n && (await wallet('lender')).available === before.lender + share(spent) && spent
    })
    await held.mesh.kill('coordinator')
    await held.mesh.start(['coordinator'])
    expect((await wallet('lender')).available).toBe(before.lender + share(cost))
  })

  it('that is cancelled costs nothing', async () => {
    const before = await settled('local')
    await submit('cancelled')
    await held.running('cancelled')
    await held.gateway.client().call(TASK_ROUTES.cancel, { params: { id: 'cancelled' } })
    expect(await settled('local')).toBe(before)
    held.letGo('cancelled')
  })

  it('that the balance does not cover is refused with the numbers, and nothing is kept of it', async () => {
    const { available } = await wallet('local')
    const run = await held.mesh.cli(
      ['task', 'submit', 'chat', 'much', '--id', 'dear', '--max-tokens', '1000000', '--json', '--no-wait'],
      {},
    )
    expect(run.code).toBe(4)
    const { error } = run.json<{ error: { code: string; message: string } }>()
    expect(error.code).toBe('insufficient-credits')
    expect(error.message).toContain(String(available))
    expect(await wallet('local')).toEqual({ available, held: 0n })
    const show = await held.mesh.cli(['task', 'show', 'dear', '--json'])
    expect(show.code).toBe(3)
  })
})

describe('signed policy, while the mesh runs,', () => {
  it('grants credits, once for a reference', async () => {
    const before = await settled('local')
    await network.grant('local', 500_000n, 'second')
    await until('the grant', async () => (await wallet('local')).available === before + 500_000n)
    await expect(network.grant('local', 500_000n, 'second')).rejects.toMatchObject({
      code: 'policy-conflict',
    })
  })

  it('cuts a worker off, and lets it in again', async () => {
    const worker = held.mesh.get('worker')
    await network.setState('worker', 'suspended')
    await worker.statusWhere('be cut off', ({ ready }) => !ready)
    await submit('waits')
    await network.setState('worker', 'active')
    held.letGo('waits')
    await held.expectDoneOnce('waits')
  })
})

it('the log that was written stands up to an audit by somebody else', async () => {
  const shown = await held.mesh.cli(['ledger', 'status', '--json'])
  const status = shown.json<{ origin: string; entries: number; root: string }>()
  await settled('local')
  await held.mesh.kill('coordinator', 'gateway', 'worker')
  const { dataDir, peerId } = held.mesh.get('coordinator').node
  const chain = await loadChain(network.folder)
  const networkId = chain.head?.network ?? ''
  const origin = logOrigin(networkId, peerId, 1)
  expect(status.origin).toBe(origin)
  const evidence = createEvidenceReader(
    { statements: chainStatements(chain), quotes: termQuotes },
    { network: networkId },
  )
  const store = await openLevelStore(join(dataDir, 'store'))
  try {
    const key = noteKey('note', origin, publicKeyOf(peerId) ?? new Uint8Array())
    const report = await auditLog({ store, evidence }, { key, prefix: 'ledger|0' })
    expect(report.mismatches).toEqual([])
    expect(report).toMatchObject({ complete: true, kinds: { genesis: 1, hold: 4, settle: 3, release: 1 } })
    expect(report.size).toBeGreaterThanOrEqual(status.entries)
    expect(report.records).toBeGreaterThan(20)
  } finally {
    await store.close()
  }
})
