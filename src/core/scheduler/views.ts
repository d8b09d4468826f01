import type { Refusal } from '../refusal.js'
import type { QueuedTask, TaskHeader, TaskKind } from '../task/task.js'

export interface ModelProfile {
  readonly name: string
  /** 0 = not known. */
  readonly contextTokens: number
  /** Measured; 0 = not yet. */
  readonly tokensPerS: number
  readonly warm: boolean
  /** What its engine says it is: a SHA-256 in hexadecimal; left out = the engine does not tell. */
  readonly digest?: string
  /** Why policy does not let it serve; left out = it does. */
  readonly bar?: Refusal
}

/** What a worker says it can do. */
export interface WorkerProfile {
  readonly peerId: string
  readonly agentId: string
  /** Empty = none. */
  readonly engine: string
  /** Empty = none. */
  readonly sandbox: string
  readonly languages: readonly string[]
  readonly models: readonly ModelProfile[]
  readonly priceFloorMicrocredits: bigint
  /** Whose tasks go before those of others on it: the account it belongs to. Left out = nobody's. */
  readonly ownAccount?: string
}

/** What a task asks of a worker; tasks that ask the same share a class. */
export interface Requirement {
  readonly kind: TaskKind
  /** Empty = any. */
  readonly model: string
  /** Rounded up to eight steps an octave, so that classes stay few; 0 = not known. */
  readonly contextTokens: number
  /** Sorted, without doubles. */
  readonly languages: readonly string[]
  /** Rounded down to three digits, so that classes stay few. */
  readonly priceCapMicrocredits: bigint
}

/** The plan is data: who runs what. */
export interface Assignment {
  readonly task: QueuedTask
  /** Peer id. */
  readonly worker: string
}

export interface SchedulerLimits {
  /** Waiting tasks in all. */
  readonly queued: number
  /** Waiting tasks of one account. */
  readonly queuedPerAccount: number
  /** Accounts with waiting tasks. */
  readonly accounts: number
  /** Task classes with waiting tasks. */
  readonly classes: number
  /** Task classes one account may have waiting at once, so that no account takes them all. */
  readonly classesPerAccount: number
}

export const DEFAULT_LIMITS: SchedulerLimits = {
  queued: 200_000,
  queuedPerAccount: 20_000,
  accounts: 10_000,
  classes: 1_024,
  classesPerAccount: 256,
}

export interface SchedulerOptions {
  readonly limits?: Partial<SchedulerLimits>
  /** Round trip between a worker and a gateway where one is known. */
  readonly latencyMs?: (worker: string, gateway: string) => number | undefined
  /**
   * Who may not have a task whatever it can do, and why. @returns undefined = the task is for anybody. An
   * account has less than {@link RETRIES_SEEN} such tasks waiting: they are looked over one by one.
   */
  readonly choosy?: (header: TaskHeader) => ((worker: string) => Refusal | undefined) | undefined
}

export interface Candidate {
  readonly worker: string
  readonly agentId: string
  readonly eligible: boolean
  /** Every reason why not now; empty when eligible. */
  readonly reasons: readonly Refusal[]
}

export interface Explained {
  /** One sentence: what the task waits for. */
  readonly summary: string
  /** Attached workers in all. */
  readonly workers: number
  /** Of them, those whose capabilities fit, free or not. */
  readonly feasible: number
  readonly candidates: readonly Candidate[]
}

export interface WhyIdleView {
  readonly queued: number
  /** Most tasks first; `tasks` 0 = it holds whatever waits. */
  readonly reasons: readonly { readonly refusal: Refusal; readonly tasks: number }[]
}

export interface ClassView extends Requirement {
  readonly queued: number
  /** When its oldest waiting task was queued, wall clock. */
  readonly oldestMs: number
  /** Attached workers whose capabilities fit, free or not. */
  readonly feasibleWorkers: number
  /** No worker that fits has a free slot, or a task bars them all (what an announcement calls waiting). */
  readonly starved: boolean
}
