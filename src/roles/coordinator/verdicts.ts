import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import { open, statements } from '../../wire/envelope.js'
import { isMalformed } from '../../wire/frame.js'
import type { EntryOf } from '../../wire/ledger/entry.js'
import { proveVerdict, verdictEntry } from '../ledger/verdict-evidence.js'
import type { Case } from './case-record.js'
import type { PayingLog } from './check-pay.js'
import type { WrittenLogs } from './written-logs.js'

interface Components {
  readonly logs: Pick<WrittenLogs<PayingLog>, 'ofTask'>
  readonly clock: Clock
  readonly log: Log
  readonly touch: () => void
  /** The ledger has it that a result is refuted. Said again after a restart. */
  readonly entered: (task: string) => void
}

/**
 * Enters results that others refuted in the log that paid for them: whoever issues new credits counts them as
 * failed. Each once, as its id follows from task and fence; after a crash it is tried again.
 */
export class Verdicts {
  readonly #components: Components
  readonly #networkId: string

  constructor(components: Components, networkId: string) {
    this.#components = components
    this.#networkId = networkId
  }

  /** @param each a case in which who made the result was wrong */
  enter(each: Case): void {
    this.#enter(each)
      .then((why) => {
        if (why === undefined) this.#components.entered(each.task)
        else this.#refused(each, why)
      })
      .catch((cause: unknown) => {
        const error = cause instanceof Error ? cause : new Error(String(cause))
        this.#components.log.error('verdict-not-entered', { task: each.task, error })
      })
  }

  async #enter(each: Case): Promise<Refusal | undefined> {
    if (this.#isEntered(each)) return undefined
    const entry = await this.#entryOf(each)
    const proven = entry && (await proveVerdict(entry, this.#networkId))
    // Its home may have gone elsewhere meanwhile; then nothing is entered here.
    const log = this.#components.logs.ofTask(each.task)
    if (log === undefined || entry === undefined || proven === undefined) return undefined
    if (isRefusal(proven)) return proven
    const evidence = proven(log.desk.view)
    if (isRefusal(evidence)) return evidence
    const outcome = log.desk.append({ kind: 'verdict', entry, evidence })
    this.#components.touch()
    return isRefusal(outcome) ? outcome : undefined
  }

  #isEntered({ task, fence }: Case): boolean {
    const log = this.#components.logs.ofTask(task)
    return log === undefined || log.desk.view.get('verdict', task)?.fence === Number(fence)
  }

  async #entryOf({ votes }: Case): Promise<EntryOf<'verdict'> | undefined> {
    const [first, second] = votes
    if (first === undefined || second === undefined) return undefined
    const receipt = await open(first.receipt, this.#networkId, statements.receipt)
    if (isMalformed(receipt)) return undefined
    const said = { verifier: second.worker, valid: false, timeMs: this.#components.clock.nowMs() }
    return verdictEntry(
      votes.map((vote) => vote.receipt),
      receipt.value,
      said,
    )
  }

  #refused({ task }: Case, { code, detail }: Refusal): void {
    this.#components.log.warn('verdict-refused', { task, code, detail })
  }
}
