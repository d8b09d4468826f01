import { isRefusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import { isMalformed } from '../../wire/frame.js'
import { openDispute, refundEntry, refundEvidence } from '../ledger/refund-evidence.js'
import type { PayingLog } from './check-pay.js'
import type { Disputes } from './disputes.js'
import type { WrittenLogs } from './written-logs.js'

interface Components {
  readonly logs: Pick<WrittenLogs<PayingLog>, 'ofTask'>
  readonly disputes: Disputes
  readonly clock: Clock
  readonly log: Log
  /** There is something to be written. */
  readonly touch: () => void
}

/**
 * Gives users back what workers got for results that they dispute, and that a verdict in the ledger has
 * refuted. Each once, as its id follows from task and fence; after a crash it is tried again.
 */
export class Refunds {
  readonly #components: Components
  readonly #networkId: string

  constructor(components: Components, networkId: string) {
    this.#components = components
    this.#networkId = networkId
  }

  /** Nothing happens where the task is not disputed, not refuted, or nothing of it is left to be given back. */
  enter(task: string): void {
    this.#enter(task).catch((cause: unknown) => {
      const error = cause instanceof Error ? cause : new Error(String(cause))
      this.#components.log.error('refund-not-entered', { task, error })
    })
  }

  async #enter(task: string): Promise<void> {
    const { logs, disputes, clock, log, touch } = this.#components
    const dispute = disputes.get(task)
    if (dispute?.state !== 'refuted') return
    const signed = await openDispute(dispute.statement, this.#networkId)
    const { desk } = logs.ofTask(task) ?? {}
    const left = desk?.view.get('hold', task)?.paid?.worker ?? 0n
    // Its verdict is not there yet; who enters that comes here again.
    const isRefuted = desk?.view.get('verdict', task)?.valid === false
    if (isMalformed(signed) || desk === undefined || left === 0n || !isRefuted) return
    const entry = refundEntry(signed, left, dispute.statement, clock.nowMs())
    const outcome = desk.append({ kind: 'refund', entry, evidence: refundEvidence(signed) })
    if (isRefusal(outcome)) {
      log.warn('refund-refused', { task, code: outcome.code, detail: outcome.detail })
      disputes.unmended(task, outcome.detail)
    }
    touch()
  }
}
