import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { isRefusal } from '../../../src/core/refusal.js'
import { auditBlacklist, blacklistOf, evidenceDigest, subjectOf } from '../../../src/node/blacklist.js'
import { suspensionEvidence } from '../../../src/roles/coordinator/suspension-evidence.js'
import { PolicyChain } from '../../../src/roles/policy/policy-chain.js'
import { seal, statements } from '../../../src/wire/envelope.js'
import type { PolicyBody } from '../../../src/wire/policy/policy-message.js'
import {
  ANN,
  BOB,
  EVE,
  ISSUED_MS,
  messageOf,
  placeOf,
  reported,
  SAMPLE_BODIES,
  SAMPLE_NETWORK,
  SPARE,
  signed,
  WORKER,
} from '../../helpers/sample-policy.js'
import { testSigner } from '../roles/coordinator/world.js'

const HOUR_MS = 3_600_000

/** A chain with these entries behind its genesis. */
async function chainOf(...said: readonly Omit<PolicyBody<'blacklist'>, 'reporter' | 'signature'>[]) {
  const chain = new PolicyChain()
  const genesis = messageOf('genesis', SAMPLE_BODIES.genesis)
  await chain.take(signed(genesis, ANN, BOB))
  for (const each of said) {
    const before = chain.at(chain.head?.sequence ?? 0)?.message ?? genesis
    const message = messageOf('blacklist', reported(EVE, SAMPLE_NETWORK, each), placeOf(before))
    const taken = await chain.take(signed(message, ANN, BOB))
    if (isRefusal(taken)) throw new Error(taken.detail)
  }
  return chain
}

function folderOf(...files: readonly Uint8Array[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'edgecoder-evidence-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const [at, bytes] of files.entries()) writeFileSync(join(folder, `${at}.evidence`), bytes)
  return folder
}

const entry = (evidence: Uint8Array, more: Partial<PolicyBody<'blacklist'>> = {}) => ({
  action: 'add' as const,
  subject: `peer:${WORKER.peer}`,
  reason: 'forged-results' as const,
  evidence: evidenceDigest(evidence),
  expiresMs: 0,
  ...more,
})

/** What a coordinator wrote down against a worker. @param holds whether the worker signed what it handed in */
function against(worker: string, holds: boolean): Uint8Array {
  const signer = testSigner()
  const value = { taskId: 'ann:1', fence: 1n, receiptDigest: new Uint8Array(32) }
  const sealed = seal(signer, SAMPLE_NETWORK, statements.acceptance, value, 5)
  const said = holds ? sealed : { ...sealed, signature: new Uint8Array(64).fill(1) }
  const charge = { reason: 'bad-signature', detail: 'twice', statements: [said] } as const
  return suspensionEvidence(testSigner(), SAMPLE_NETWORK, holds ? signer.peerId : worker, charge, 6)
}

it('finds the evidence by its digest, whatever its name, of entries that were removed too', async () => {
  const [mail, review] = [Buffer.from('spam'), Buffer.from('it was another')]
  const chain = await chainOf(entry(mail), entry(review, { action: 'remove' }))
  const audited = await auditBlacklist(chain, folderOf(review, mail))
  expect(audited).toMatchObject({ network: SAMPLE_NETWORK, messages: 3, faults: [] })
  expect(audited.rows.map(({ action, file }) => [action, file?.slice(-10)])).toEqual([
    ['add', '1.evidence'],
    ['remove', '0.evidence'],
  ])
  expect((await auditBlacklist(chain, folderOf(mail))).faults).toEqual([
    expect.stringContaining(Buffer.from(evidenceDigest(review)).toString('hex')),
  ])
  await expect(auditBlacklist(chain, '/nowhere')).rejects.toMatchObject({ code: 'not-found' })
})

it('looks into what a coordinator wrote down: against whom, and whether it shows anything', async () => {
  const good = against(WORKER.peer, false)
  expect((await auditBlacklist(await chainOf(entry(good)), folderOf(good))).faults).toEqual([])
  const other = against(SPARE.peer, false)
  const audited = await auditBlacklist(await chainOf(entry(other)), folderOf(other))
  expect(audited.faults).toEqual([expect.stringContaining(`evidence against ${SPARE.peer}`)])
  const nothing = against('', true)
  const { faults } = await auditBlacklist(await chainOf(entry(nothing)), folderOf(nothing))
  expect(faults.at(-1)).toMatch(/shows nothing: statement 0 is signed by the worker/)
})

it('lists who is on it, and whose time is over', async () => {
  const mail = Buffer.from('spam')
  const until = ISSUED_MS + HOUR_MS
  const chain = await chainOf(entry(mail), entry(mail, { subject: `peer:${SPARE.peer}`, expiresMs: until }))
  const over = (nowMs: number) => blacklistOf(chain, nowMs).map(({ sequence, isOver }) => [sequence, isOver])
  expect(over(until - 1)).toEqual([
    [1, false],
    [2, false],
  ])
  expect(over(until)).toEqual([
    [1, false],
    [2, true],
  ])
  expect([subjectOf(WORKER.peer), subjectOf('account:ann')]).toEqual([`peer:${WORKER.peer}`, 'account:ann'])
})
