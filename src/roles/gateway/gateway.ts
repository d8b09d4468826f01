import type { Refusal } from '../../core/refusal.js'
import type { TaskKind, TaskStateName } from '../../core/task/task.js'
import type { ChatMessage } from '../../ports/engine.js'
import type { Language, SandboxFile, SandboxLimits } from '../../ports/sandbox.js'
import type { Disputes } from './disputes.js'
import type { Wallets } from './wallets.js'

/**
 * How a user's tasks are submitted, followed and fetched: what the bridge, and any other front, stands on.
 */
export interface Gateway {
  start(): Promise<void>
  /** Before, it does not know its tasks and must not be asked. */
  readonly started: boolean
  /** Takes nothing new, keeps what is durable, closes links; running attempts go on at their workers. */
  stop(): Promise<void>
  /**
   * Durable here and at a coordinator when it resolves with a view. The same id with the same content again
   * answers with the existing task (`existed`); with other content it is refused (`task-conflict`).
   */
  submit(request: TaskRequest): Promise<Submission | Refusal>
  task(account: string, id: string): Promise<TaskView | undefined>
  /** Newest first. `cursor` is the `next` of the page before. */
  tasks(
    account: string,
    page: { readonly limit: number; readonly cursor?: string; readonly state?: TaskStateName },
  ): Promise<TaskPage>
  /**
   * Cancelled for its user, durably, when it resolves with a view; its coordinator is told now, or when it is
   * back. Refusals: `task-not-found`, `task-ended`.
   */
  cancel(account: string, id: string, reason: 'user' | 'client-gone'): Promise<TaskView | Refusal>
  /**
   * Everything that happened from the start (or after `after`), then live; ends with the task's end.
   * Bounded: old text events of a long run are folded into one.
   */
  events(
    account: string,
    id: string,
    options: { readonly after?: number; readonly signal: AbortSignal },
  ): AsyncIterable<TaskProgress>
  /** Refusals: `task-not-found`, `result-pending`, or why the task ended without one. */
  result(account: string, id: string): Promise<TaskResult | Refusal>
  explain(account: string, id: string): Promise<Explanation | Refusal>
  capacity(): Capacity
  status(): GatewayStatus
  readonly wallets: Wallets
  /** Results that users do not believe. */
  readonly disputes: Disputes
}

interface TaskRequestBase {
  /** The client's idempotency key, 1–64 of A-Z a-z 0-9 . _ -; one is made when absent. */
  readonly id?: string
  readonly account: string
  readonly priceCapMicrocredits?: bigint
  /** Wall clock; absent = none. */
  readonly deadlineMs?: number
  /** 1–10, default 3. */
  readonly maxAttempts?: number
  /** Default 10 minutes. */
  readonly maxRunMs?: number
}

export interface SamplingRequest {
  readonly temperature?: number
  readonly topP?: number
  readonly seed?: number
  readonly stop?: readonly string[]
}

/** Files and the command that tests them. */
export interface SuiteRequest {
  readonly files: readonly SandboxFile[]
  readonly command: readonly string[]
  readonly language: Language
  /** Each absent bound gets its default: wall 30 s, CPU 20 s, 512 MiB, 64 processes, 256 KiB of output. */
  readonly limits?: Partial<SandboxLimits>
}

export interface HiddenTests {
  /** Laid over the files of the suite and of the answer. */
  readonly files: readonly SandboxFile[]
  readonly command: readonly string[]
}

export interface ChatRequest extends TaskRequestBase {
  readonly kind: 'chat'
  /** Empty = any. */
  readonly model: string
  readonly messages: readonly ChatMessage[]
  readonly maxOutputTokens?: number
  readonly sampling?: SamplingRequest
}

export interface SolveRequest extends TaskRequestBase {
  readonly kind: 'solve'
  readonly model: string
  readonly instructions: string
  readonly suite: SuiteRequest
  /** Tests that its worker never sees: tried by another one once those of the suite have passed. */
  readonly hidden?: HiddenTests
  /** File to write when the instructions name none. */
  readonly target?: string
  /** Default 4. */
  readonly maxIterations?: number
  readonly maxOutputTokens?: number
  readonly sampling?: SamplingRequest
}

export interface TestRequest extends TaskRequestBase {
  readonly kind: 'test'
  readonly suite: SuiteRequest
}

export type TaskRequest = ChatRequest | SolveRequest | TestRequest

export interface Submission {
  readonly task: TaskView
  /** It was known already; nothing was submitted again. */
  readonly existed: boolean
}

/** A task as its user sees it. */
export interface TaskView {
  /** The client's id, without the account. */
  readonly id: string
  readonly account: string
  readonly kind: TaskKind
  readonly model: string
  /** `submitting` = durable here, not yet at a coordinator (none is attached). */
  readonly state: TaskStateName | 'submitting'
  readonly submittedMs: number
  readonly endedMs?: number
  readonly attempt: number
  readonly maxAttempts: number
  readonly worker?: { readonly peerId: string; readonly agentId: string }
  readonly coordinator?: string
  /** While queued: tasks ahead in its class. */
  readonly position?: number
  /** Why it waits, was put back, failed, was cancelled or expired. */
  readonly why?: Refusal
  readonly usage?: UsageView
  /** What hidden tests came to, of a solve that had some and passed its own. */
  readonly hidden?: HiddenView
  /** When each step happened, wall clock. */
  readonly steps: readonly { readonly name: string; readonly atMs: number }[]
}

/** `passed`, `failed`, the bound that ended the run, `pending`; or `untried` when nobody could run them. */
export interface HiddenView {
  readonly verdict: string
}

export interface UsageView {
  readonly promptTokens: number
  readonly completionTokens: number
  readonly engineMs: number
  readonly sandboxMs: number
  readonly model: string
  readonly iterations: number
}

export interface TaskPage {
  readonly tasks: readonly TaskView[]
  readonly next?: string
}

/** One thing that happened; `seq` grows by task and is the SSE event id. */
export type TaskProgress =
  | { readonly seq: number; readonly type: 'state'; readonly task: TaskView }
  /** Tokens as they come. */
  | { readonly seq: number; readonly type: 'text'; readonly attempt: number; readonly text: string }
  /** A step of solve or test: plan, code, test, mend. */
  | {
      readonly seq: number
      readonly type: 'stage'
      readonly attempt: number
      readonly stage: string
      readonly iteration: number
      readonly text: string
    }
  /** A new attempt began; text of the one before is void. */
  | { readonly seq: number; readonly type: 'reset'; readonly attempt: number }

export interface TestReportView {
  readonly verdict: string
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  readonly truncated: boolean
  readonly durationMs: number
  readonly sandbox: string
}

export type TaskResult = { readonly task: TaskView; readonly usage: UsageView } & (
  | { readonly kind: 'chat'; readonly text: string; readonly finishReason: 'stop' | 'length' }
  | {
      readonly kind: 'solve'
      readonly solved: boolean
      readonly patch: string
      readonly files: readonly SandboxFile[]
      readonly report: TestReportView
      readonly iterations: number
    }
  | { readonly kind: 'test'; readonly report: TestReportView }
)

/** Why a task stands where it stands. */
export interface Explanation {
  readonly task: TaskView
  readonly summary: string
  readonly workers: number
  readonly candidates: readonly {
    readonly worker: string
    readonly agentId: string
    readonly eligible: boolean
    readonly reasons: readonly Refusal[]
  }[]
}

/** What the mesh can do now, as the attached coordinator sees it. */
export interface Capacity {
  readonly models: readonly {
    readonly name: string
    readonly contextTokens: number
    readonly tokensPerS: number
    readonly workers: number
    readonly freeSlots: number
  }[]
  readonly languages: readonly string[]
  readonly workers: number
  readonly freeSlots: number
  readonly queued: number
}

export interface GatewayStatus {
  /** The coordinators that it is attached to. */
  readonly coordinators: readonly {
    readonly peerId: string
    /** Wall clock. */
    readonly sinceMs: number
    /** How far its clock is ahead of the one here, at least; absent = it told no time. */
    readonly clockAheadMs?: number
  }[]
  /** Why it is not ready; absent = ready. */
  readonly notReady?: Refusal
  readonly unfinishedTasks: number
  readonly dataLinks: number
  readonly storedBytes: number
}
