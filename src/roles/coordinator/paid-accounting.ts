import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { TaskHeader } from '../../core/task/task.js'
import type { Accounting, ReleaseReason, SignedOrder } from './accounting.js'
import type { LedgerAccounting } from './ledger-accounting.js'
import type { Outcome } from './outcome-check.js'
import type { RoutedLog, WrittenLogs } from './written-logs.js'

/** A log that tasks are paid through. */
type PayingLog = RoutedLog & { readonly accounting: LedgerAccounting }

/**
 * Pays each task through the log that its account belongs to. A task is paid once, whatever several logs have
 * reserved for it: its account may have been spent by a slice while its home was away, and come here since.
 */
export class PaidAccounting implements Accounting {
  readonly #logs: WrittenLogs<PayingLog>

  constructor(logs: WrittenLogs<PayingLog>) {
    this.#logs = logs
  }

  hold(signed: SignedOrder, tasks: readonly TaskHeader[]): ReadonlyMap<string, Refusal> {
    const refused = new Map<string, Refusal>()
    const byLog = new Map<PayingLog, TaskHeader[]>()
    for (const task of tasks) {
      const log = this.#logOf(task)
      if (isRefusal(log)) refused.set(task.id, log)
      else byLog.set(log, [...(byLog.get(log) ?? []), task])
    }
    for (const [log, mine] of byLog) {
      const unheld = log.accounting.hold(signed, mine)
      // What a slice does not pay for waits for the account itself, when its home comes here.
      for (const { id, account } of mine) {
        const why = unheld.get(id)
        if (why !== undefined) refused.set(id, this.#logs.awaited(account) ?? why)
      }
    }
    return refused
  }

  judge(task: Pick<TaskHeader, 'id'>, outcome: Outcome): Refusal | undefined {
    const log = this.#logs.ofTask(task.id)
    return log === undefined ? unheld(task.id) : log.accounting.judge(task, outcome)
  }

  settle(taskId: string, outcome: Outcome): void {
    this.#logs.ofTask(taskId)?.accounting.settle(taskId, outcome)
    // Whatever else was reserved for it is not needed any more.
    this.release(taskId, outcome.worker.value.fence, 'moved')
  }

  owes(taskId: string): { readonly gateway: string } | undefined {
    return this.#logs.holding(taskId)[0]?.accounting.owes(taskId)
  }

  isOver(taskId: string): boolean {
    const log = this.#logs.ofTask(taskId)
    if (log !== undefined) return log.accounting.isOver(taskId)
    return this.#logs.open.some(({ accounting }) => accounting.isOver(taskId))
  }

  release(taskId: string, lastFence: bigint, reason: ReleaseReason): void {
    for (const log of this.#logs.holding(taskId)) log.accounting.release(taskId, lastFence, reason)
  }

  /** What is reserved already stays where it is; what was paid is refused by the log that paid it. */
  #logOf({ id, account }: TaskHeader): PayingLog | Refusal {
    const known = this.#logs.ofTask(id)
    return known?.serves ? known : this.#logs.ofAccount(account)
  }
}

function unheld(task: string): Refusal {
  return refusal('hold-unknown', `no credits are held for ${task}`)
}
