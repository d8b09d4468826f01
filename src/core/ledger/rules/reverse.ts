import { smaller } from '../../economy/fixed-point.js'
import { workOf } from '../../economy/pricing-window.js'
import { splitByWeight } from '../../economy/split.js'
import { type Refusal, refusal } from '../../refusal.js'
import { BURN, feeAccount, holdAccount, RESERVE, TREASURY } from '../account-name.js'
import type { Draft } from '../draft.js'
import { disagreement, type FactsOf } from '../facts.js'
import { countFailed } from './issuance.js'
import type { Rule } from './rule.js'

/** Compensation for an entry that stands: credits go back the way they came, never more than came. */
export const reverse: Rule<'reverse'> = (draft, facts) => {
  const differs = disagreement(facts.entry, facts.evidence)
  if (differs !== undefined) return differs
  return facts.entry.target === 'settle' ? reverseSettle(draft, facts) : reverseGrant(draft, facts)
}

/** Back to who held; taken from those who were paid, in proportion, or from the treasury. */
function reverseSettle(draft: Draft, { entry }: FactsOf<'reverse'>): Refusal | undefined {
  const { key: task, amount, payer } = entry
  const held = draft.get('hold', task)
  const paid = held?.paid
  if (held === undefined || paid === undefined) {
    return refusal('hold-unknown', `${task} was not settled, so nothing of it can be reversed`)
  }
  const left = paid.cost - held.reversed
  if (amount > left) return tooMuch(task, amount, left)
  const reversed = held.reversed + amount
  // What the worker has to give back did not hold up; what the treasury pays may be anybody's fault.
  if (payer === 'parties') countFailed(draft, paid.account, workOf(amount, held.multiplier))
  // By way of the hold's own account, which is empty since the settlement.
  const pot = holdAccount(task)
  if (payer === 'treasury') {
    draft.set({ table: 'hold', key: task, value: { ...held, reversed } })
    return draft.move(TREASURY, pot, amount) ?? draft.credit(pot, held.account, amount)
  }
  const owner = draft.homeAccount(paid.account)
  if ('refused' in owner) return owner
  const [worker = 0n, fee = 0n, treasury = 0n] = splitByWeight(amount, [
    { id: '1 worker', weight: paid.worker },
    { id: '2 fee', weight: paid.fee },
    { id: '3 treasury', weight: paid.treasury },
  ])
  const rest = {
    ...paid,
    worker: paid.worker - worker,
    fee: paid.fee - fee,
    treasury: paid.treasury - treasury,
  }
  draft.set({ table: 'hold', key: task, value: { ...held, reversed, paid: rest } })
  return (
    draft.move(paid.account, pot, worker) ??
    draft.move(feeAccount(paid.coordinator), pot, fee) ??
    draft.move(TREASURY, pot, treasury) ??
    draft.credit(pot, held.account, amount)
  )
}

/**
 * A result that its user disputes was refuted: what its worker got goes back to who held. Fee and treasury
 * keep their shares; others were asked for them.
 */
export const refund: Rule<'refund'> = (draft, { entry, evidence }) => {
  const { task, fence, amount } = entry
  const held = draft.get('hold', task)
  const paid = held?.paid
  if (held === undefined || paid === undefined) {
    return refusal('hold-unknown', `${task} was not settled, so nothing of it can go back`)
  }
  const { gateway } = held
  if (evidence.task !== task || evidence.fence !== fence || evidence.gateway !== gateway) {
    return refusal('wrong-evidence', `the dispute is not of ${gateway} about fence ${fence} of ${task}`)
  }
  const verdict = draft.get('verdict', task)
  if (held.fence !== fence || verdict?.fence !== fence || verdict.valid) {
    return refusal('wrong-evidence', `no verdict has refuted what fence ${fence} of ${task} was paid for`)
  }
  if (amount !== paid.worker) {
    return refusal(
      'wrong-amount',
      `${paid.worker} microcredits of ${task} are with its worker, not ${amount}`,
    )
  }
  const owner = draft.homeAccount(paid.account)
  if ('refused' in owner) return owner
  const pot = holdAccount(task)
  const value = { ...held, reversed: held.reversed + amount, paid: { ...paid, worker: 0n } }
  draft.set({ table: 'hold', key: task, value })
  return draft.move(paid.account, pot, amount) ?? draft.credit(pot, held.account, amount)
}

function reverseGrant(draft: Draft, { entry }: FactsOf<'reverse'>): Refusal | undefined {
  const { key: reference, amount } = entry
  const grant = draft.get('grant', reference)
  if (grant === undefined) return refusal('not-found', `nothing was granted under ${reference}`)
  const left = grant.amount - grant.reversed
  if (amount > left) return tooMuch(reference, amount, left)
  const owner = draft.homeAccount(grant.account)
  if ('refused' in owner) return owner
  draft.set({ table: 'grant', key: reference, value: { ...grant, reversed: grant.reversed + amount } })
  const back = { issuance: BURN, treasury: TREASURY, reserve: RESERVE } as const
  return draft.move(grant.account, back[grant.source], amount)
}

function tooMuch(key: string, amount: bigint, left: bigint): Refusal {
  return refusal('wrong-amount', `${amount} microcredits of ${key}; ${smaller(left, amount)} can be reversed`)
}
