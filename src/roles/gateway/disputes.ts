import type { Refusal } from '../../core/refusal.js'
import type { DisputeState } from '../../core/verification/dispute.js'

/** How a disputed result stands, as its coordinator has it. */
export interface DisputeView {
  readonly state: DisputeState
  /** In the user's words. */
  readonly reason: string
  /** Wall clock of the coordinator. */
  readonly sinceMs: number
  /** Undecided then at the latest. */
  readonly untilMs: number
  readonly endedMs?: number
  /** Who runs the tests now. @property owner the account of its owner */
  readonly verifier?: { readonly peerId: string; readonly owner: string }
  /** Runs that have said something, that of the result among them. */
  readonly votes: number
  /** What it waits for, or why it ended as it did; for people. */
  readonly detail: string
}

/** Results that users do not believe. All that is known of them is at the coordinator that paid. */
export interface Disputes {
  /**
   * Has others run the tests of a result again; once, however often it is asked for. Refusals:
   * `task-not-found`, `result-pending`, `task-ended` without a result, `bad-request` = it has no tests,
   * `no-coordinator`, `rate-limited`, `not-found` = tasks are not paid here.
   *
   * @param reason at most 256 bytes
   * @throws EdgeCoderError `link-closed`: it is unknown whether it is disputed; ask again
   */
  open(account: string, id: string, reason: string): Promise<DisputeView | Refusal>
  /** Refusals: `task-not-found`, `no-coordinator`; `not-found` = nobody disputes it. */
  show(account: string, id: string): Promise<DisputeView | Refusal>
}
