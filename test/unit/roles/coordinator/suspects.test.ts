import { describe, expect, it } from 'vitest'
import { QUIET_METRICS } from '../../../../scripts/bench/synthetic-peer.js'
import { NEW_RECORD, recordAfter } from '../../../../src/core/verification/worker-record.js'
import { type Case, caseWrite, standingWrite } from '../../../../src/roles/coordinator/case-record.js'
import { CheckMeter } from '../../../../src/roles/coordinator/check-meter.js'
import { Checks } from '../../../../src/roles/coordinator/checks.js'
import { Disputes } from '../../../../src/roles/coordinator/disputes.js'
import { createJournal } from '../../../../src/roles/coordinator/journal.js'
import { KnownAnswers } from '../../../../src/roles/coordinator/known-answers.js'
import { RefutedCases } from '../../../../src/roles/coordinator/refuted-cases.js'
import { Standings } from '../../../../src/roles/coordinator/standings.js'
import type { Charge } from '../../../../src/roles/coordinator/suspension-evidence.js'
import { Verifiers } from '../../../../src/roles/coordinator/verifiers.js'
import { createSeededRandom } from '../../../../src/services/clock/seeded-random.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createMemoryDisk, type MemoryDisk } from '../../../../src/services/store/memory-store.js'
import { seal, statements } from '../../../../src/wire/envelope.js'
import { memoryLog } from '../../../helpers/memory-log.js'
import { seededSigner } from '../../../helpers/signed-ledger.js'

const LIAR = seededSigner(41)
const OTHERS = [42, 43].map(seededSigner)
const TESTS = new Uint8Array(32).fill(3)

function voteOf(signer: typeof LIAR, task: string, outcome: 'passed' | 'failed') {
  const run = { taskId: task, fence: 1n, coordinator: 'c', worker: signer.peerId, gateway: 'g' }
  const digests = { payloadDigest: TESTS, resultDigest: TESTS, checkDigest: TESTS }
  const said = { ...run, ...digests, usage: {}, startedMs: 1n, finishedMs: 2n, verdict: outcome }
  const receipt = seal(signer, 'net', statements.receipt, said, 5)
  return { worker: signer.peerId, owner: signer.peerId, outcome, receipt }
}

const REFUTED: Case = {
  task: 'user:job',
  gateway: 'g',
  fence: 1n,
  checkDigest: TESTS,
  sandbox: 'bubblewrap',
  sandboxMs: 1_000,
  sinceMs: 5,
  votes: [
    voteOf(LIAR, 'user:job', 'failed'),
    ...Array.from({ length: 6 }, (_, at) => voteOf(OTHERS[at % 2] ?? LIAR, `user:c${at}`, 'passed')),
  ],
  checkId: '',
  wrong: LIAR.peerId,
  known: 0,
  probed: '',
}

/** What a coordinator does at its start with what lies on this disk. */
async function started(disk: MemoryDisk) {
  const clock = createVirtualClock(1_000)
  const log = memoryLog()
  const store = disk.open()
  const journal = createJournal({ store, clock, log, metrics: QUIET_METRICS })
  const standings = new Standings({ store, journal })
  const charges: { readonly worker: string; readonly charge: Charge }[] = []
  const refuted: string[] = []
  const verifiers = new Verifiers({
    standings,
    sessions: () => [],
    session: () => undefined,
    ownerOf: () => undefined,
    payable: () => true,
    reconsider: () => {},
  })
  const random = createSeededRandom(1, clock)
  const touch = (): void => journal.flush()
  const checks = new Checks({
    ...{ store, clock, log, journal, standings, random, verifiers, touch },
    meter: new CheckMeter(QUIET_METRICS),
    disputes: new Disputes({ store, clock, log, journal }),
    answers: new KnownAnswers({ random, journal, verifiers }),
    unpayable: () => undefined,
    ask: () => true,
    isUnderWay: () => false,
    wasBegun: () => false,
    drop: () => {},
    refuted: new RefutedCases({
      ...{ journal, standings, touch },
      tell: ({ task }) => void refuted.push(task),
      suspend: async (worker, charge) => void charges.push({ worker, charge }),
    }),
    factor: () => 1,
  })
  await checks.load()
  checks.start()
  await clock.advance(100)
  await store.close()
  return { charges, refuted, standing: standings.get(LIAR.peerId) }
}

describe('a coordinator that was killed', () => {
  it('after it was durable that a worker lies, and before it was suspended, suspends it when it is back, once', async () => {
    const disk = createMemoryDisk((done) => void queueMicrotask(done))
    const store = disk.open()
    const suspect = recordAfter(recordAfter(NEW_RECORD, 'wrong'), 'wrong')
    await store.commit([
      caseWrite(REFUTED),
      standingWrite(LIAR.peerId, { ...suspect, cases: ['user:before', 'user:job'] }),
    ])
    await store.close()
    const { charges, refuted, standing } = await started(disk)
    expect(charges).toHaveLength(1)
    expect(charges[0]).toMatchObject({ worker: LIAR.peerId, charge: { reason: 'forged-results' } })
    const said = charges[0]?.charge.statements.map(({ payload }) => Buffer.from(payload).toString('hex'))
    expect(said).toEqual(REFUTED.votes.map(({ receipt }) => Buffer.from(receipt.payload).toString('hex')))
    expect(refuted).toEqual(['user:job'])
    expect(standing).toEqual({ ...NEW_RECORD, cases: [] })
    expect((await started(disk)).charges).toEqual([])
  })
})
