import type { Refusal } from '../../core/refusal.js'
import type { TaskHeader } from '../../core/task/task.js'
import type { Clock } from '../../ports/clock.js'
import type { Metrics } from '../../ports/metrics.js'
import type { Verified } from '../../wire/envelope.js'
import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import type { Order } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import type { Journal } from './journal.js'
import type { Outcome } from './outcome-check.js'
import { receiptKey, receiptWrite } from './task-record.js'

/** A gateway's order as it came, and what it says. */
export interface SignedOrder {
  readonly envelope: Envelope
  readonly order: Verified<Order>
}

/** Why a task ends without being paid. */
export type ReleaseReason = 'failed' | 'cancelled' | 'expired' | 'moved'

/**
 * Carries out what the task life cycle says about credits. Whatever is written goes into the journal, and so
 * into the same commit as the state of the task.
 */
export interface Accounting {
  /**
   * Reserves credits for new tasks of one order. Asked before the tasks are taken.
   *
   * @returns why it cannot be done, by task id; for all others it is done
   */
  hold(signed: SignedOrder, tasks: readonly TaskHeader[]): ReadonlyMap<string, Refusal>
  /** @returns why this outcome would not be paid; asked before it ends the task */
  judge(task: Pick<TaskHeader, 'id'>, outcome: Outcome): Refusal | undefined
  /** Pays the worker by the outcome, and gives the rest back. */
  settle(taskId: string, outcome: Outcome): void
  /**
   * Credits are held for the task, be it here or not: a log can come back from other coordinators, tasks
   * cannot.
   *
   * @returns the gateway at whose word it is paid
   */
  owes(taskId: string): { readonly gateway: string } | undefined
  /** It was paid, or what was reserved for it given back; a record of a task that says else is an old one. */
  isOver(taskId: string): boolean
  /** Gives back what is reserved for the task. */
  release(taskId: string, lastFence: bigint, reason: ReleaseReason): void
}

interface Components {
  readonly journal: Journal
  readonly clock: Clock
  readonly metrics: Metrics
}

/**
 * Of a network without a ledger: receipts are kept with both signatures, effects are counted, no credits
 * move.
 */
export function createUnpaidAccounting({ journal, clock, metrics }: Components): Accounting {
  const effects = metrics.counter(
    'edgecoder_coordinator_account_effects_total',
    'Holds, settlements and releases that tasks asked for.',
    ['effect'],
  )
  return {
    hold(_signed, tasks) {
      effects.add(tasks.length, { effect: 'hold' })
      return new Map()
    },
    judge: () => undefined,
    owes: () => undefined,
    isOver: () => false,
    settle(taskId, { receipt, acceptance }) {
      effects.add(1, { effect: 'settle' })
      const write = receiptWrite(taskId, receipt, acceptance, clock.nowMs())
      journal.record({ key: receiptKey(taskId), write: () => write })
    },
    release: () => effects.add(1, { effect: 'release' }),
  }
}
