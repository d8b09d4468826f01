import type { TaskQueue } from './queue.js'
import { dynamicScore, isWarm, type SuccessRates } from './rank.js'
import type { TaskClass, Waiting } from './task-class.js'
import { nextClass, nextOfAccount, nextTask } from './turn-taking.js'
import type { Assignment, SchedulerOptions } from './views.js'
import type { Worker } from './worker.js'
import type { WorkerIndex } from './worker-index.js'

/** Classes a freed worker tries before it rests: one is enough unless it failed all that waits there. */
const CLASSES_TRIED = 8

/**
 * Matches tasks and workers. A freed worker takes the task whose turn it is; a new task takes the best idle
 * worker.
 */
export class Planner {
  readonly #queue: TaskQueue
  readonly #workers: WorkerIndex
  readonly #rates: SuccessRates
  readonly #latencyMs: SchedulerOptions['latencyMs']
  #turn = 0

  constructor(
    queue: TaskQueue,
    workers: WorkerIndex,
    rates: SuccessRates,
    latencyMs: SchedulerOptions['latencyMs'],
  ) {
    this.#queue = queue
    this.#workers = workers
    this.#rates = rates
    this.#latencyMs = latencyMs
  }

  plan(max: number): readonly Assignment[] {
    const plan: Assignment[] = []
    this.#employ(plan, max)
    if (plan.length < max) this.#place(plan, max)
    return plan
  }

  /** Freed workers meet the backlog. */
  #employ(plan: Assignment[], max: number): void {
    for (const worker of this.#workers.freed) {
      while (worker.available) {
        if (plan.length >= max) return
        const waiting = this.#taskFor(worker)
        if (waiting === undefined) break
        plan.push(this.#assign(waiting, worker))
      }
      this.#workers.freed.delete(worker)
      if (worker.available) this.#workers.idle.rest(worker)
    }
  }

  /** New tasks meet idle workers; what finds none is backlog. */
  #place(plan: Assignment[], max: number): void {
    const { dirty, backlog } = this.#queue
    while (dirty.size > 0 && plan.length < max) {
      const taskClass = nextClass(dirty, this.#queue, () => true)
      if (taskClass === undefined) return
      const match = this.#match(taskClass)
      if (match !== undefined) plan.push(this.#assign(match.waiting, match.worker))
      else {
        dirty.delete(taskClass)
        backlog.add(taskClass)
      }
    }
  }

  #taskFor(worker: Worker): Waiting | undefined {
    const own = this.#ownTask(worker)
    if (own !== undefined) return own
    const tried = new Set<TaskClass>()
    const { capability, warm } = worker
    while (tried.size < CLASSES_TRIED) {
      const taskClass = nextClass(
        this.#queue.backlog,
        this.#queue,
        (each) => !this.#isHeld(each) && this.#workers.fits(capability, each) && !tried.has(each),
        warm === undefined ? undefined : (each) => isWarm(warm, each.requirement),
      )
      if (taskClass === undefined) return undefined
      const waiting = nextTask(taskClass, (each) => !this.#workers.excludes(worker, each))
      if (waiting !== undefined) return waiting
      tried.add(taskClass)
    }
    return undefined
  }

  #match(taskClass: TaskClass): { readonly waiting: Waiting; readonly worker: Worker } | undefined {
    if (this.#isHeld(taskClass) || !this.#workers.idle.any(taskClass)) return undefined
    let worker: Worker | undefined
    const waiting = nextTask(taskClass, (each) => {
      worker = this.#bestFor(taskClass, each)
      return worker !== undefined
    })
    if (waiting === undefined) return undefined
    worker ??= this.#bestFor(taskClass, waiting)
    return worker === undefined ? undefined : { waiting: this.#ownTask(worker) ?? waiting, worker }
  }

  /** The task of its own account that goes before all others on this worker. */
  #ownTask(worker: Worker): Waiting | undefined {
    const { ownAccount } = worker.profile
    const account = ownAccount === undefined ? undefined : this.#queue.account(ownAccount)
    if (account === undefined) return undefined
    return nextOfAccount(
      account,
      (each) => !this.#isHeld(each) && this.#workers.fits(worker.capability, each),
      (waiting) => !this.#workers.excludes(worker, waiting),
    )
  }

  #isHeld({ requirement }: TaskClass): boolean {
    return this.#queue.held(requirement.kind) !== undefined
  }

  #bestFor(taskClass: TaskClass, waiting: Waiting): Worker | undefined {
    const { gateway } = waiting.lane
    return this.#workers.idle.best(
      taskClass,
      (worker) => !this.#workers.excludes(worker, waiting),
      (worker) =>
        dynamicScore(worker, this.#rates.of(worker.peerId), this.#latencyMs?.(worker.peerId, gateway.peerId)),
    )
  }

  #assign(waiting: Waiting, worker: Worker): Assignment {
    this.#turn += 1
    this.#workers.take(worker, this.#turn)
    this.#queue.take(waiting, waiting.lane.share.account.name === worker.profile.ownAccount)
    return { task: waiting.task, worker: worker.peerId }
  }
}
