import type { HistoryView, WalletView } from '../../core/ledger/wallet-view.js'
import type { Refusal } from '../../core/refusal.js'
import type { TaskStateName } from '../../core/task/task.js'
import type { LogView, PeerView } from '../replication/replication.js'
import type { DrainOrder, DrainView } from './drains.js'
import type { Economy } from './economy.js'
import type { IsolationOrder, IsolationView } from './isolations.js'
import type { LedgerOffice } from './ledger-office.js'
import type { PauseOrder, PauseView } from './pause.js'
import type { QualityView } from './quality.js'
import type { ResumptionOrder, ResumptionView } from './resumption.js'
import type { RolloutView } from './rollout-tally.js'
import type { SuspensionView } from './suspensions.js'

/** A coordinator peer: durable queue, leases and assignment. */
export interface Coordinator {
  /** Reads back its tasks and leases before it serves anybody. @throws EdgeCoderError `store-corrupt` */
  start(): Promise<void>
  stop(): Promise<void>
  status(): CoordinatorStatus
  /** Waiting and running tasks by class, oldest first within a class, at most `limit` in all. */
  queue(limit: number): QueueView
  /** What became of attempts since it started. */
  quality(): QualityView
  /** How far versions that policy rolls out have come among its workers. */
  rollouts(): readonly RolloutView[]
  /** Attached workers and those lately gone. */
  workers(): readonly WorkerView[]
  /** Why a task stands where it stands: every candidate with every reason why not. */
  explain(account: string, taskId: string): ExplainView | Refusal
  /**
   * Gives out no lease from now on, until {@link resume}; leases that are out go on. Stays so over restarts.
   *
   * @throws EdgeCoderError `store-full`, `store-failed`: nothing changed
   */
  pause(order: PauseOrder): Promise<void>
  /**
   * @param staged little is given out at first, and more when that goes well; left out = all of it at once
   * @throws as {@link pause}
   */
  resume(staged?: ResumptionOrder): Promise<void>
  /**
   * Gives a worker nothing new from now on, until {@link undrain}; it finishes what it has, or what is left
   * at the deadline goes to others. Stays so over restarts.
   *
   * @returns `queue-full` @throws as {@link pause}
   */
  drain(order: DrainOrder): Promise<Refusal | undefined>
  /** @returns `not-found` @throws as {@link pause} */
  undrain(worker: string): Promise<Refusal | undefined>
  drains(): readonly DrainView[]
  /**
   * Has nothing to do with a peer from now on, until {@link release}: a worker loses its leases at once, a
   * gateway its links, a coordinator is neither dialled, heard nor cosigned. Stays so over restarts; what is
   * here of it is kept.
   *
   * @returns `bad-request` for itself, `queue-full` @throws as {@link pause}
   */
  isolate(order: IsolationOrder): Promise<Refusal | undefined>
  /** @returns `not-found` @throws as {@link pause} */
  release(peer: string): Promise<Refusal | undefined>
  isolations(): readonly IsolationView[]
  /** Workers that were suspended here on evidence, the newest last; some that are not any more. */
  suspensions(): readonly SuspensionView[]
  /** The file that shows what a worker is suspended for. @returns refuses `not-found` */
  suspensionEvidence(worker: string): Promise<Uint8Array | Refusal>
  /** Ends a suspension before its time. @returns refuses `not-found` @throws EdgeCoderError of the store */
  reinstate(worker: string): Promise<Refusal | undefined>
  /** How its ledger stands; undefined = tasks are not paid in this network. */
  ledger(): LedgerStatus | undefined
  /** What an operator does with its logs; undefined = tasks are not paid in this network. */
  ledgerOffice(): LedgerOffice | undefined
  /** @returns undefined = tasks are not paid in this network; `account-unknown`, `not-home` */
  wallet(account: string): Promise<WalletView | Refusal | undefined>
  /** What came and went, newest first. @param page.before only what entries below it did @returns as `wallet` */
  history(
    account: string,
    page: { readonly before?: number | undefined; readonly limit?: number | undefined },
  ): Promise<HistoryView | Refusal | undefined>
  /** @returns undefined = tasks are not paid in this network; why not, while its log may not be gone on with */
  economy(): Economy | Refusal | undefined
}

/** How one log stands that this coordinator writes, wrote before its home was handed over, or is to begin. */
export interface WrittenLogView {
  readonly origin: string
  readonly home: string
  readonly epoch: number
  /**
   * `sealed` = its home was handed over since; `waiting` = it is not known yet where the log before is cut;
   * `continuing` = the state that it goes on with is being made; `closed` = nothing is appended, see why.
   */
  readonly state: 'serving' | 'sealed' | 'waiting' | 'continuing' | 'closed'
  /** Entries that are durable; while `continuing`: entries of the logs before it that were applied again. */
  readonly entries: number
  /** While `continuing`: of so many. */
  readonly of?: number
  readonly finalEntries: number
  readonly why?: Refusal
}

export interface LedgerStatus {
  /** Name of the log of its own home, or else of the first one that it writes; and of the key that signs for it. */
  readonly origin: string
  /** Entries that are durable under a signed checkpoint, and those on their way to the disk. */
  readonly entries: number
  readonly pendingEntries: number
  /** Of the checkpoint; hexadecimal. */
  readonly root: string
  /** Entries that enough coordinators have cosigned: others may build on them. */
  readonly finalEntries: number
  /** Age of the oldest entry that is not final; 0 = all are. */
  readonly unfinalAgeMs: number
  /** How many coordinators must cosign, this one among them. */
  readonly quorum: number
  /** Logs of homes that are, were or will be this coordinator's. */
  readonly written: readonly WrittenLogView[]
  /** All logs that are here, the own ones among them. */
  readonly logs: readonly LogView[]
  readonly peers: readonly PeerView[]
  /** Newest message of the signed policy that is in force in it. */
  readonly policySequence: number
  readonly notReady?: Refusal
}

export interface CoordinatorStatus {
  readonly notReady?: Refusal
  readonly workers: number
  readonly gateways: number
  readonly queued: number
  readonly leased: number
  readonly running: number
  /** How long the oldest waiting task has waited; 0 = none waits. */
  readonly oldestQueuedMs: number
  readonly done: number
  readonly failed: number
  /** Set (wall clock) while a large share of workers is quiet at once, so that nobody is evicted for it. */
  readonly stormSinceMs?: number
  /** Peers that its owner has isolated. */
  readonly isolated: number
  /** Set while its owner has paused it. That is no fault: it is ready. */
  readonly paused?: PauseView
  /** Set while it resumes in stages. */
  readonly resuming?: ResumptionView
}

export interface QueueView {
  readonly queued: number
  readonly classes: readonly {
    readonly kind: string
    readonly model: string
    readonly languages: readonly string[]
    readonly queued: number
    /** How long its oldest waiting task has waited. */
    readonly oldestMs: number
    readonly feasibleWorkers: number
  }[]
  /** Those with the most unfinished tasks first. */
  readonly accounts: readonly { readonly account: string; readonly unfinished: number }[]
  readonly tasks: readonly {
    readonly id: string
    readonly account: string
    readonly kind: string
    readonly model: string
    readonly state: TaskStateName
    /** When its state began, wall clock. */
    readonly sinceMs: number
    readonly attempts: number
    readonly worker?: string
    readonly why?: Refusal
  }[]
}

export interface WorkerView {
  readonly peerId: string
  readonly agentId: string
  readonly liveness: 'live' | 'quiet' | 'unknown' | 'lost'
  /** Wall clock. */
  readonly lastHeardMs: number
  readonly slots: number
  readonly free: number
  readonly engine: string
  readonly sandbox: string
  readonly models: readonly {
    readonly name: string
    readonly contextTokens: number
    readonly tokensPerS: number
    readonly warm: boolean
    /** What the engine says it is: a SHA-256 in hexadecimal; left out = it does not tell. */
    readonly digest?: string
    /** Why policy does not let it serve; left out = it does. */
    readonly bar?: Refusal
  }[]
  readonly languages: readonly string[]
  readonly done: number
  readonly failed: number
  readonly version: string
}

export interface ExplainView {
  readonly summary: string
  readonly state: TaskStateName
  readonly workers: number
  readonly candidates: readonly {
    readonly worker: string
    readonly agentId: string
    readonly eligible: boolean
    readonly reasons: readonly Refusal[]
  }[]
}
