import type { EntryOf } from '../../wire/ledger/entry.js'
import type { Rates, Usage } from '../economy/metering.js'
import type { OpenWindow, Pace } from '../economy/pricing-window.js'
import type { EconomyTerms } from '../economy/terms.js'

/** Which log this is, and how far it is applied. Key: ''. */
export interface LogRecord {
  readonly network: string
  /** Name of the line of logs: the peer id of its first coordinator. Accounts have a home of this name. */
  readonly home: string
  /** Grows with each hand-over of the home; each epoch has a log of its own. */
  readonly epoch: number
  /** Peer id of who writes this log. */
  readonly coordinator: string
  /** Entries applied; the index of the next. */
  readonly size: number
}

/**
 * What the log of a later epoch goes on from. Key: ''. A log of the first epoch has none.
 *
 * Indexes in records (of entries, windows, arrivals) are positions in the line of logs: an entry's index in
 * its own log and `before` together. Below `before` they are of an earlier epoch, and in this log nowhere.
 */
export interface LineRecord {
  /** The epoch that was cut; 0 = nothing was ever written in the earlier ones. */
  readonly epoch: number
  /** Entries of it that count. */
  readonly size: number
  /** Over those entries; undefined = there are none. */
  readonly root: Uint8Array | undefined
  /** Entries that count of all earlier epochs together. */
  readonly before: number
}

/** The policy in force. Key: ''. */
export interface PolicyRecord {
  readonly sequence: number
  readonly digest: Uint8Array
  readonly terms: EconomyTerms
}

/** The latest epoch of a home, as policy says. Key: the home. */
export interface HomeRecord {
  readonly epoch: number
  readonly coordinator: string
}

/** Key: the account, or `account@home` for a slice that this home was allotted. */
export interface AccountRecord {
  readonly role: 'user' | 'contributor'
  readonly home: string
  /** Grows when its home moves. */
  readonly epoch: number
  /** Whose orders may spend; none = any gateway's. */
  readonly gateways: readonly string[]
}

/** What is reserved for a task, and what became of it. Key: the task. */
export interface HoldRecord {
  readonly state: 'held' | 'settled' | 'released'
  readonly account: string
  readonly amount: bigint
  readonly rates: Rates
  /** Of the pricing window that the rates were quoted in, in millionths. */
  readonly multiplier: bigint
  readonly gateway: string
  /** Fences that may be paid are above it. */
  readonly fenceFloor: number
  /** Of the settlement or release; 0 while held. */
  readonly fence: number
  /** As policy had them when the credits were held. */
  readonly feeBasisPoints: bigint
  readonly treasuryBasisPoints: bigint
  /** Set when settled: what each got and has not given back. */
  readonly paid: PaidParts | undefined
  /** Given back to the account after settlement, whoever paid it. */
  readonly reversed: bigint
}

export interface PaidParts {
  /** Account of the worker's owner. */
  readonly account: string
  /** Where the fee went. */
  readonly coordinator: string
  readonly worker: bigint
  readonly fee: bigint
  readonly treasury: bigint
  /** All three, as they were at settlement. */
  readonly cost: bigint
}

/** Key: `kind/id`. Ids of one kind cannot be taken by another: some are foreseeable. */
export interface EntryRecord {
  /** Position in the line of logs; see {@link LineRecord}. */
  readonly index: number
  /** Digest of what the entry says, its time left out. */
  readonly digest: Uint8Array
}

/** Key: the external reference. */
export interface GrantRecord {
  readonly account: string
  readonly amount: bigint
  readonly source: 'issuance' | 'treasury' | 'reserve'
  readonly reversed: bigint
}

/** What came from elsewhere, once. Key: `home/nature/id/account`. */
export interface ArrivalRecord {
  readonly index: number
}

/** A bounded counter: what another home may have spent. Key: `account@home`. */
export interface AllotmentRecord {
  /** Both only ever grow; `returned` never passes `allotted`. */
  readonly allotted: bigint
  readonly returned: bigint
}

/** Key: the task. */
export interface VerdictRecord {
  readonly fence: number
  readonly valid: boolean
  readonly usage: Usage
}

/** Key: the peer id. */
export interface NodeRecord {
  readonly agent: string
  readonly account: string
  readonly role: EntryOf<'enrol'>['role']
  readonly publicKey: Uint8Array
  readonly state: EntryOf<'node-state'>['state']
}

/** Key: the subject. */
export interface BlacklistRecord {
  readonly reason: EntryOf<'blacklist'>['reason']
  readonly evidence: Uint8Array
  readonly expiresMs: number
}

/** The issuance window written last. Key: ''. */
export interface WindowRecord {
  readonly window: number
  readonly part: number
  readonly closed: boolean
}

/** The largest checkpoint seen of another log. Key: its origin. */
export interface CheckpointRecord {
  readonly size: number
  readonly root: Uint8Array
}

/** How a pricing window was opened. Key: the window. */
export interface PriceRecord {
  /** Of its entry. */
  readonly index: number
  readonly timeMs: number
  /** Of the policy in force. */
  readonly sequence: number
  /** The one before, as it was closed. */
  readonly closed: OpenWindow
}

/** What was worked in a log since its last work window, and is not issued for. Key: ''. */
export interface TallyRecord {
  /** The work window that is open: 0, 1, … */
  readonly window: number
  readonly sinceMs: number
  /** Contributors so far; each has an earning, numbered as they came. */
  readonly contributors: number
  /** In work units: settled, and what of it did not hold up. */
  readonly work: bigint
  readonly failed: bigint
  /** Sums of the pricing windows that were closed in it. */
  readonly demand: bigint
  readonly capacity: bigint
}

/** One contributor's part in a work window. Key: `window/number`. */
export interface EarningRecord {
  readonly account: string
  /** Of the account, when it first settled something in the window. */
  readonly home: string
  /** In work units: settled, and what of it did not hold up. */
  readonly work: bigint
  readonly failed: bigint
}

/** Where an account's earning in its latest work window stands. Key: the account. */
export interface EarnerRecord {
  readonly window: number
  readonly number: number
}

/** A work window that is closed: what an issuance may count. Key: the window. */
export interface WorkRecord extends TallyRecord {
  /** Of its entry. */
  readonly index: number
  readonly timeMs: number
  /** Over all its earnings. */
  readonly digest: Uint8Array
}

/** An issuance window. Key: the window, and '' for the latest. */
export interface IssuanceRecord
  extends Pick<
    EntryOf<'issuance-window'>,
    'window' | 'inputs' | 'demand' | 'capacity' | 'load' | 'pool' | 'work' | 'timeMs'
  > {
  /** Of its entry. */
  readonly index: number
  readonly digest: Uint8Array
  /** In force as it was closed. */
  readonly policy: Uint8Array
}

/** All state of a ledger, by table. */
export interface LedgerRecords {
  readonly log: LogRecord
  readonly line: LineRecord
  readonly policy: PolicyRecord
  readonly home: HomeRecord
  readonly account: AccountRecord
  /** Microcredits, key: the name of an account of whatever kind; absent = 0. */
  readonly balance: bigint
  readonly hold: HoldRecord
  readonly entry: EntryRecord
  readonly grant: GrantRecord
  readonly arrival: ArrivalRecord
  readonly allotment: AllotmentRecord
  readonly verdict: VerdictRecord
  readonly node: NodeRecord
  readonly blacklist: BlacklistRecord
  readonly window: WindowRecord
  readonly checkpoint: CheckpointRecord
  /** The open pricing window. Key: ''. */
  readonly pricing: OpenWindow
  /** Key: the peer id of a worker. */
  readonly price: PriceRecord
  readonly pace: Pace
  readonly tally: TallyRecord
  readonly earning: EarningRecord
  readonly earner: EarnerRecord
  readonly work: WorkRecord
  readonly issuance: IssuanceRecord
}

export type Table = keyof LedgerRecords

/**
 * How the rules read state: one record by its key, now. A store behind it reads ahead what an entry needs.
 */
export interface LedgerView {
  get<T extends Table>(table: T, key: string): LedgerRecords[T] | undefined
}

/** A record as it is after an entry; undefined = it is gone. */
export type Change = {
  readonly [T in Table]: {
    readonly table: T
    readonly key: string
    readonly value: LedgerRecords[T] | undefined
  }
}[Table]
