import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TASK_ROUTES, WALLET_ROUTES } from '../../src/bridge/admin-client.js'
import { DEFAULT_TERMS } from '../../src/core/economy/terms.js'
import { loadChain } from '../../src/node/admin-policy.js'
import { auditLog } from '../../src/roles/ledger/audit-log.js'
import { chainStatements, termQuotes } from '../../src/roles/ledger/chain-evidence.js'
import { createEvidenceReader } from '../../src/roles/ledger/evidence.js'
import { createIdentity } from '../../src/services/identity/identity.js'
import { openLevelStore } from '../../src/services/store/level-store.js'
import { logOrigin } from '../../src/wire/checkpoint.js'
import { noteKey } from '../../src/wire/note-key.js'
import { publicKeyOf } from '../../src/wire/peer-id.js'
import { networkIdOf } from '../helpers/hostile-peer.js'
import { type LyingWorker, startLyingWorker } from '../helpers/lying-worker.js'
import { createProcessMesh, type ProcessMesh } from '../helpers/process-mesh.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

/** Half of each task goes to the coordinator, which pays for checks with it, and half to the worker. */
const TERMS = { ...DEFAULT_TERMS, feeBasisPoints: 5_000n }
const HONEST = ['worker-1', 'worker-2'] as const
const LIE = 'lie'
const WITHIN_MS = 60_000

let mesh: ProcessMesh
let network: SignedNetwork
let liar: LyingWorker

beforeAll(async () => {
  mesh = await createProcessMesh({ coordinators: 1, workers: 2, gateways: 1 }, { EDGE_ENGINE: 'none' })
  network = await SignedNetwork.of(mesh, [], { terms: TERMS })
  await network.openAccount('local')
  await network.grant('local', 1_000_000_000n, 'first')
  for (const owner of ['ann', 'bob', 'cay']) await network.openAccount(owner, 'contributor')
  await network.enrol('worker-1', 'ann')
  await network.enrol('worker-2', 'bob')
  const identity = createIdentity()
  await network.enrolPeer(identity.signer.peerId, 'liar', 'cay')
  await mesh.start()
  await earn()
  await mesh.kill(...HONEST)
  liar = await startLyingWorker(identity, networkIdOf(mesh), mesh)
}, 180_000)

afterAll(async () => {
  await liar?.stop()
  await mesh?.close()
})

function gateway() {
  return mesh.get('gateway').client()
}

async function run(id: string, source: string, wallMs = 20_000): Promise<void> {
  const files = [{ path: 'test.js', content: source }]
  const suite = { files, command: ['node', 'test.js'], language: 'javascript' as const, limits: { wallMs } }
  await gateway().call(TASK_ROUTES.submit, { body: { kind: 'test', id, suite } })
  const isPaid = async (): Promise<boolean> =>
    (await gateway().call(WALLET_ROUTES.payment, { params: { id } })).state === 'settled'
  await until(`${id} to be paid`, isPaid, WITHIN_MS)
}

/** Tests that a bound of the sandbox ends are paid, and compared with nothing. */
async function earn(): Promise<void> {
  const source = 'setInterval(() => {}, 1000) //'
  await Promise.all(['long-1', 'long-2', 'long-3', 'long-4'].map((id) => run(id, `${source} ${id}`, 3_000)))
}

async function state(): Promise<string> {
  return (await gateway().call(TASK_ROUTES.dispute, { params: { id: LIE } })).state
}

async function restart(): Promise<void> {
  await mesh.kill('coordinator')
  await mesh.start(['coordinator'])
}

/** The gateway is attached again, and tells. */
async function told(): Promise<void> {
  const answers = async (): Promise<boolean> => (await state().catch(() => undefined)) !== undefined
  await until('the dispute to be told of', answers, WITHIN_MS)
}

describe('a result that its user does not believe', () => {
  it('is disputed on the command line, and waits for somebody who can say, over a kill -9', async () => {
    await run(LIE, 'process.exit(0)')
    const disputed = await mesh.cli(['task', 'dispute', LIE, '--reason', 'it passes here'])
    expect(disputed).toMatchObject({ code: 0, stdout: expect.stringContaining(`${LIE}: in dispute until 2`) })
    await restart()
    await told()
    const shown = await mesh.cli(['task', 'show', LIE])
    expect(shown.stdout).toMatch(/Dispute: +in dispute until .*: it waits for a worker of another owner/)
    const history = await mesh.cli(['wallet', 'history', 'cay'])
    expect(history.stdout).toMatch(/settle .*"in dispute until /)
  }, 90_000)

  it('is refuted when others have run its tests, and what was paid for it comes back once', async () => {
    const before = BigInt((await gateway().call(WALLET_ROUTES.balance)).available)
    await mesh.start([...HONEST])
    const looked = async (): Promise<boolean> =>
      (await gateway().call(TASK_ROUTES.dispute, { params: { id: LIE } })).votes > 1
    await until('the first of them to say something', looked, WITHIN_MS)
    await restart()
    await told()
    await until('it to be refuted', async () => (await state()) === 'refuted', WITHIN_MS)
    const payment = () => gateway().call(WALLET_ROUTES.payment, { params: { id: LIE } })
    await until('it to be given back', async () => (await payment()).reversed !== '0', WITHIN_MS)
    await restart()
    await told()
    const { cost, reversed } = await payment()
    // Half went to the coordinator, and a twentieth to the treasury.
    const share = (BigInt(cost) * 5_000n) / 10_000n
    expect(BigInt(reversed)).toBe(BigInt(cost) - share - (BigInt(cost) * 500n) / 10_000n)
    expect(BigInt((await gateway().call(WALLET_ROUTES.balance)).available) - before).toBe(BigInt(reversed))
    const shown = await mesh.cli(['task', 'show', LIE])
    expect(shown.stdout).toMatch(/Dispute: +the result is refuted: six runs of two owners/)
    expect(shown.stdout).toMatch(/Cost: .*given back later/)
    const history = await mesh.cli(['wallet', 'history', 'local'])
    expect(history.stdout).toMatch(/refund +\+/)
  }, 120_000)

  it('leaves a ledger that stands up to an audit', async () => {
    const { peerId } = mesh.get('coordinator').node
    await mesh.kill('coordinator', 'gateway', ...HONEST)
    const chain = await loadChain(network.folder)
    const networkId = chain.head?.network ?? ''
    const evidence = createEvidenceReader(
      { statements: chainStatements(chain), quotes: termQuotes },
      { network: networkId },
    )
    const store = await openLevelStore(join(mesh.get('coordinator').node.dataDir, 'store'))
    try {
      const key = noteKey('note', logOrigin(networkId, peerId, 1), publicKeyOf(peerId) ?? new Uint8Array())
      const report = await auditLog({ store, evidence }, { key, prefix: 'ledger|0' })
      expect(report.mismatches).toEqual([])
      expect(report.kinds).toMatchObject({ verdict: 1, refund: 1 })
    } finally {
      await store.close()
    }
  }, 60_000)
})
