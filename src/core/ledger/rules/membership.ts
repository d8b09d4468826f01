import { workOf } from '../../economy/pricing-window.js'
import { type Refusal, refusal } from '../../refusal.js'
import { unknownAccount } from '../draft.js'
import { disagreement } from '../facts.js'
import { countFailed } from './issuance.js'
import type { Rule } from './rule.js'

/** An account becomes known, or its home moves, and its credits follow it; the epoch only grows. */
export const open: Rule<'open'> = (draft, { entry, evidence }) => {
  const differs = disagreement(entry, evidence)
  if (differs !== undefined) return differs
  const { account, role, home, epoch, gateways } = entry
  const before = draft.get('account', account)
  if (before !== undefined && epoch <= before.epoch) {
    return refusal('entry-conflict', `${account} is open already, in epoch ${before.epoch}`)
  }
  draft.set({ table: 'account', key: account, value: { role, home, epoch, gateways } })
  return undefined
}

/** Binds a peer to its owner's account; it waits for approval. Only who was revoked may be enrolled again. */
export const enrol: Rule<'enrol'> = (draft, { entry, evidence }) => {
  const differs = disagreement(entry, evidence)
  if (differs !== undefined) return differs
  const { peer, agent, account, role, publicKey } = entry
  const before = draft.get('node', peer)
  if (before !== undefined && before.state !== 'revoked') {
    return refusal('entry-conflict', `${peer} is enrolled already, for ${before.account}`)
  }
  if (draft.get('account', account) === undefined) return unknownAccount(account)
  draft.set({ table: 'node', key: peer, value: { agent, account, role, publicKey, state: 'pending' } })
  return undefined
}

export const nodeState: Rule<'node-state'> = (draft, { entry, evidence }) => {
  const differs = disagreement(entry, evidence)
  if (differs !== undefined) return differs
  const node = draft.get('node', entry.peer)
  if (node === undefined) return refusal('not-found', `${entry.peer} is not enrolled`)
  if (node.state === 'revoked') return refusal('entry-conflict', `${entry.peer} was revoked: enrol it again`)
  draft.set({ table: 'node', key: entry.peer, value: { ...node, state: entry.state } })
  return undefined
}

export const blacklist: Rule<'blacklist'> = (draft, { entry, evidence }) => {
  const differs = disagreement(entry, evidence)
  if (differs !== undefined) return differs
  const { subject: key, action, reason, evidence: proof, expiresMs } = entry
  if (action === 'add') {
    draft.set({ table: 'blacklist', key, value: { reason, evidence: proof, expiresMs } })
    return undefined
  }
  if (draft.get('blacklist', key) === undefined) return refusal('not-found', `${key} is not on the blacklist`)
  draft.set({ table: 'blacklist', key, value: undefined })
  return undefined
}

/** A verifier's word; on one task each is of a later attempt than the one before. */
export const verdict: Rule<'verdict'> = (draft, { entry, evidence }) => {
  const differs = disagreement(entry, evidence)
  if (differs !== undefined) return differs
  const { task, fence, valid, usage } = entry
  const refused = judgedBefore(
    draft.get('hold', task)?.fenceFloor,
    draft.get('verdict', task)?.fence,
    fence,
    task,
  )
  if (refused !== undefined) return refused
  draft.set({ table: 'verdict', key: task, value: { fence, valid, usage } })
  const held = draft.get('hold', task)
  // Of an attempt that was not paid the ledger does not know who made it.
  if (!valid && held?.paid !== undefined && held.fence === fence) {
    countFailed(draft, held.paid.account, workOf(held.paid.cost, held.multiplier))
  }
  return undefined
}

function judgedBefore(
  floor: number | undefined,
  judged: number | undefined,
  fence: number,
  task: string,
): Refusal | undefined {
  if (floor === undefined) return refusal('hold-unknown', `no credits are held for ${task}`)
  if (fence > Math.max(floor, judged ?? 0)) return undefined
  return refusal('stale-fence', `fence ${fence} of ${task} is not above ${Math.max(floor, judged ?? 0)}`)
}
