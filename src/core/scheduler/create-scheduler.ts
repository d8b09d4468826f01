import type { Refusal } from '../refusal.js'
import type { Liveness } from '../task/liveness.js'
import type { QueuedTask, TaskHeader } from '../task/task.js'
import { explainIdle, explainTask } from './explain.js'
import { Planner } from './planner.js'
import { TaskQueue } from './queue.js'
import { SuccessRates } from './rank.js'
import type { Scheduler } from './scheduler.js'
import { isStranded } from './stranded.js'
import type { TaskClass } from './task-class.js'
import {
  type Assignment,
  type ClassView,
  DEFAULT_LIMITS,
  type Explained,
  type SchedulerOptions,
  type WhyIdleView,
  type WorkerProfile,
} from './views.js'
import { WorkerIndex } from './worker-index.js'

export function createScheduler(options: SchedulerOptions = {}): Scheduler {
  return new IndexedScheduler(options)
}

class IndexedScheduler implements Scheduler {
  readonly #queue: TaskQueue
  readonly #workers: WorkerIndex
  readonly #rates = new SuccessRates()
  readonly #planner: Planner
  /** A worker that others waited for is gone, or barred: who was excluded in its favour may be needed after all. */
  #fewer = false

  constructor(options: SchedulerOptions) {
    this.#workers = new WorkerIndex(() => {
      this.#fewer = true
    })
    this.#queue = new TaskQueue(
      { ...DEFAULT_LIMITS, ...options.limits },
      (taskClass) => this.#workers.idle.forget(taskClass),
      options.choosy,
    )
    this.#planner = new Planner(this.#queue, this.#workers, this.#rates, options.latencyMs)
  }

  admit(header: TaskHeader): Refusal | undefined {
    return this.#queue.admit(header)
  }

  addTask(task: QueuedTask): void {
    this.#queue.add(task, false)
  }

  removeTask(taskId: string): boolean {
    const waiting = this.#queue.get(taskId)
    if (waiting !== undefined) this.#queue.remove(waiting)
    return waiting !== undefined
  }

  setGatewayAttached(gateway: string, attached: boolean): void {
    this.#queue.setGatewayAttached(gateway, attached)
  }

  holdCode(why: Refusal | undefined): void {
    this.#queue.holdCode(why)
  }

  held(kind: TaskHeader['kind']): Refusal | undefined {
    return this.#queue.held(kind)
  }

  upsertWorker(profile: WorkerProfile): void {
    this.#workers.upsert(profile)
  }

  removeWorker(peerId: string): void {
    this.#workers.remove(peerId)
  }

  setFree(peerId: string, free: number): void {
    this.#workers.setFree(peerId, free)
  }

  setLiveness(peerId: string, liveness: Liveness): void {
    this.#workers.setLiveness(peerId, liveness)
  }

  setBar(peerId: string, bar: Refusal | undefined): void {
    this.#workers.setBar(peerId, bar)
  }

  reconsider(): void {
    this.#fewer = true
  }

  record(peerId: string, outcome: 'success' | 'failure' | 'lost'): void {
    this.#rates.record(peerId, outcome === 'success')
  }

  plan(max: number): readonly Assignment[] {
    if (this.#fewer) this.#queue.retriesDirty()
    this.#fewer = false
    return this.#planner.plan(max)
  }

  undo(assignment: Assignment): void {
    this.#queue.add(assignment.task, true)
    const worker = this.#workers.get(assignment.worker)
    if (worker !== undefined) this.#workers.setFree(worker.peerId, worker.free + 1)
  }

  queued(): number {
    return this.#queue.size
  }

  position(taskId: string): number | undefined {
    return this.#queue.position(taskId)
  }

  explain(header: TaskHeader, excluded: readonly string[]): Explained {
    return explainTask(header, excluded, this.#queue, this.#workers)
  }

  whyIdle(peerId: string): WhyIdleView {
    return explainIdle(peerId, this.#queue, this.#workers)
  }

  classes(): readonly ClassView[] {
    return [...this.#queue.index.values()].map((each) => this.#view(each))
  }

  waiting(limit: number): readonly string[] {
    const ids: string[] = []
    for (const taskClass of this.#queue.index.values()) {
      for (const { task } of taskClass.arrivals.values()) {
        if (ids.length >= limit) return ids
        ids.push(task.header.id)
      }
    }
    return ids
  }

  oldestQueuedMs(): number | undefined {
    let oldest: number | undefined
    for (const taskClass of this.#queue.index.values()) {
      const queuedMs = taskClass.arrivals.first()?.task.queuedMs
      if (queuedMs !== undefined && (oldest === undefined || queuedMs < oldest)) oldest = queuedMs
    }
    return oldest
  }

  #view(taskClass: TaskClass): ClassView {
    let feasibleWorkers = 0
    let available = 0
    for (const capability of this.#workers.fitting(taskClass)) {
      feasibleWorkers += capability.workers.size
      available += capability.available
    }
    return {
      ...taskClass.requirement,
      queued: taskClass.arrivals.size,
      oldestMs: taskClass.arrivals.first()?.task.queuedMs ?? 0,
      feasibleWorkers,
      starved: available === 0 || isStranded(taskClass, () => this.#workers.able(taskClass)),
    }
  }
}
