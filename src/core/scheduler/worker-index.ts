import type { Refusal } from '../refusal.js'
import type { Liveness } from '../task/liveness.js'
import { feasible } from './feasibility.js'
import { IdleIndex } from './idle-index.js'
import type { TaskClass, Waiting } from './task-class.js'
import type { WorkerProfile } from './views.js'
import { type Capability, capabilityKey, type Worker, warmModels } from './worker.js'

/** Workers looked at to see whether a task that bars some has anybody else; beyond, it is said to have. */
const OTHERS_LOOKS = 1_024

/** Attached workers, and what they can do. */
export class WorkerIndex {
  /** Workers that became available and have not been looked at by a plan. */
  readonly freed = new Set<Worker>()
  readonly idle: IdleIndex
  readonly #workers = new Map<string, Worker>()
  readonly #capabilities = new Map<string, Capability>()
  readonly #fewer: () => void

  /** @param fewer called when a worker that others waited for is gone or put aside */
  constructor(fewer: () => void) {
    this.#fewer = fewer
    this.idle = new IdleIndex((taskClass) => this.fitting(taskClass))
  }

  get size(): number {
    return this.#workers.size
  }

  get(peerId: string): Worker | undefined {
    return this.#workers.get(peerId)
  }

  upsert(profile: WorkerProfile): void {
    const known = this.#workers.get(profile.peerId)
    if (known !== undefined) {
      this.#change(known, profile)
      return
    }
    const worker: Worker = {
      peerId: profile.peerId,
      profile,
      capability: this.#capability(profile),
      warm: warmModels(profile),
      free: 0,
      liveness: 'live',
      bar: undefined,
      available: false,
      usable: false,
      turn: 0,
      entries: new Map(),
      missing: new Set(),
    }
    this.#workers.set(profile.peerId, worker)
    this.#join(worker)
    this.#judge(worker)
  }

  remove(peerId: string): void {
    const worker = this.#workers.get(peerId)
    if (worker === undefined) return
    worker.free = 0
    worker.liveness = 'lost'
    this.#judge(worker)
    this.#leave(worker)
    this.#workers.delete(peerId)
  }

  setFree(peerId: string, free: number): void {
    const worker = this.#workers.get(peerId)
    if (worker === undefined || worker.free === free) return
    worker.free = Math.max(0, free)
    this.#judge(worker)
  }

  setLiveness(peerId: string, liveness: Liveness): void {
    const worker = this.#workers.get(peerId)
    if (worker === undefined) return
    worker.liveness = liveness
    this.#judge(worker)
  }

  setBar(peerId: string, bar: Refusal | undefined): void {
    const worker = this.#workers.get(peerId)
    if (worker === undefined || worker.bar === bar) return
    worker.bar = bar
    this.#judge(worker)
  }

  /** One of its slots is given to a task. */
  take(worker: Worker, turn: number): void {
    worker.turn = turn
    worker.free -= 1
    this.#judge(worker)
  }

  fits(capability: Capability, taskClass: TaskClass): boolean {
    const known = capability.fits[taskClass.slot] ?? 0
    if (Math.floor(known / 2) === taskClass.serial) return known % 2 === 1
    const [anybody] = capability.workers
    if (anybody === undefined) return false
    const fit = feasible(anybody.profile, taskClass.requirement).length === 0
    capability.fits[taskClass.slot] = taskClass.serial * 2 + (fit ? 1 : 0)
    return fit
  }

  capabilities(): Iterable<Capability> {
    return this.#capabilities.values()
  }

  *fitting(taskClass: TaskClass): IterableIterator<Capability> {
    for (const each of this.#capabilities.values()) if (this.fits(each, taskClass)) yield each
  }

  /** Workers that fit, free or not. */
  *able(taskClass: TaskClass): IterableIterator<Worker> {
    for (const each of this.fitting(taskClass)) yield* each.workers
  }

  /** All workers, those that fit first. */
  *values(fits: (capability: Capability) => boolean): IterableIterator<Worker> {
    for (const each of this.#capabilities.values()) if (fits(each)) yield* each.workers
    for (const each of this.#capabilities.values()) if (!fits(each)) yield* each.workers
  }

  /**
   * A worker that failed the task does not get it again, unless everybody left who could take it has failed
   * it too: then trying again beats waiting for nobody. One that the task bars never gets it.
   */
  excludes(worker: Worker, waiting: Waiting): boolean {
    const { bars, task, lane } = waiting
    if (bars?.(worker.peerId) !== undefined) return true
    if (!task.excluded.includes(worker.peerId)) return false
    return this.othersFit(this.fitting(lane.share.taskClass), task.excluded, bars)
  }

  /** Could somebody who is not excluded, nor barred, take a task that these capabilities fit, now or later? */
  othersFit(fitting: Iterable<Capability>, excluded: readonly string[], bars: Waiting['bars']): boolean {
    if (bars !== undefined) return othersMay(fitting, excluded, bars)
    const failed = excluded.map((peerId) => this.#workers.get(peerId)).filter((each) => each?.usable === true)
    for (const capability of fitting) {
      const failedHere = failed.filter((each) => each?.capability === capability)
      if (capability.usable > failedHere.length) return true
    }
    return false
  }

  #change(worker: Worker, profile: WorkerProfile): void {
    worker.profile = profile
    worker.warm = warmModels(profile)
    if (capabilityKey(profile) === worker.capability.key) {
      this.idle.rescore(worker)
      return
    }
    const wasUsable = worker.usable
    this.#leave(worker)
    worker.capability = this.#capability(profile)
    worker.available = false
    worker.usable = false
    this.#join(worker)
    this.#judge(worker)
    if (wasUsable) this.#fewer()
  }

  #join(worker: Worker): void {
    worker.capability.workers.add(worker)
    this.idle.join(worker, (taskClass) => this.fits(worker.capability, taskClass))
  }

  #leave(worker: Worker): void {
    const { capability } = worker
    this.freed.delete(worker)
    this.idle.leave(worker)
    if (worker.available) capability.available -= 1
    if (worker.usable) capability.usable -= 1
    capability.workers.delete(worker)
    if (capability.workers.size === 0) this.#capabilities.delete(capability.key)
  }

  /** Keeps the counts and the list of newly available workers true after any change. */
  #judge(worker: Worker): void {
    const { capability } = worker
    const usable = worker.bar === undefined && (worker.liveness === 'live' || worker.liveness === 'quiet')
    const available = usable && worker.liveness === 'live' && worker.free > 0
    if (available !== worker.available) {
      worker.available = available
      capability.available += available ? 1 : -1
      if (available) this.freed.add(worker)
      else this.freed.delete(worker)
    }
    if (usable === worker.usable) return
    worker.usable = usable
    capability.usable += usable ? 1 : -1
    if (!usable) this.#fewer()
  }

  #capability(profile: WorkerProfile): Capability {
    const key = capabilityKey(profile)
    const known = this.#capabilities.get(key)
    if (known !== undefined) return known
    const made: Capability = { key, workers: new Set(), fits: [], available: 0, usable: 0 }
    this.#capabilities.set(key, made)
    return made
  }
}

function othersMay(
  fitting: Iterable<Capability>,
  excluded: readonly string[],
  bars: NonNullable<Waiting['bars']>,
): boolean {
  let looks = 0
  for (const { workers } of fitting) {
    for (const { usable, peerId } of workers) {
      if (++looks > OTHERS_LOOKS) return true
      if (usable && !excluded.includes(peerId) && bars(peerId) === undefined) return true
    }
  }
  return false
}
