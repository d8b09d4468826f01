import type { Refusal } from '../../core/refusal.js'
import type { MeasuredModel } from './capabilities.js'

/** A worker peer: attaches to a coordinator, takes leases, runs attempts, delivers to gateways. */
export interface Worker {
  start(): Promise<void>
  /** Declines new leases, lets running attempts finish until `signal` aborts, then hands them back. */
  stop(signal: AbortSignal): Promise<void>
  /** Replaces the models of the engine by what was measured since, and tells every coordinator. */
  learnModels(models: readonly MeasuredModel[]): void
  status(): WorkerStatus
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
  readonly coordinators: readonly {
    readonly peerId: string
    readonly sinceMs: number
    readonly slotsOffered: number
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
  }[]
  readonly finished: { readonly done: number; readonly failed: number }
}

export interface WhyIdle {
  readonly busy: boolean
  readonly queued: number
  readonly reasons: readonly {
    readonly code: string
    readonly detail: string
    readonly tasks: number
    readonly next?: string
  }[]
}
