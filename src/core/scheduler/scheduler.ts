import type { Refusal } from '../refusal.js'
import type { Liveness } from '../task/liveness.js'
import type { QueuedTask, TaskHeader } from '../task/task.js'
import type { Assignment, ClassView, Explained, WhyIdleView, WorkerProfile } from './views.js'

/**
 * Who runs what next: an index of waiting tasks and attached workers, and plans made from it. In memory,
 * pure and synchronous; knows nothing of leases, disks or links. Adding, removing and planning one task
 * costs O(log n) in waiting tasks and accounts; the cost of looking over the task classes is bounded by
 * `SchedulerLimits.classes`.
 *
 * Order: fair between accounts (start-time fair queuing by class; an account that spreads over k classes
 * weighs 1/k in each), first in first out within one account and class, retries in front. On a worker of its
 * own an account goes first, and pays nothing of its share for it.
 */
export interface Scheduler {
  // Waiting tasks
  /**
   * May a task of this header join the queue? Refusals: `queue-full`, `account-queue-full`, with
   * `retryAfterMs`.
   */
  admit(header: TaskHeader): Refusal | undefined
  /**
   * One that has failed before goes in front. Durable tasks are always taken: ask `admit` first for new
   * ones.
   */
  addTask(task: QueuedTask): void
  /** @returns false when no such task waits */
  removeTask(taskId: string): boolean
  /** Tasks of a gateway that is not attached wait, but are not planned. No gateway is attached at first. */
  setGatewayAttached(gateway: string, attached: boolean): void
  /** Tasks that code is run for (`solve`, `test`) wait, and are not planned. @param why undefined = they are */
  holdCode(why: Refusal | undefined): void
  /** Why tasks of a kind are not planned, whatever worker there is; undefined = they are. */
  held(kind: TaskHeader['kind']): Refusal | undefined

  // Attached workers
  /** Adds a worker (live, no free slot, no bar) or replaces its capabilities. */
  upsertWorker(profile: WorkerProfile): void
  removeWorker(peerId: string): void
  /** Slots it has free now, beyond the leases planned for it that it does not know of yet. */
  setFree(peerId: string, free: number): void
  /** Only a live worker gets work. */
  setLiveness(peerId: string, liveness: Liveness): void
  /** Why this worker gets no work although attached: paused, drained, policy. undefined = it may. */
  setBar(peerId: string, bar: Refusal | undefined): void
  /** Whom tasks bar may have changed: those that wait are looked at again. */
  reconsider(): void
  /** Outcomes feed the success rate that ranks workers. */
  record(peerId: string, outcome: 'success' | 'failure' | 'lost'): void

  // Planning
  /**
   * The next assignments, at most `max`. Each takes its task out of the queue and one free slot of its
   * worker. Call again while it returns `max`.
   */
  plan(max: number): readonly Assignment[]
  /**
   * Puts an assignment of a plan back: the task in front, the slot free again when the worker is still
   * attached.
   */
  undo(assignment: Assignment): void

  // Views
  queued(): number
  /**
   * Upper bound of the tasks planned before this one in its class; exact unless others leave, or go first on
   * workers of their own. undefined = not waiting
   */
  position(taskId: string): number | undefined
  /** Why each worker can or cannot take the task now; at most 64 candidates, eligible ones first. */
  explain(header: TaskHeader, excluded: readonly string[]): Explained
  /** Why a worker gets none of the waiting tasks, by reason, with the number of tasks. */
  whyIdle(peerId: string): WhyIdleView
  /** Classes with waiting tasks. */
  classes(): readonly ClassView[]
  /** Ids of waiting tasks, oldest first within each class, at most `limit`. */
  waiting(limit: number): readonly string[]
  /** When the oldest waiting task was queued, wall clock. */
  oldestQueuedMs(): number | undefined
}
