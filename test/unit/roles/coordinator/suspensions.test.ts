import { expect, test } from 'vitest'
import { isRefusal } from '../../../../src/core/refusal.js'
import type { Signer } from '../../../../src/ports/signer.js'
import { SUSPENSION_MS } from '../../../../src/roles/coordinator/constants.js'
import {
  type Charge,
  checkSuspension,
  suspensionEvidence,
} from '../../../../src/roles/coordinator/suspension-evidence.js'
import { Suspensions } from '../../../../src/roles/coordinator/suspensions.js'
import { seal, statements } from '../../../../src/wire/envelope.js'
import { isMalformed } from '../../../../src/wire/frame.js'
import { noMetrics } from '../../../contract/network/adapters.js'
import { memoryLog } from '../../../helpers/memory-log.js'
import { type FakeGateway, type FakeWorker, NETWORK, testSigner, World } from './world.js'

/** Hands in a receipt of which the signature is broken. */
async function handInBad(gateway: FakeGateway, worker: FakeWorker, id: string): Promise<void> {
  await gateway.submit(gateway.header(id))
  const lease = await worker.lease()
  const outcome = worker.outcome(lease, gateway)
  outcome.receipt.signature = new Uint8Array(64).fill(7)
  const ref = { taskId: lease.header?.id ?? '', fence: lease.fence }
  worker.say({ case: 'done', value: { lease: ref, free: 1, ...outcome } })
}

async function suspendedWorld() {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker()
  await handInBad(gateway, worker, 't1')
  expect((await worker.hears('doneAck')).value.refusal).toMatchObject({ code: 'bad-signature' })
  expect(world.coordinator.suspensions()).toEqual([])
  await handInBad(gateway, worker, 't2')
  await world.until(() => world.audit.acts.some(({ kind }) => kind === 'worker-suspended'))
  return { world, gateway, worker }
}

async function evidenceOf(world: World, worker: string): Promise<Uint8Array> {
  const evidence = await world.run(world.coordinator.suspensionEvidence(worker))
  if (isRefusal(evidence)) throw new Error(evidence.detail)
  return evidence
}

async function found(evidence: Uint8Array) {
  const checked = await checkSuspension(evidence)
  if (isMalformed(checked)) throw new Error(checked.detail)
  return checked
}

test('a worker that twice hands in what it did not sign gets nothing more, and is told why and by whom', async () => {
  const { world, gateway, worker } = await suspendedWorld()
  const { value: why } = await worker.hears('refused', 1_000)
  expect(why).toMatchObject({
    code: 'worker-suspended',
    next: expect.stringContaining(`coordinator reinstate ${worker.peerId}`),
  })
  expect(why.next.length).toBeLessThan(150)
  const other = await world.worker()
  expect((await other.lease()).header?.id).toMatch(/^alice:t/)
  await worker.attach()
  expect((await worker.hears('refused')).value).toMatchObject({ code: 'worker-suspended' })
  expect(gateway.closed).toBe(undefined)
  const [suspension] = world.coordinator.suspensions()
  expect(suspension).toMatchObject({ worker: worker.peerId, reason: 'bad-signature', state: 'stands' })
  expect(world.audit.acts).toContainEqual(
    expect.objectContaining({ kind: 'worker-suspended', of: worker.peerId, by: 'node' }),
  )
})

test('the evidence is a file that anybody checks, and which cannot be changed', async () => {
  const { world, worker } = await suspendedWorld()
  const evidence = await evidenceOf(world, worker.peerId)
  expect(await found(evidence)).toMatchObject({
    network: NETWORK,
    coordinator: world.signer.peerId,
    worker: worker.peerId,
    reason: 'bad-signature',
    statements: [{ holds: false }, { holds: false }],
    faults: [],
  })
  for (let at = 0; at < evidence.length; at += 7) {
    const changed = Uint8Array.from(evidence)
    changed[at] = (changed[at] ?? 0) ^ 1
    const checked = await checkSuspension(changed)
    // Some bytes are of fields that nobody reads any more.
    if (!isMalformed(checked)) expect(checked).toEqual(await found(evidence))
  }
})

test('it lasts over kill -9, and until its time is over and not longer', async () => {
  const { world, gateway, worker } = await suspendedWorld()
  const before = world.coordinator.suspensions()
  world.crash()
  await world.start()
  await gateway.attach()
  expect(world.coordinator.suspensions()).toEqual(before)
  await worker.attach()
  expect((await worker.hears('refused')).value).toMatchObject({ code: 'worker-suspended' })
})

test('it ends by itself, and anew evidence begins another', async () => {
  const world = new World()
  const { clock, signer, audit } = world
  const store = world.disk.open()
  const changes: string[] = []
  const open = (): Suspensions =>
    new Suspensions(
      {
        store,
        clock,
        signer,
        audit,
        network: { penalise() {} },
        log: memoryLog(),
        metrics: noMetrics,
        changed: () => void changes.push('changed'),
      },
      NETWORK,
    )
  const first = open()
  const bad = { ...receiptOf(signer, 'w'), signature: new Uint8Array(64) }
  const charge: Charge = { reason: 'bad-signature', detail: 'twice', statements: [bad] }
  await world.run(first.suspend('w', charge))
  expect([first.bar('w')?.code, first.bar('v'), changes.length]).toEqual(['worker-suspended', undefined, 1])
  const [before] = first.list()
  await world.run(first.suspend('w', { ...charge, detail: 'again' }))
  expect(first.list()).toEqual([before])
  await clock.advance(SUSPENSION_MS - 10)
  expect(first.bar('w')?.code).toBe('worker-suspended')
  await clock.advance(10)
  expect([first.bar('w'), first.list()[0]?.state]).toEqual([undefined, 'over'])
  await world.run(first.suspend('w', { ...charge, detail: 'again' }))
  // Of what breaks its bounds nothing is on the disk, and no start fails for it.
  await world.run(first.suspend('v', { ...charge, detail: 'x'.repeat(300) }))
  expect(first.bar('v')?.code).toBe('worker-suspended')
  const second = open()
  await world.run(second.load())
  expect(second.list()).toMatchObject([{ worker: 'w', detail: 'again', state: 'stands' }])
})

test('the owner of the coordinator ends it, once, and that lasts too', async () => {
  const { world, gateway, worker } = await suspendedWorld()
  expect(await world.run(world.coordinator.reinstate(worker.peerId))).toBe(undefined)
  expect(await world.run(world.coordinator.reinstate(worker.peerId))).toMatchObject({ code: 'not-found' })
  world.crash()
  await world.start()
  await gateway.attach()
  expect(world.coordinator.suspensions()).toMatchObject([{ state: 'ended' }])
  expect(await worker.attach()).toBeDefined()
  await gateway.submit(gateway.header('t3'))
  expect(await worker.lease()).toBeDefined()
})

test('what the gateway signed badly is not charged to the worker that shows it', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker()
  await gateway.submit(gateway.header('t1'))
  const lease = await worker.lease()
  const outcome = worker.outcome(lease, gateway)
  outcome.acceptance.signature = new Uint8Array(64).fill(7)
  worker.say({ case: 'done', value: { lease: { taskId: 'alice:t1', fence: 1n }, free: 1, ...outcome } })
  expect((await worker.hears('doneAck')).value.refusal).toMatchObject({ code: 'bad-signature' })
  await world.until(() => world.offences.length > 0)
  expect(world.offences).toEqual([{ peer: worker.peerId, offence: 'bad-signature' }])
  expect(world.coordinator.suspensions()).toEqual([])
})

test('statements that do not show what they are charged with are found out', async () => {
  const [coordinator, worker, ...others] = [testSigner(), testSigner(), testSigner(), testSigner()]
  const receipt = receiptOf(worker, worker.peerId)
  const faultsOf = async (reason: Charge['reason'], ...said: Charge['statements']) => {
    const charge = { reason, detail: '', statements: said }
    return (await found(suspensionEvidence(coordinator, NETWORK, worker.peerId, charge, 9))).faults
  }
  const ran = ({ verdict = 'passed', tests = 0 } = {}, by: readonly Signer[] = others) =>
    Array.from({ length: 6 }, (_, at) => {
      const run = { taskId: `alice:c${at}`, verdict, checkDigest: new Uint8Array(32).fill(tests) }
      const signer = by[at % by.length] ?? worker
      return receiptOf(signer, signer.peerId, run)
    })
  expect(await faultsOf('forged-results', receipt, ...ran())).toEqual([])
  expect(await faultsOf('forged-results', receipt, ...ran().slice(1))).toHaveLength(1)
  expect(await faultsOf('forged-results', receipt, ...ran({}, others.slice(1)))).toHaveLength(1)
  expect(await faultsOf('forged-results', receipt, ...ran({ verdict: 'failed' }))).toHaveLength(1)
  expect(await faultsOf('forged-results', receipt, ...ran({ tests: 1 }))).toEqual(['they ran other tests'])
  expect(await faultsOf('forged-results', ...ran(), receipt)).toHaveLength(1)
  expect(await faultsOf('forged-results', receipt, ...ran().fill(ran()[0] ?? receipt))).not.toEqual([])
  const unsigned = { ...receipt, signature: new Uint8Array(64) }
  expect(await faultsOf('forged-results', receipt, unsigned)).toHaveLength(1)
  expect(await faultsOf('bad-signature', receipt)).toHaveLength(1)
  expect(await faultsOf('bad-signature', { ...receipt, signature: new Uint8Array(64) })).toEqual([])
})

/** What it says of tests. */
interface Run {
  readonly taskId: string
  readonly verdict: string
  readonly checkDigest: Uint8Array<ArrayBuffer>
}

function receiptOf(signer: Signer, worker: string, run: Partial<Run> = {}) {
  const value = {
    taskId: 'alice:t1',
    fence: 1n,
    coordinator: 'c',
    worker,
    gateway: 'g',
    payloadDigest: new Uint8Array(32),
    resultDigest: new Uint8Array(32),
    usage: { model: 'tiny' },
    startedMs: 1n,
    finishedMs: 2n,
    verdict: 'failed',
    checkDigest: new Uint8Array(32),
    ...run,
  }
  return seal(signer, NETWORK, statements.receipt, value, 5)
}
