import type { Refusal } from '../refusal.js'

export type TaskKind = 'chat' | 'solve' | 'test'

/** All a coordinator learns of a task. @see protocols/edgecoder/task/v1/task.proto */
export interface TaskHeader {
  /** `<account>:<client's id>`, so that one account cannot take another's ids. */
  readonly id: string
  readonly kind: TaskKind
  readonly account: string
  /** Empty = any model; always empty for `test`. */
  readonly model: string
  /** Context window needed, prompt and output together; 0 = not known. */
  readonly contextTokens: number
  readonly maxOutputTokens: number
  readonly languages: readonly string[]
  readonly priceCapMicrocredits: bigint
  /** Wall clock; 0 = none. */
  readonly deadlineMs: number
  readonly maxAttempts: number
  readonly maxRunMs: number
  readonly payloadDigest: Uint8Array
  readonly payloadBytes: number
  readonly gateway: string
  readonly submittedMs: number
  /**
   * Fences start above it; raised by the gateway with each move to another coordinator, so that they grow
   * over all.
   */
  readonly fenceFloor: bigint
  /**
   * The task whose result this one runs again: it goes to an independent worker, and no worker is told. Left
   * out = it is an ordinary task.
   */
  readonly checkOf?: string
  /** The task whose answer this one tries on tests that its worker has not seen; else as {@link checkOf}. */
  readonly hiddenOf?: string
}

/** What holds in every state. */
export interface TaskBase {
  readonly header: TaskHeader
  /** Attempts begun that count against `maxAttempts`. */
  readonly attempts: number
  /** Leases that ended without counting (declined, gateway gone); bounded by `MAX_UNCOUNTED`. */
  readonly uncounted: number
  /** The last fence given out; the next lease gets this + 1. Never goes back, not even over a restart. */
  readonly lastFence: bigint
  /**
   * Workers that failed this task, at most the last 16; not leased to them again while others could take it.
   */
  readonly excluded: readonly string[]
  /**
   * Its leases before the last one, oldest first: the gateway may have accepted a result under any of them.
   * At most `MAX_FORMER`.
   */
  readonly former: readonly LeaseHolder[]
}

/** Who was given the right to run an attempt, and under which fence. */
export interface LeaseHolder {
  readonly worker: string
  readonly fence: bigint
}

export interface Leased extends LeaseHolder {
  /** By the coordinator's clock, wall time, so that it survives a restart. */
  readonly leaseExpiresMs: number
  /** When this attempt must be over, whatever its progress. */
  readonly runExpiresMs: number
}

export type Task =
  | (TaskBase & { readonly state: 'queued'; readonly queuedMs: number; readonly lastFailure?: Refusal })
  | (TaskBase & Leased & { readonly state: 'leased' })
  | (TaskBase &
      Leased & {
        readonly state: 'running'
        readonly startedMs: number
        readonly work: bigint
        readonly stage: string
      })
  | (TaskBase & {
      readonly state: 'done'
      readonly endedMs: number
      readonly worker: string
      readonly fence: bigint
    })
  | (TaskBase & { readonly state: 'failed'; readonly endedMs: number; readonly why: Refusal })
  | (TaskBase & { readonly state: 'cancelled'; readonly endedMs: number; readonly why: Refusal })
  | (TaskBase & { readonly state: 'expired'; readonly endedMs: number; readonly why: Refusal })

export type TaskStateName = Task['state']
export type QueuedTask = Extract<Task, { readonly state: 'queued' }>
export type RunningTask = Extract<Task, { readonly state: 'running' }>
/** A worker has a lease on it. */
export type HeldTask = Extract<Task, { readonly state: 'leased' | 'running' }>
export type EndedTask = Exclude<Task, QueuedTask | HeldTask>

export type TaskEvent =
  /** The scheduler chose a worker. */
  | { readonly type: 'assign'; readonly worker: string; readonly leaseMs: number }
  /** A beat with headway from the lease holder renews; one without does not. */
  | {
      readonly type: 'progress'
      readonly worker: string
      readonly fence: bigint
      readonly work: bigint
      readonly stage: string
      readonly leaseMs: number
    }
  /** The gateway accepted the result of this lease, be it the last one or a former one. */
  | { readonly type: 'complete'; readonly worker: string; readonly fence: bigint }
  | {
      readonly type: 'attempt-failed'
      readonly worker: string
      readonly fence: bigint
      readonly fault: 'worker' | 'task' | 'gateway'
      readonly why: Refusal
    }
  | { readonly type: 'decline'; readonly worker: string; readonly fence: bigint; readonly reason: string }
  /** The worker that holds the lease is judged lost (closed link past its grace, or silent). */
  | { readonly type: 'worker-lost'; readonly worker: string }
  /**
   * The time without news was ours (a storm, a restart): lease and run time reach at least `leaseMs` from
   * now. Given before `clock` while a storm lasts.
   */
  | { readonly type: 'extend'; readonly leaseMs: number }
  /** The wall clock was set, forward or back, a moment ago: lease and run time are no shorter for it. */
  | { readonly type: 'clock-set'; readonly byMs: number; readonly leaseMs: number }
  /** A timer: deadline, run time or lease may be over; nothing happens when none is. */
  | { readonly type: 'clock' }
  | { readonly type: 'cancel'; readonly why: Refusal }

export type TaskEventName = TaskEvent['type']
export type TaskEventOf<Name extends TaskEventName> = Extract<TaskEvent, { readonly type: Name }>

/**
 * What the coordinator must carry out, in order, after the new state is durable. Data, so that every case
 * can be tested.
 */
export type TaskEffect =
  | { readonly type: 'enqueue' }
  | { readonly type: 'dequeue' }
  | { readonly type: 'grant'; readonly worker: string; readonly fence: bigint; readonly leaseMs: number }
  | { readonly type: 'renewed'; readonly worker: string; readonly fence: bigint; readonly leaseMs: number }
  /** Tell the worker to stop this attempt. */
  | { readonly type: 'revoke'; readonly worker: string; readonly fence: bigint; readonly why: Refusal }
  /** Tell the gateway how the task stands. */
  | { readonly type: 'tell-gateway' }
  /**
   * Send a `clock` event at this time (wall clock). One a task is enough: a new wake replaces the one
   * before.
   */
  | { readonly type: 'wake'; readonly atMs: number }
  /** Seams of the ledger: credits reserved, paid by the receipt, given back. */
  | { readonly type: 'hold'; readonly microcredits: bigint }
  | { readonly type: 'settle'; readonly worker: string; readonly fence: bigint }
  | { readonly type: 'release' }
  /** An outcome for the worker's record: success, or a failure that was its own fault. */
  | { readonly type: 'record'; readonly worker: string; readonly outcome: 'success' | 'failure' | 'lost' }

export interface TaskStep {
  readonly task: Task
  readonly effects: readonly TaskEffect[]
  /**
   * True: the new state must be on disk before an effect is carried out. False: nothing changed, or only
   * what a restart can do without (a renewal: `restore` gives every lease time anew), so it may be written
   * late or never.
   */
  readonly durable: boolean
}
