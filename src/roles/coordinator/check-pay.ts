import { smaller } from '../../core/economy/fixed-point.js'
import { meter, quoteRates } from '../../core/economy/metering.js'
import { feeAccount } from '../../core/ledger/account-name.js'
import { payeeOf } from '../../core/ledger/rules/settle.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import { derivedEntryId } from '../../wire/ledger/entry.js'
import type { LedgerGate } from '../policy/incident-policy.js'
import type { Outcome } from './outcome-check.js'
import type { WrittenLog } from './written-log.js'
import type { WrittenLogs } from './written-logs.js'

/** What is asked of a log that checks are paid through; a {@link WrittenLog} is one. */
export type PayingLog = Pick<WrittenLog, 'home' | 'epoch' | 'serves'> & {
  readonly desk: Pick<WrittenLog['desk'], 'view' | 'isOpen' | 'closed' | 'origin' | 'append'>
}

interface Components {
  readonly logs: Pick<WrittenLogs<PayingLog>, 'primary'>
  /** Peer id of this coordinator. */
  readonly coordinator: string
  /** What an incident closes. */
  readonly gate: LedgerGate
  readonly clock: Clock
  readonly log: Log
}

/**
 * Pays checks out of the fees that this coordinator has earned, by an entry of its own, which can give no
 * more than there is. So nothing is minted for a check, and no user pays for the proof of another's work.
 */
export class CheckPay {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  /** Is the home of the account here, so that fees can go to it? */
  payable(account: string): boolean {
    const { view } = this.#components.logs.primary.desk
    const home = view.get('log', '')?.home
    return home !== undefined && view.get('account', account)?.home === home
  }

  /** Why a check that takes so long cannot be paid now; undefined = it can. */
  unpayable(sandboxMs: number): Refusal | undefined {
    const { logs, gate } = this.#components
    const { desk } = logs.primary
    const closed = desk.closed ?? gate(desk.view, 'payouts')
    if (closed !== undefined) return closed
    const cost = this.#cost(sandboxMs)
    const earned = this.#earned
    if (cost <= earned) return undefined
    return refusal('insufficient-credits', `a check costs ${cost} microcredits, and ${earned} are earned`)
  }

  /** In the commit of the check's end; once for each. One that cost more than is left gets what is left. */
  pay(checkId: string, outcome: Outcome, mostMs: number): void {
    const { logs, clock, log, gate } = this.#components
    const { desk } = logs.primary
    const closed = gate(desk.view, 'payouts')
    if (closed !== undefined) {
      log.error('check-unpaid', { task: checkId, code: closed.code, detail: closed.detail })
      return
    }
    const payee = payeeOf(desk.view, outcome.worker.signer)
    const cost = this.#cost(Math.min(mostMs, outcome.worker.value.usage?.sandboxMs ?? 0))
    const amount = smaller(cost, this.#earned)
    if (amount < cost)
      log.warn('check-underpaid', { task: checkId, cost: String(cost), paid: String(amount) })
    if (isRefusal(payee) || amount === 0n) return
    const id = derivedEntryId('fee', checkId, String(outcome.worker.value.fence))
    const entry = { kind: 'fee', id, timeMs: clock.nowMs(), account: payee.to, amount } as const
    const result = desk.append({ kind: 'fee', entry, evidence: undefined })
    if (!isRefusal(result)) return
    log.error('check-unpaid', { task: checkId, code: result.code, detail: result.detail })
  }

  get #earned(): bigint {
    return (
      this.#components.logs.primary.desk.view.get('balance', feeAccount(this.#components.coordinator)) ?? 0n
    )
  }

  /** Of the sandbox alone, at the prices of now. */
  #cost(sandboxMs: number): bigint {
    const { view } = this.#components.logs.primary.desk
    const terms = view.get('policy', '')?.terms
    const multiplier = view.get('pricing', '')?.multiplier
    if (terms === undefined || multiplier === undefined) return 0n
    return meter(quoteRates(terms, 'tiny', multiplier), { inputTokens: 0, outputTokens: 0, sandboxMs })
  }
}
