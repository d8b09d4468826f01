import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ADMIN_ROUTES, TASK_ROUTES } from '../../src/bridge/admin-client.js'
import { DEFAULT_TERMS } from '../../src/core/economy/terms.js'
import { loadChain } from '../../src/node/admin-policy.js'
import type { Store } from '../../src/ports/store.js'
import { auditLog } from '../../src/roles/ledger/audit-log.js'
import { chainStatements, termQuotes } from '../../src/roles/ledger/chain-evidence.js'
import { createEvidenceReader, type EvidenceReader } from '../../src/roles/ledger/evidence.js'
import { logKeys } from '../../src/roles/ledger/log-keys.js'
import { openLevelStore } from '../../src/services/store/level-store.js'
import { logOrigin } from '../../src/wire/checkpoint.js'
import { type NoteKey, noteKey } from '../../src/wire/note-key.js'
import { publicKeyOf } from '../../src/wire/peer-id.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

/** Windows of seconds, so that several pass while the test runs. */
const TERMS = {
  ...DEFAULT_TERMS,
  pricing: { ...DEFAULT_TERMS.pricing, windowMs: 2_000 },
  issuance: { ...DEFAULT_TERMS.issuance, windowMs: 5_000, recalculateMs: 1_000 },
}
const WITHIN_MS = 90_000

let held: HeldTasks
let network: SignedNetwork
let tasks = 0

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 1, workers: 1, gateways: 1 })
  network = await SignedNetwork.of(held.mesh, [], { terms: TERMS })
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor')
  await network.enrol('worker', 'lender')
  await network.grant('local', 5_000_000n, 'first')
  await held.mesh.start()
}, 120_000)

afterAll(() => held?.close())

const coordinator = () => held.mesh.get('coordinator').client()
const windows = () => coordinator().call(ADMIN_ROUTES.economyWindows, {})

async function lender(): Promise<bigint> {
  const { available } = await coordinator().call(ADMIN_ROUTES.wallet, { params: { account: 'lender' } })
  return BigInt(available)
}

async function work(): Promise<void> {
  const id = `task-${tasks++}`
  const messages = [{ role: 'user' as const, content: held.prompt(id) }]
  await held.gateway
    .client()
    .call(TASK_ROUTES.submit, { body: { kind: 'chat', id, messages, maxOutputTokens: 64 } })
  held.letGo(id)
  await held.expectDoneOnce(id)
}

it('the price moves with demand, window after window, and each is what it comes to when computed again', async () => {
  const seen = await until(
    'three pricing windows',
    async () => {
      await work()
      const { pricing } = await windows()
      return pricing.closed.length >= 3 && pricing
    },
    WITHIN_MS,
  )
  for (const window of seen.closed) expect(window).toMatchObject({ equal: true })
  // Down for a worker that is idle most of the time; up where the machine of the test keeps it busy.
  expect(Number(seen.open.multiplier)).not.toBe(1_000_000)
  const { multiplier, list, classes } = await coordinator().call(ADMIN_ROUTES.economyPrices, {})
  expect(multiplier).toBe(seen.open.multiplier)
  const large = classes.find(({ name }) => name === 'large')
  expect(BigInt(large?.rates.perSandboxSecond ?? 0)).toBe(
    (BigInt(list.perSandboxSecond) * BigInt(multiplier)) / 1_000_000n,
  )
})

it('credits are issued for the work, really, and the command says that all is equal', async () => {
  await work()
  const closed = await until(
    'an issuance window to be paid',
    async () => {
      const found = (await windows()).issuance.closed[0]
      return found !== undefined && (await lender()) >= BigInt(found.contributors) && found
    },
    WITHIN_MS,
  )
  expect(closed).toMatchObject({ equal: true, accounts: 1 })
  expect(BigInt(closed.contributors)).toBeGreaterThan(0n)
  const cli = await held.mesh.cli(['economy', 'windows'])
  expect(cli.code).toBe(0)
  expect(cli.stdout).toContain('yes')
  expect(cli.stdout).not.toContain('NO')
})

it('a coordinator that is killed goes on with its windows, and pays none twice', async () => {
  const before = (await windows()).issuance.closed.length
  await work()
  await held.mesh.kill('coordinator')
  await held.mesh.start(['coordinator'])
  await until('a further window', async () => (await windows()).issuance.closed.length > before, WITHIN_MS)
  const { closed } = (await windows()).issuance
  const numbers = closed.map(({ window }) => window)
  expect(numbers).toEqual(numbers.map((_, at) => numbers.length - 1 - at))
  const supply = await until('all to be paid', async () => {
    const now = await coordinator().call(ADMIN_ROUTES.economySupply, {})
    const issued = (await windows()).issuance.closed.reduce(
      (sum, each) => sum + BigInt(each.contributors) + BigInt(each.coordinators) + BigInt(each.reserve),
      5_000_000n,
    )
    return BigInt(now.issued) === issued && now
  })
  expect(supply.sum).toBe('0')
  const cli = await held.mesh.cli(['economy', 'supply'])
  expect(cli.stdout).toContain('0, as it must be')
})

it('nothing is written while nobody works, however many windows pass', async () => {
  const idle = async () => {
    const { entries, pendingEntries } = await coordinator().call(ADMIN_ROUTES.ledgerStatus, {})
    const { open } = (await windows()).issuance
    return { entries, pendingEntries, isIdle: open?.work === '0', dueMs: open?.dueMs ?? 0 }
  }
  const before = await until('all work to be issued for', async () => {
    const now = await idle()
    return now.isIdle && now.pendingEntries === 0 && now
  })
  await until('the next window to be due', async () => Date.now() > (await idle()).dueMs + 3_000, WITHIN_MS)
  expect((await idle()).entries).toBe(before.entries)
})

it('what the coordinator has earned is drawn to an account, once for an id', async () => {
  const before = await lender()
  const listed = await held.mesh.cli(['economy', 'fee', 'list'])
  expect(listed.stdout).toContain(held.mesh.get('coordinator').node.peerId)
  const draw = ['economy', 'fee', 'draw', '0.000002', '--to', 'lender', '--id', 'first']
  const unsure = await held.mesh.cli(draw)
  expect([unsure.code, await lender()]).toEqual([2, before])
  for (const word of ['0.000002 credits to lender', 'it was drawn before']) {
    const drawn = await held.mesh.cli([...draw, '--yes'])
    expect([drawn.code, drawn.stdout]).toEqual([0, expect.stringContaining(word)])
    expect(await lender()).toBe(before + 2n)
  }
  const tooMuch = await held.mesh.cli(['economy', 'fee', 'draw', '1000', '--to', 'lender', '--yes'])
  expect(tooMuch.code).not.toBe(0)
  expect(tooMuch.stderr).toMatch(/has \d+ microcredits, 1000000000 are needed/)
})

/** The coordinator's log as its disk has it; no process may run. */
async function withLog<T>(
  use: (store: Store, key: NoteKey, evidence: EvidenceReader) => Promise<T>,
): Promise<T> {
  const { dataDir, peerId } = held.mesh.get('coordinator').node
  const chain = await loadChain(network.folder)
  const networkId = chain.head?.network ?? ''
  const statements = chainStatements(chain)
  const evidence = createEvidenceReader({ statements, quotes: termQuotes }, { network: networkId })
  const key = noteKey('note', logOrigin(networkId, peerId, 1), publicKeyOf(peerId) ?? new Uint8Array())
  const store = await openLevelStore(join(dataDir, 'store'))
  try {
    return await use(store, key, evidence)
  } finally {
    await store.close()
  }
}

it('an audit from outside finds nothing wrong', async () => {
  await held.mesh.kill('coordinator', 'gateway', 'worker')
  const report = await withLog((store, key, evidence) =>
    auditLog({ store, evidence }, { key, prefix: 'ledger|0' }),
  )
  expect(report.mismatches).toEqual([])
  const { kinds } = report
  expect(report.complete).toBe(true)
  expect(kinds['price-window']).toBeGreaterThanOrEqual(3)
  expect(kinds['issuance-window']).toBeGreaterThanOrEqual(2)
  expect(kinds.issue).toBe(kinds['issuance-window'])
  expect(kinds.fee).toBe(1)
  expect(kinds['work-window']).toBe(kinds['issuance-window'])
})

it('a state that is damaged is told at the start, and made anew from the entries', async () => {
  const keys = logKeys('ledger|0')
  const balance = keys.record('balance', 'lender')
  const had = await withLog(async (store) => {
    const bytes = await store.get(balance)
    await store.commit([{ type: 'put', key: balance, value: Buffer.from('nonsense') }])
    return bytes
  })
  const coordinatorNode = held.mesh.get('coordinator')
  coordinatorNode.start()
  expect(await coordinatorNode.ended()).not.toBe(0)
  expect(coordinatorNode.log.slice(-3_000)).toContain('edgecoder ledger rebuild')
  const rebuild = ['--node', 'coordinator', 'ledger', 'rebuild', '--policy', network.folder]
  expect((await held.mesh.cli(rebuild)).code).toBe(2)
  const rebuilt = await held.mesh.cli([...rebuild, '--yes'])
  expect([rebuilt.code, rebuilt.stdout]).toEqual([0, expect.stringContaining('was made anew from')])
  expect(await withLog((store) => store.get(balance))).toEqual(had)
  await held.mesh.start(['coordinator'])
  const verified = await held.mesh.cli(['ledger', 'verify'])
  expect(verified.code).toBe(0)
})
