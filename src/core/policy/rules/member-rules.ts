import { type Refusal, refusal } from '../../refusal.js'
import { stands } from '../blacklist.js'
import { gateRefusal } from '../incident-gate.js'
import type { PolicyDraft } from '../policy-draft.js'
import type { PolicyRule } from './policy-rule.js'

/** An account is opened, or changes under a larger epoch; its home is one that a coordinator began. */
export const account: PolicyRule<'account'> = (draft, { body }) => {
  const { account: name, role, home, epoch, gateways } = body
  if (draft.get('home', home) === undefined) {
    return refusal('not-found', `no coordinator ever began a home ${home}`)
  }
  const before = draft.get('account', name)?.epoch ?? 0
  if (epoch <= before) {
    return refusal('policy-conflict', `epoch ${epoch} of ${name} is not above ${before}`)
  }
  draft.set({ table: 'account', key: name, value: { role, home, epoch, gateways } })
  return undefined
}

/** A peer waits for admission; only who was revoked may be enrolled again, and nobody while an incident says so. */
export const enrol: PolicyRule<'enrol'> = (draft, { body: { node, agent, account: owner, role } }) => {
  const closed = gate(draft, 'enrollments')
  if (closed !== undefined) return closed
  const { peer, publicKey } = node
  const before = draft.get('node', peer)
  if (before !== undefined && before.state !== 'revoked') {
    return refusal('policy-conflict', `${peer} is enrolled already, for ${before.account}`)
  }
  if (draft.get('account', owner) === undefined) return unknownAccount(owner)
  draft.set({ table: 'node', key: peer, value: { agent, account: owner, role, publicKey, state: 'pending' } })
  return undefined
}

export const nodeState: PolicyRule<'node-state'> = (draft, { body: { peer, state } }) => {
  const node = draft.get('node', peer)
  if (node === undefined) return refusal('not-found', `${peer} is not enrolled`)
  if (node.state === 'revoked') return refusal('policy-conflict', `${peer} was revoked: enrol it again`)
  // Who waits is let in for the first time; who was held off comes back.
  const closed = node.state === 'pending' && state === 'active' ? gate(draft, 'enrollments') : undefined
  if (closed !== undefined) return closed
  draft.set({ table: 'node', key: peer, value: { ...node, state } })
  return undefined
}

/** Credits for an account, once for each external reference, for ever. */
export const grant: PolicyRule<'grant'> = (
  draft,
  { body: { account: owner, amount, source, reference } },
) => {
  const closed = gate(draft, 'payouts')
  if (closed !== undefined) return closed
  if (draft.get('account', owner) === undefined) return unknownAccount(owner)
  if (draft.get('grant', reference) !== undefined) {
    return refusal('policy-conflict', `something was granted under ${reference} already`)
  }
  draft.set({ table: 'grant', key: reference, value: { account: owner, amount, source, reversed: 0n } })
  return undefined
}

/** What was granted is counted here; what was settled is known to the ledger only, which has the last word. */
export const reverse: PolicyRule<'reverse'> = (draft, { body: { target, key, amount } }) => {
  if (target === 'settle') return undefined
  const granted = draft.get('grant', key)
  if (granted === undefined) return refusal('not-found', `nothing was granted under ${key}`)
  const left = granted.amount - granted.reversed
  if (amount > left) {
    return refusal('wrong-amount', `${amount} microcredits of ${key}; ${left} can be reversed`)
  }
  draft.set({ table: 'grant', key, value: { ...granted, reversed: granted.reversed + amount } })
  return undefined
}

function gate(draft: PolicyDraft, path: 'enrollments' | 'payouts'): Refusal | undefined {
  return gateRefusal(draft.get('incident', ''), path)
}

/** Adding again changes reason, evidence and time; an account must be one that there is. */
export const blacklist: PolicyRule<'blacklist'> = (draft, { sequence, issuedMs, body }) => {
  const { subject, action, reason, evidence, expiresMs, reporter } = body
  if (stands(draft.get('blacklist', `key:${reporter}`), issuedMs)) {
    return refusal('policy-conflict', 'its reporter is on the blacklist')
  }
  if (action === 'remove') {
    if (draft.get('blacklist', subject) === undefined)
      return refusal('not-found', `${subject} is not on the blacklist`)
    draft.set({ table: 'blacklist', key: subject, value: undefined })
    return undefined
  }
  const account = subject.startsWith('account:') ? subject.slice('account:'.length) : undefined
  if (account !== undefined && draft.get('account', account) === undefined) return unknownAccount(account)
  draft.set({
    table: 'blacklist',
    key: subject,
    value: { reason, evidence, expiresMs, reporter, sequence },
  })
  return undefined
}

function unknownAccount(account: string): Refusal {
  return refusal('account-unknown', `no account ${account} in this network`, {
    next: 'Open it first: edgecoder admin policy draft account.',
  })
}
