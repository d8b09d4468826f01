import type { HistoryView, PaymentView, TransferView, WalletView } from '../../core/ledger/wallet-view.js'
import type { Refusal } from '../../core/refusal.js'

/** Credits of this gateway's users, as the attached coordinator has them. Refuses `no-coordinator`, too. */
export interface Wallets {
  /** Refusals: `account-unknown`, `not-admitted`, `not-home`; `not-found` = tasks are not paid here. */
  balance(account: string): Promise<WalletView | Refusal>
  /** Newest first; `before` is the `next` of the page before. Refusals as `balance`. */
  history(
    account: string,
    page: { readonly limit: number; readonly before?: number | undefined },
  ): Promise<HistoryView | Refusal>
  /** What was reserved for a task of this gateway. Refusals: `hold-unknown`, `not-found`. */
  payment(account: string, id: string): Promise<PaymentView | Refusal>
  /**
   * Sends credits; durable when it resolves with a view. The same account and id with the same content again
   * answers with the transfer that was made (`existed`). Refusals: `insufficient-credits` with the numbers,
   * `entry-conflict`, `account-unknown`, `not-admitted`, `not-home`.
   *
   * @throws EdgeCoderError `link-closed`: it is unknown whether it was made; send it again under the same id
   */
  transfer(request: TransferRequest): Promise<Sent | Refusal>
}

export interface TransferRequest {
  /** The client's idempotency key, 1–64 of A-Z a-z 0-9 . _ - */
  readonly id: string
  /** Who pays. */
  readonly account: string
  readonly to: string
  /** Microcredits, above zero. */
  readonly amount: bigint
  /** Words for who is paid, at most 256 bytes; whoever keeps the ledger can read them. */
  readonly note?: string | undefined
}

export interface Sent {
  readonly transfer: TransferView
  /** It was made before; nothing was paid again. */
  readonly existed: boolean
}
