import type { Clock } from '../../ports/clock.js'
import type { Metrics } from '../../ports/metrics.js'
import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import type { Journal } from './journal.js'
import { receiptKey, receiptWrite } from './task-record.js'

/** Both ends' word on a finished attempt, checked. */
export interface Settlement {
  readonly receipt: Envelope
  readonly acceptance: Envelope
}

/**
 * Carries out what the task life cycle says about credits. Settled work is kept with both signatures, in
 * the same commit as the task's end; holds and releases are counted. No credits move.
 */
export interface Accounting {
  hold(microcredits: bigint): void
  settle(taskId: string, settlement: Settlement): void
  release(): void
}

interface Components {
  readonly journal: Journal
  readonly clock: Clock
  readonly metrics: Metrics
}

export function createAccounting({ journal, clock, metrics }: Components): Accounting {
  const effects = metrics.counter(
    'edgecoder_coordinator_account_effects_total',
    'Holds, settlements and releases that tasks asked for.',
    ['effect'],
  )
  return {
    hold: () => effects.add(1, { effect: 'hold' }),
    settle(taskId, { receipt, acceptance }) {
      effects.add(1, { effect: 'settle' })
      const write = receiptWrite(taskId, receipt, acceptance, clock.nowMs())
      journal.record({ key: receiptKey(taskId), write: () => write })
    },
    release: () => effects.add(1, { effect: 'release' }),
  }
}
