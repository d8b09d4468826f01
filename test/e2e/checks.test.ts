import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_ROUTES, TASK_ROUTES } from '../../src/bridge/admin-client.js'
import { DEFAULT_TERMS } from '../../src/core/economy/terms.js'
import { loadChain } from '../../src/node/admin-policy.js'
import { checkSuspension } from '../../src/roles/coordinator/suspension-evidence.js'
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

/** So much of each task goes to the coordinator that it can pay for checks. */
const TERMS = { ...DEFAULT_TERMS, feeBasisPoints: 9_000n }
const OWNERS = ['ann', 'bob', 'cay']
const MOST_ROUNDS = 40
const WITHIN_MS = 60_000

let mesh: ProcessMesh
let network: SignedNetwork
let liar: LyingWorker
let liarPeer: string

beforeAll(async () => {
  mesh = await createProcessMesh({ coordinators: 1, workers: 2, gateways: 1 }, { EDGE_ENGINE: 'none' })
  network = await SignedNetwork.of(mesh, [], { terms: TERMS })
  await network.openAccount('local')
  await network.grant('local', 1_000_000_000n, 'first')
  for (const owner of OWNERS) await network.openAccount(owner, 'contributor')
  await network.enrol('worker-1', 'ann')
  await network.enrol('worker-2', 'bob')
  const identity = createIdentity()
  liarPeer = identity.signer.peerId
  await network.enrolPeer(liarPeer, 'liar', 'cay')
  await mesh.start()
  await earn()
  await know()
  liar = await startLyingWorker(identity, networkIdOf(mesh), mesh)
}, 180_000)

afterAll(async () => {
  await liar?.stop()
  await mesh?.close()
})

function gateway() {
  return mesh.get('gateway').client()
}

async function quality() {
  const { checks } = await mesh.get('coordinator').client().call(ADMIN_ROUTES.coordinatorQuality)
  if (checks === undefined) throw new Error('nobody is asked about results')
  return checks
}

async function isSuspended(): Promise<boolean> {
  const { suspensions } = await mesh.get('coordinator').client().call(ADMIN_ROUTES.coordinatorSuspensions)
  return suspensions.some(({ worker, state }) => worker === liarPeer && state === 'stands')
}

async function submit(id: string, source: string, wallMs = 20_000): Promise<void> {
  const files = [{ path: 'test.js', content: source }]
  const suite = { files, command: ['node', 'test.js'], language: 'javascript' as const, limits: { wallMs } }
  await gateway().call(TASK_ROUTES.submit, { body: { kind: 'test', id, suite } })
}

async function verdict(id: string): Promise<string> {
  await until(
    `${id} to be done`,
    async () => (await gateway().call(TASK_ROUTES.show, { params: { id } })).state === 'done',
    WITHIN_MS,
  )
  const result = await gateway().call(TASK_ROUTES.result, { params: { id } })
  return result.kind === 'test' ? result.report.verdict : result.kind
}

/** Tests that a bound of the sandbox ends are paid and compared with nothing: what checks are paid from. */
async function earn(): Promise<void> {
  const ids = ['long-1', 'long-2', 'long-3', 'long-4', 'long-5', 'long-6']
  for (const id of ids) await submit(id, `setInterval(() => {}, 1000) // ${id}`, 3_000)
  for (const id of ids) await verdict(id)
}

/** Tests that both honest owners have run. */
async function know(): Promise<void> {
  await submit('x-2000', 'process.exit(0)')
  await verdict('x-2000')
  await until('an answer to be known', async () => (await quality()).answers.known === 1, WITHIN_MS)
}

/** Three tests at once, each another one; all of them pass. */
async function round(n: number): Promise<void> {
  const ids = ['x', 'y', 'z'].map((name) => `${name}-${n}`)
  for (const id of ids) await submit(id, `process.exit(0) // ${id}`)
  for (const id of ids) await verdict(id)
  await until('checks to be over', async () => (await quality()).open === 0, WITHIN_MS)
}

describe('a worker that signs for tests it never ran', () => {
  it('is tried on tests whose outcome is known when it comes, and caught before a user sends it anything', async () => {
    const isCaught = async (): Promise<boolean> => {
      const { workers } = await quality()
      return workers.some(({ peerId, wrong }) => peerId === liarPeer && wrong === 1)
    }
    await until('it to be caught', isCaught, WITHIN_MS)
    expect(liar.ran()).toBe(1)
    expect(await quality()).toMatchObject({ open: 0, probes: 1, judged: { wrong: 1 } })
  }, 90_000)

  it('is found out by workers of other owners, and suspended; honest ones are not', async () => {
    let rounds = 0
    while (!(await isSuspended())) {
      expect(rounds).toBeLessThan(MOST_ROUNDS)
      await round(rounds++)
    }
    const { workers, judged } = await quality()
    expect(judged.wrong).toBeGreaterThanOrEqual(2)
    for (const each of workers.filter(({ peerId }) => peerId !== liarPeer)) {
      expect(each.wrong).toBe(0)
    }
  }, 300_000)

  it('gets nothing any more, over a kill of the coordinator, which shows what it knows', async () => {
    const before = liar.ran()
    await mesh.kill('coordinator')
    await mesh.start(['coordinator'])
    await round(1_000)
    expect(liar.ran()).toBe(before)
    const shown = await mesh.cli(['coordinator', 'quality'])
    expect(shown.stdout).toMatch(/Checked: +\d+ agreed/)
    expect(shown.stdout).toMatch(/WORKER +AGREED +WRONG +CHECKED/)
    const out = join(mesh.dir, 'evidence')
    expect(await mesh.cli(['coordinator', 'evidence', liarPeer, '--out', out])).toMatchObject({ code: 0 })
    const checked = await checkSuspension(readFileSync(out))
    expect(checked).toMatchObject({ worker: liarPeer, reason: 'forged-results', faults: [] })
  }, 120_000)

  it('is no matter of its users: each result stands, and no check is listed among their tasks', async () => {
    const { tasks } = await gateway().call(TASK_ROUTES.list, { query: { limit: 200 } })
    for (const { id } of tasks) expect(id).toMatch(/^(?:long|x|y|z)-\d+$/)
  })

  it('leaves a ledger that stands up to an audit, in which checks were paid from fees', async () => {
    const { peerId } = mesh.get('coordinator').node
    await mesh.kill('coordinator', 'gateway', 'worker-1', 'worker-2')
    const chain = await loadChain(network.folder)
    const networkId = chain.head?.network ?? ''
    const origin = logOrigin(networkId, peerId, 1)
    const evidence = createEvidenceReader(
      { statements: chainStatements(chain), quotes: termQuotes },
      { network: networkId },
    )
    const store = await openLevelStore(join(mesh.get('coordinator').node.dataDir, 'store'))
    try {
      const key = noteKey('note', origin, publicKeyOf(peerId) ?? new Uint8Array())
      const report = await auditLog({ store, evidence }, { key, prefix: 'ledger|0' })
      expect(report.mismatches).toEqual([])
      expect(report.kinds['fee']).toBeGreaterThan(6)
    } finally {
      await store.close()
    }
  }, 60_000)
})
