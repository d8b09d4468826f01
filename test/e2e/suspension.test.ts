import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createAdminKey } from '../../src/node/admin-policy.js'
import { createIdentity } from '../../src/services/identity/identity.js'
import { seal, statements } from '../../src/wire/envelope.js'
import { frames, isMalformed } from '../../src/wire/frame.js'
import type { CoordinatorToWorker, Lease } from '../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import { type CliRun, runCli } from '../helpers/cli.js'
import { GATED_MODEL } from '../helpers/gated-engine.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { type HostilePeer, type RawStream, startHostilePeer } from '../helpers/hostile-peer.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const PASSPHRASE = 'correct horse battery'
/** Of scrypt; a guess of the passphrase of a test may be cheap. */
const COST = 2 ** 10
const HOME = 'coordinator'

let held: HeldTasks
let network: SignedNetwork
let liar: HostilePeer
let desk = ''

beforeAll(async () => {
  desk = mkdtempSync(join(tmpdir(), 'edgecoder-suspension-'))
  writeFileSync(join(desk, 'pass'), `${PASSPHRASE}\n`, { mode: 0o600 })
  const ann = await createAdminKey(join(desk, 'ann.key'), PASSPHRASE, COST)
  held = await createHeldTasks({ coordinators: 1, workers: 1, gateways: 1 })
  network = await SignedNetwork.of(held.mesh, [], {
    powers: [{ power: 'blacklist', authority: { keys: [ann], threshold: 1 } }],
  })
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor')
  await network.enrol('worker', 'lender')
  liar = await startHostilePeer(createIdentity(), network.id)
  await network.enrolPeer(liar.peerId, 'liar', 'lender')
  await network.grant('local', 20_000_000n, 'first')
  await held.mesh.start([HOME, 'gateway', 'worker'])
}, 180_000)

afterAll(async () => {
  await liar?.stop()
  await held?.close()
  rmSync(desk, { recursive: true, force: true })
})

/** Asks the coordinator, as a person would. */
function ask(...args: readonly string[]): Promise<CliRun> {
  const { dataDir } = held.mesh.get(HOME).node
  const env = { EDGE_ADMIN_PASSPHRASE_FILE: 'pass' }
  return runCli(['--json', '--node', dataDir, ...args], { cwd: desk, env })
}

/** A worker of good standing, by its hello. */
async function attach(): Promise<RawStream> {
  const stream = await liar.open(held.mesh.get(HOME), liar.ids.worker)
  const models = [{ name: GATED_MODEL, contextTokens: 8_192, tokensPerSMilli: 50_000, warm: true }]
  const value = { agentId: 'liar', slots: 1, capabilities: { engine: 'llama-cpp', models } }
  stream.frame(frames.workerToCoordinator.encode({ body: { case: 'hello', value } }))
  return stream
}

function hears<C extends CoordinatorToWorker['body']['case']>(stream: RawStream, kind: C, nth = 0) {
  type Body = Extract<CoordinatorToWorker['body'], { case: C }>
  return until(`a ${kind}`, () => {
    const bodies = stream.frames.flatMap((frame) => {
      const message = frames.coordinatorToWorker.decode(frame)
      return isMalformed(message) || message.body.case !== kind ? [] : [message.body as Body]
    })
    return bodies[nth]
  })
}

/** Hands in a result that somebody else is said to have signed. */
function handIn(stream: RawStream, { header, fence }: Lease): void {
  if (header === undefined) throw new Error('a lease without a header')
  const { id: taskId, gateway, payloadDigest } = header
  const digest = new Uint8Array(32).fill(1)
  const nowMs = Date.now()
  const claim = {
    taskId,
    fence,
    coordinator: held.mesh.get(HOME).node.peerId,
    worker: liar.peerId,
    gateway,
    payloadDigest,
    resultDigest: digest,
    usage: { completionTokens: 900_000, model: GATED_MODEL },
    startedMs: BigInt(nowMs - 5),
    finishedMs: BigInt(nowMs),
  }
  const receipt = seal(liar.signer, network.id, statements.receipt, claim, nowMs)
  receipt.signature = new Uint8Array(64).fill(7)
  const accepted = { taskId, fence, receiptDigest: digest }
  const acceptance = seal(liar.signer, network.id, statements.acceptance, accepted, nowMs)
  const value = { lease: { taskId, fence }, receipt, acceptance, free: 1 }
  stream.frame(frames.workerToCoordinator.encode({ body: { case: 'done', value } }))
}

it('a worker that hands in forged results is suspended, on evidence that ends on the blacklist', async () => {
  // The other worker has its hands full, so that all that comes goes to this one.
  await held.submit('long')
  await held.running('long')
  const stream = await attach()
  await held.submit('a')
  handIn(stream, (await hears(stream, 'lease')).value)
  await held.submit('b')
  handIn(stream, (await hears(stream, 'lease', 1)).value)
  expect((await hears(stream, 'refused')).value).toMatchObject({ code: 'worker-suspended' })
  await stream.end()

  // Others do what it had; nothing of it was paid.
  for (const id of ['long', 'a', 'b']) held.letGo(id)
  for (const id of ['long', 'a', 'b']) {
    await held.expectDoneOnce(id)
    expect((await held.task(id)).worker?.peerId).toBe(held.mesh.get('worker').node.peerId)
  }

  const { suspensions } = (await ask('coordinator', 'suspensions')).json<{ suspensions: readonly object[] }>()
  expect(suspensions).toMatchObject([{ worker: liar.peerId, reason: 'bad-signature', state: 'stands' }])
  await held.mesh.kill(HOME)
  await held.mesh.start([HOME])
  expect((await ask('coordinator', 'suspensions')).json()).toEqual({ suspensions })
  expect((await hears(await attach(), 'refused')).value).toMatchObject({ code: 'worker-suspended' })

  expect((await ask('coordinator', 'evidence', liar.peerId, '--out', 'liar.evidence')).code).toBe(0)
  const checked = await runCli(['--json', 'audit', 'evidence', 'liar.evidence'], { cwd: desk })
  expect([checked.code, checked.json()]).toMatchObject([0, { worker: liar.peerId, faults: [] }])
  const reason = ['--reason', 'forged-results', '--evidence', 'liar.evidence']
  const added = await ask('admin', 'blacklist', 'add', liar.peerId, ...reason, '--key', 'ann.key', '--yes')
  expect(added.code).toBe(0)
  await until('it to be shut out', async () => !(await liar.isAdmitted(held.mesh.get(HOME), 'worker')))
  const audited = await ask('audit', 'blacklist', '--evidence', '.')
  expect([audited.code, audited.json()]).toMatchObject([0, { faults: [], rows: [{ action: 'add' }] }])
  expect((await ask('coordinator', 'reinstate', liar.peerId)).code).toBe(0)
  expect(await liar.isAdmitted(held.mesh.get(HOME), 'worker')).toBe(false)
}, 180_000)
