import { agreeUsage, divideHold, meter, type Usage } from '../../economy/metering.js'
import { workOf } from '../../economy/pricing-window.js'
import { type Refusal, refusal } from '../../refusal.js'
import { feeAccount, holdAccount, TREASURY, transitAccount } from '../account-name.js'
import { type Draft, unknownAccount } from '../draft.js'
import { type FactsOf, sameValue } from '../facts.js'
import type { HoldRecord, LedgerView } from '../records.js'
import { countWork } from './issuance.js'
import { countHold, countSettled, windowFault } from './pricing.js'
import type { Rule } from './rule.js'

/** Pays a hold out: worker, fee, treasury, and the rest back; once, by what both ends or a verifier say. */
export const settle: Rule<'settle'> = (draft, facts) => {
  const { entry, evidence } = facts
  const late = windowFault(draft, entry.timeMs)
  if (late !== undefined) return late
  const held = openHold(draft, entry.task)
  if ('refused' in held) return held
  if (entry.fence <= held.fenceFloor) {
    return refusal('stale-fence', `fence ${entry.fence} of ${entry.task} is not above ${held.fenceFloor}`)
  }
  const usage = payingUsage(draft, facts, held)
  if ('refused' in usage) return usage
  if (!sameValue(entry.usage, usage)) {
    return refusal('wrong-amount', `the usage of ${entry.task} is not the one that was agreed`)
  }
  const payee = payeeOf(draft, entry.worker)
  if ('refused' in payee) return payee
  const { to, toHome } = payee
  if (entry.to !== to || entry.toHome !== toHome) {
    return refusal(
      'wrong-amount',
      `the account of ${entry.worker} is ${to}, of home ${toHome ?? draft.log.home}`,
    )
  }
  const parts = divideHold(held.amount, meter(held.rates, usage), held)
  const { paid, fee, treasury } = entry
  if (paid !== parts.worker || fee !== parts.fee || treasury !== parts.treasury) {
    return refusal(
      'wrong-amount',
      `${entry.task} pays ${parts.worker} + ${parts.fee} + ${parts.treasury}, not ${paid} + ${fee} + ${treasury}`,
    )
  }
  const { coordinator } = draft.log
  const from = holdAccount(entry.task)
  draft.set({
    table: 'hold',
    key: entry.task,
    value: {
      ...held,
      state: 'settled',
      fence: entry.fence,
      paid: { account: to, coordinator, worker: paid, fee, treasury, cost: parts.cost },
    },
  })
  const work = workOf(parts.cost, held.multiplier)
  countSettled(draft, entry.worker, { work, runMs: evidence.receipt.runMs })
  countWork(draft, to, work)
  return (
    draft.move(from, toHome === undefined ? to : transitAccount(toHome), paid) ??
    draft.move(from, feeAccount(coordinator), fee) ??
    draft.move(from, TREASURY, treasury) ??
    draft.credit(from, held.account, parts.refund)
  )
}

/** Gives a hold back whole: the task ended without a result, or moved to another coordinator. */
export const release: Rule<'release'> = (draft, { entry }) => {
  const held = openHold(draft, entry.task)
  if ('refused' in held) return held
  if (entry.fence < held.fenceFloor) {
    return refusal('stale-fence', `fence ${entry.fence} of ${entry.task} is below ${held.fenceFloor}`)
  }
  draft.set({ table: 'hold', key: entry.task, value: { ...held, state: 'released', fence: entry.fence } })
  countHold(draft, -1)
  return draft.credit(holdAccount(entry.task), held.account, held.amount)
}

/** Whom a settlement pays: the account of the worker's owner. */
export interface Payee {
  readonly to: string
  /** Its home, where the credits go on to; undefined = it is here. */
  readonly toHome: string | undefined
}

/** @returns `not-admitted` when the worker is not enrolled here, `account-unknown` when its account is not open */
export function payeeOf(view: LedgerView, worker: string): Payee | Refusal {
  const node = view.get('node', worker)
  if (node?.role !== 'worker') {
    return refusal('not-admitted', `${worker} is not enrolled as a worker in this ledger`)
  }
  const account = view.get('account', node.account)
  if (account === undefined) return unknownAccount(node.account)
  const isHere = account.home === view.get('log', '')?.home
  return { to: node.account, toHome: isHere ? undefined : account.home }
}

function openHold(draft: Draft, task: string): HoldRecord | Refusal {
  const held = draft.get('hold', task)
  if (held === undefined) return refusal('hold-unknown', `no credits are held for ${task}`)
  return held.state === 'held' ? held : refusal('hold-ended', `the hold of ${task} was ${held.state} already`)
}

/** The usage that counts, or why the two ends and the verifier do not let it count. */
function payingUsage(
  draft: Draft,
  { entry, evidence }: FactsOf<'settle'>,
  held: HoldRecord,
): Usage | Refusal {
  const { receipt, acceptance } = evidence
  const { task, fence, worker } = entry
  if (receipt.task !== task || receipt.fence !== fence || receipt.worker !== worker) {
    return refusal('wrong-evidence', `the receipt is not of ${worker} for fence ${fence} of ${task}`)
  }
  if (receipt.coordinator !== draft.log.coordinator) {
    return refusal('wrong-evidence', `the receipt is for coordinator ${receipt.coordinator}`)
  }
  const verdict = draft.get('verdict', task)
  if (verdict !== undefined && verdict.fence > fence) {
    return refusal('stale-fence', `fence ${verdict.fence} of ${task} was judged already, ${fence} is older`)
  }
  if (verdict?.fence === fence) {
    if (verdict.valid) return verdict.usage
    return refusal('wrong-evidence', `the verifier does not accept the result of fence ${fence} of ${task}`)
  }
  if (acceptance === undefined) {
    return refusal('wrong-evidence', `neither the gateway nor a verifier accepted the result of ${task}`)
  }
  if (acceptance.task !== task || acceptance.fence !== fence || acceptance.gateway !== held.gateway) {
    return refusal('wrong-evidence', `the acceptance is not of ${held.gateway} for fence ${fence} of ${task}`)
  }
  return agreeUsage(receipt.usage, acceptance.usage, draft.policy.terms.usageTolerance)
}
