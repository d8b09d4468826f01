import { Heap } from './heap.js'
import { staticScore } from './rank.js'
import type { TaskClass } from './task-class.js'
import { type Capability, type IdleWorker, idleBefore, type Worker } from './worker.js'

/** Candidates compared by what they are like now; their static order has already been kept. */
const COMPARED = 8
/** Refused candidates passed over: few for a task that failed, many for one that bars most workers. */
const PASSED_OVER = 256
/**
 * Entries moved back in one look because their worker has had another turn; taking turns is worth no more.
 */
const MENDED = 8
/** Entries of workers in all class indexes: about 150 bytes each. */
const MOST_ENTRIES = 1_000_000

/** Workers with a free slot that fit a class, best first; some have none any more. */
interface ClassHeap {
  readonly heap: Heap<IdleWorker>
  /** Workers it was made for. */
  readonly size: number
}

/**
 * For each class the workers with a free slot that fit, best first. Entries go out of date and are mended
 * when met.
 */
export class IdleIndex {
  readonly #fitting: (taskClass: TaskClass) => Iterable<Capability>
  /** The longest made first. */
  readonly #heaps = new Map<TaskClass, ClassHeap>()
  #entries = 0

  constructor(fitting: (taskClass: TaskClass) => Iterable<Capability>) {
    this.#fitting = fitting
  }

  any(taskClass: TaskClass): boolean {
    return this.#freshTop(taskClass, this.#heap(taskClass)) !== undefined
  }

  /** The best of the best few that `accepts`; `score` adds what depends on the moment. */
  best(
    taskClass: TaskClass,
    accepts: (worker: Worker) => boolean,
    score: (worker: Worker) => number,
  ): Worker | undefined {
    const heap = this.#heap(taskClass)
    const met: IdleWorker[] = []
    let best: Worker | undefined
    let bestScore = Number.NEGATIVE_INFINITY
    let compared = 0
    while (compared < COMPARED && met.length - compared < PASSED_OVER) {
      const entry = this.#freshTop(taskClass, heap)
      if (entry === undefined) break
      heap.remove(entry)
      met.push(entry)
      if (!accepts(entry.worker)) continue
      compared += 1
      const total = entry.score + score(entry.worker)
      if (total <= bestScore) continue
      best = entry.worker
      bestScore = total
    }
    for (const entry of met) heap.push(entry)
    return best
  }

  /** A worker that nothing waiting suits: to be found when something comes. */
  rest(worker: Worker): void {
    for (const taskClass of worker.missing) {
      const made = this.#heaps.get(taskClass)
      if (made !== undefined) enter(worker, taskClass, made.heap)
    }
    worker.missing.clear()
  }

  /** A new worker: in no index until it rests. */
  join(worker: Worker, fits: (taskClass: TaskClass) => boolean): void {
    for (const taskClass of this.#heaps.keys()) if (fits(taskClass)) worker.missing.add(taskClass)
  }

  leave(worker: Worker): void {
    for (const [taskClass, entry] of worker.entries) this.#heaps.get(taskClass)?.heap.remove(entry)
    worker.entries.clear()
    worker.missing.clear()
  }

  /** Its speed or warmth changed. */
  rescore(worker: Worker): void {
    for (const [taskClass, entry] of worker.entries) {
      entry.score = staticScore(worker.profile, taskClass.requirement)
      this.#heaps.get(taskClass)?.heap.update(entry)
    }
  }

  /** Drops the index of a class. */
  forget(taskClass: TaskClass): void {
    const made = this.#heaps.get(taskClass)
    if (made === undefined) return
    this.#heaps.delete(taskClass)
    this.#entries -= made.size
    for (const capability of this.#fitting(taskClass)) {
      for (const worker of capability.workers) {
        worker.entries.delete(taskClass)
        worker.missing.delete(taskClass)
      }
    }
  }

  #heap(taskClass: TaskClass): Heap<IdleWorker> {
    return this.#heaps.get(taskClass)?.heap ?? this.#make(taskClass)
  }

  #make(taskClass: TaskClass): Heap<IdleWorker> {
    const heap = new Heap<IdleWorker>(idleBefore)
    let size = 0
    for (const capability of this.#fitting(taskClass)) {
      size += capability.workers.size
      for (const worker of capability.workers) {
        if (worker.available) enter(worker, taskClass, heap)
        else worker.missing.add(taskClass)
      }
    }
    this.#heaps.set(taskClass, { heap, size })
    this.#entries += size
    for (const longest of this.#heaps.keys()) {
      if (this.#entries <= MOST_ENTRIES || longest === taskClass) break
      this.forget(longest)
    }
    return heap
  }

  /** The first entry that is true: without a free slot it leaves, after another turn it moves back. */
  #freshTop(taskClass: TaskClass, heap: Heap<IdleWorker>): IdleWorker | undefined {
    for (let mended = 0; ; ) {
      const entry = heap.peek()
      if (entry === undefined) return undefined
      const { worker } = entry
      if (!worker.available) {
        heap.remove(entry)
        worker.entries.delete(taskClass)
        worker.missing.add(taskClass)
      } else if (entry.turn !== worker.turn && mended < MENDED) {
        mended += 1
        entry.turn = worker.turn
        heap.update(entry)
      } else return entry
    }
  }
}

function enter(worker: Worker, taskClass: TaskClass, heap: Heap<IdleWorker>): void {
  const score = staticScore(worker.profile, taskClass.requirement)
  const entry: IdleWorker = { worker, score, turn: worker.turn, place: -1 }
  worker.entries.set(taskClass, entry)
  heap.push(entry)
}
