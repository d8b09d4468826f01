import type { Refusal } from '../../core/refusal.js'
import type { TaskHeader } from '../../core/task/task.js'
import type { Accounting, ReleaseReason, SignedOrder } from './accounting.js'
import type { CheckPay } from './check-pay.js'
import type { Outcome } from './outcome-check.js'

interface Components {
  readonly paid: Accounting
  /** How long a run of a check is paid for, at most; undefined = it is no check. */
  readonly mostMs: (taskId: string) => number | undefined
  /** Pays whoever ran a check. */
  readonly pay: Pick<CheckPay, 'pay'>
}

/** Tasks are paid by those who order them, checks by the coordinator that asked for them. */
export class CheckedAccounting implements Accounting {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  hold(signed: SignedOrder, tasks: readonly TaskHeader[]): ReadonlyMap<string, Refusal> {
    return this.#components.paid.hold(
      signed,
      tasks.filter(({ checkOf }) => checkOf === undefined),
    )
  }

  judge(task: Pick<TaskHeader, 'id'>, outcome: Outcome): Refusal | undefined {
    const { paid, mostMs } = this.#components
    return mostMs(task.id) === undefined ? paid.judge(task, outcome) : undefined
  }

  settle(taskId: string, outcome: Outcome): void {
    const { paid, mostMs, pay } = this.#components
    const most = mostMs(taskId)
    if (most === undefined) paid.settle(taskId, outcome)
    else pay.pay(taskId, outcome, most)
  }

  owes(taskId: string): { readonly gateway: string } | undefined {
    return this.#components.paid.owes(taskId)
  }

  isOver(taskId: string): boolean {
    return this.#components.paid.isOver(taskId)
  }

  release(taskId: string, lastFence: bigint, reason: ReleaseReason): void {
    this.#components.paid.release(taskId, lastFence, reason)
  }
}
