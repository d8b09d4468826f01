/** An account, as the log of its home has it. */
export interface WalletView {
  readonly account: string
  readonly home: string
  readonly isHome: boolean
  /** Microcredits that can be spent. */
  readonly available: bigint
  /** Microcredits reserved for tasks that have not ended, at this coordinator. */
  readonly held: bigint
  /** Of what is available: what no loss of a coordinator can undo, as enough others hold it. */
  readonly final: bigint
  /** Not among what is available: what other homes may spend, by the copies of their logs that are here. */
  readonly slices: bigint
  /** Where the home is elsewhere: microcredits that this coordinator may spend of it. */
  readonly allotted?: bigint
}

/** Whether enough coordinators hold an entry, and found it valid. */
export type EntryStanding = 'final' | 'pending'

/** What one entry did to an account. */
export interface WalletRowView {
  /** Position of the entry in the logs of the account’s home: its index, while that was not handed over. */
  readonly entry: number
  /** Wall clock of who wrote it. */
  readonly timeMs: number
  /** Kind of the entry; `unknown` = it cannot be read. */
  readonly kind: string
  /** Microcredits that came (above zero) or went, and what there was after it. */
  readonly amount: bigint
  readonly balance: bigint
  /** The task, the other account or home, or the reference; of several tasks the first. */
  readonly about: string
  /** How many tasks; 1 for all else. */
  readonly count: number
  /** What the sender of a transfer says about it, or until when a result that was paid is disputed; else empty. */
  readonly note: string
  readonly standing: EntryStanding
}

export interface HistoryView {
  readonly account: string
  readonly rows: readonly WalletRowView[]
  /** The `before` of the next page; absent = there is none. */
  readonly next?: number
}

/** What was reserved for a task, and what became of it. */
export interface PaymentView {
  readonly state: 'held' | 'settled' | 'released'
  /** Microcredits: reserved; paid in the end; and given back of those later. */
  readonly held: bigint
  readonly cost: bigint
  readonly reversed: bigint
  /** Of the entry that ended it; pending while it is held. */
  readonly standing: EntryStanding
}

/** Credits that were sent. */
export interface TransferView {
  /** The client's id. */
  readonly id: string
  /** Index of the entry in the log of the sender's home. */
  readonly entry: number
  readonly toHome: string
  /** They go to another home, and have yet to arrive there. */
  readonly inTransit: boolean
  readonly standing: EntryStanding
}
