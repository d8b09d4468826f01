import type { Cohort } from '../../core/policy/rollout-offer.js'
import type { Refusal } from '../../core/refusal.js'
import type { MeasuredModel } from './capabilities.js'
import type { TermChanges, TermsView } from './lent-terms.js'
import type { LentFiles } from './models/model-lender.js'

/** A worker peer: attaches to a coordinator, takes leases, runs attempts, delivers to gateways. */
export interface Worker {
  start(): Promise<void>
  /** Declines new leases, lets running attempts finish until `signal` aborts, then hands them back. */
  stop(signal: AbortSignal): Promise<void>
  /** Replaces the models of the engine by what was measured since, and tells every coordinator. */
  learnModels(models: readonly MeasuredModel[]): void
  status(): WorkerStatus
  /** On what terms the machine is lent; undefined = on none. */
  terms(): TermsView | undefined
  /**
   * Changes terms at once, and for later runs. @returns `bad-request`: nothing changed
   *
   * @throws EdgeCoderError `store-full`, `store-failed`: nothing changed
   */
  setTerms(changes: TermChanges): Promise<Refusal | undefined>
  /**
   * Why no work comes, the nearest cause first; empty while it is busy. Asks the coordinator when one is
   * attached.
   */
  whyIdle(signal: AbortSignal): Promise<WhyIdle>
}

export interface WorkerStatus {
  readonly agentId: string
  /** Why it cannot get work now; absent = ready. */
  readonly notReady?: Refusal
  /** Why its contributor's terms keep it from work now. That is no fault: it is ready. */
  readonly closed: TermsView['closed']
  readonly coordinators: readonly {
    readonly peerId: string
    readonly sinceMs: number
    readonly slotsOffered: number
    /** How far its clock is ahead of the one here, at least; absent = it told no time. */
    readonly clockAheadMs?: number
  }[]
  readonly slots: { readonly total: number; readonly busy: number }
  readonly running: readonly {
    readonly taskId: string
    readonly kind: string
    readonly model: string
    readonly fence: string
    readonly stage: string
    readonly sinceMs: number
    readonly tokens: number
  }[]
  readonly engine: string
  readonly sandbox: string
  readonly languages: readonly string[]
  readonly models: readonly {
    readonly name: string
    readonly contextTokens: number
    readonly tokensPerS: number
    readonly warm: boolean
    readonly digest?: string
    /** Why policy does not let it serve; left out = it does. */
    readonly bar?: Refusal
  }[]
  /** Versions that policy offers to it and that it has not. */
  readonly offers: readonly WorkerOffer[]
  readonly finished: { readonly done: number; readonly failed: number }
  /** Model files that other workers can take from it; left out = it has no part in that. */
  readonly lends?: LentFiles
}

/** A version that a rollout has for this worker. */
export interface WorkerOffer {
  readonly rollout: string
  readonly cohort: Cohort
  readonly target: 'runtime' | 'model'
  /** Empty for the runtime. */
  readonly model: string
  /** Of the runtime, or the digest of the model; empty = what there was before the rollout. */
  readonly version: string
  readonly rolledBack: boolean
}

export interface WhyIdle {
  readonly busy: boolean
  readonly queued: number
  readonly reasons: readonly {
    readonly code: string
    readonly detail: string
    readonly tasks: number
    readonly next?: string
    /** When it ends, if that is known; wall clock. */
    readonly untilMs?: number
  }[]
}
