import type { Quote } from '../../core/economy/quote.js'
import type { Evidence } from '../../core/ledger/facts.js'
import type { LedgerView } from '../../core/ledger/records.js'
import type { Refusal } from '../../core/refusal.js'
import type { TaskHeader } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import type { EntryKind, EntryOf } from '../../wire/ledger/entry.js'
import type { LedgerGate } from '../policy/incident-policy.js'

/**
 * What an entry's statements say, once their signatures hold: a function of the state at the entry's place in
 * the log, since who may sign and what is charged is as it was there. Asked right before the entry is
 * applied.
 */
export type Proven<Kind extends EntryKind> = (view: LedgerView) => Evidence[Kind] | Refusal

/** Kinds whose evidence is a matter of policy, membership, economy or of other logs, and not of a task. */
export type PolicyKind = Exclude<
  EntryKind,
  'hold' | 'settle' | 'release' | 'fee' | 'return' | 'price-window' | 'work-window'
>

/**
 * Statements of admins and owners, other logs' checkpoints, and windows: what they say, and who may say it.
 */
export interface PolicyStatements {
  /**
   * Checks the signatures within an entry, off the caller's thread; or says which does not hold. At once
   * where there is none to check, as an audit asks for millions.
   */
  prove<Kind extends PolicyKind>(entry: EntryOf<Kind>): Awaitable<Proven<Kind> | Refusal>
  /** May this peer sign orders and transfers for users, by the policy that is in force in this state? */
  readonly isGateway: GatewayAdmission
  /** What an incident closes, by the policy that is in force in a state. */
  readonly gate: LedgerGate
}

export type GatewayAdmission = (view: LedgerView, gateway: string) => boolean

/** A promise only when it must be one. */
export type Awaitable<T> = T | Promise<T>

/** What tasks are charged. */
export interface Quotes {
  /** What the task is charged at most and by which rates, as policy and pricing window have them in this state. */
  quoteOf(view: LedgerView, header: TaskHeader): Quote | Refusal
}
