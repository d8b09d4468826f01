import type { Rates } from '../../core/economy/metering.js'
import type { ModelClass } from '../../core/economy/terms.js'
import type { Refusal } from '../../core/refusal.js'

/** The economy as a coordinator's ledger has it. */
export interface Economy {
  /** The open windows, and the newest closed ones, each computed again. @param limit of closed ones, each sort */
  windows(limit: number): Promise<EconomyWindows>
  prices(): PricesView
  /** Where all credits of the logs that are written here are. Reads all balances. */
  supply(): Promise<SupplyView>
  readonly fees: Fees
}

/** What this coordinator has earned by settlements and issuance. */
export interface Fees {
  /** In each log that it writes, or wrote: first those that go on. */
  earned(): readonly EarnedFees[]
  /**
   * Moves it to an account of the home of its log. An id is one draw for ever: asked again, the answer is
   * the same.
   *
   * @returns `insufficient-credits` with the numbers, `account-unknown`, `not-home`, `not-found` for a log
   *   that is not written here, `log-sealed`, `entry-conflict` when the id was another draw; faults of the
   *   store: it may stand all the same
   */
  draw(wanted: FeeDraw): Promise<DrawnFee | Refusal>
}

export interface EarnedFees {
  /** Name of the log. */
  readonly log: string
  /** It can be drawn from. */
  readonly serves: boolean
  /** Microcredits that were not drawn. */
  readonly earned: bigint
  /** That this coordinator is enrolled for; absent = none. */
  readonly account?: string
}

export interface FeeDraw {
  readonly id: string
  /** Microcredits, above 0; absent = all that is there. */
  readonly amount?: bigint | undefined
  /** Absent = the one that this coordinator is enrolled for. */
  readonly account?: string | undefined
  /** Absent = the log of its own home. */
  readonly log?: string | undefined
}

export interface DrawnFee {
  readonly log: string
  /** Of the entry. */
  readonly index: number
  readonly account: string
  readonly amount: bigint
  /** It had been drawn before. */
  readonly existed: boolean
}

export interface EconomyWindows {
  readonly pricing: {
    readonly open: OpenPriceView
    /** Newest first. */
    readonly closed: readonly PriceView[]
  }
  readonly issuance: {
    /** Peer id of the home whose log closes them for the network. */
    readonly closer: string
    /** Absent while that log is not here. */
    readonly open?: OpenIssuanceView
    /** Newest first. */
    readonly closed: readonly IssuanceView[]
  }
}

/** What was seen in a pricing window; work units are microcredits at list prices. */
interface Seen {
  readonly window: number
  /** Wall clock of who writes the log. */
  readonly startMs: number
  /** In force in it, in millionths. */
  readonly multiplier: bigint
  readonly work: bigint
  readonly tasks: number
  /** Tasks that credits were held for at its end. */
  readonly holds: number
  readonly demand: bigint
  readonly capacity: bigint
  /** The multiplier that follows. */
  readonly nextMultiplier: bigint
}

/** As if it closed now. */
export type OpenPriceView = Seen

export interface PriceView extends Seen {
  /** Of the entry that closed it. */
  readonly index: number
  /** The entry says what it comes to when it is computed now. */
  readonly equal: boolean
}

interface Issued {
  readonly window: number
  readonly demand: bigint
  readonly capacity: bigint
  /** Smoothed, in millionths. */
  readonly load: bigint
  /** Microcredits, and what of them goes where. */
  readonly pool: bigint
  readonly work: bigint
  readonly contributors: bigint
  readonly coordinators: bigint
  readonly reserve: bigint
  readonly accounts: number
}

export interface OpenIssuanceView extends Issued {
  readonly sinceMs: number
  /** It may be closed from then on. */
  readonly dueMs: number
  /** When the node computed it last by itself, for its metrics. */
  readonly recalculatedMs?: number
}

export interface IssuanceView extends Issued {
  readonly index: number
  readonly timeMs: number
  readonly inputs: readonly {
    readonly home: string
    readonly epoch: number
    readonly window: number
    /** Hexadecimal. */
    readonly digest: string
  }[]
  readonly equal: boolean
  /** Why it could not be computed here: something that it counts is not here. */
  readonly missing?: string
}

export interface PricesView {
  /** Of the message that set them or the newest one after it. */
  readonly policySequence: number
  readonly list: Rates
  readonly window: number
  readonly startMs: number
  readonly multiplier: bigint
  readonly leastMultiplier: bigint
  readonly mostMultiplier: bigint
  readonly feeBasisPoints: bigint
  readonly treasuryBasisPoints: bigint
  readonly classes: readonly {
    readonly name: ModelClass
    /** Millionths. */
    readonly factor: bigint
    /** What a task is charged now. */
    readonly rates: Rates
  }[]
}

/** All balances of the logs that this coordinator writes; they sum to zero. */
export interface SupplyView {
  /** Made by grants and issuance. */
  readonly issued: bigint
  readonly burnt: bigint
  readonly treasury: bigint
  readonly reserve: bigint
  /** Earned by coordinators and not drawn. */
  readonly fees: bigint
  /** Reserved for tasks. */
  readonly held: bigint
  /** Of users and contributors, and slices of other homes' accounts. */
  readonly accounts: bigint
  /** Left for other homes, less what came from them. */
  readonly inTransit: bigint
  /** All of it, what was issued counted against it: nothing, or the log is wrong. */
  readonly sum: bigint
}
