import { Chain } from './chain.js'
import { shareBefore } from './fairness.js'
import { Heap } from './heap.js'
import { requirementKey } from './requirement.js'
import type { TaskClass } from './task-class.js'
import type { Requirement } from './views.js'

/**
 * Task classes by requirement. Those without tasks are kept for a while, since their indexes cost to make.
 */
export class ClassIndex {
  readonly #keepEmpty: number
  readonly #forget: (taskClass: TaskClass) => void
  readonly #classes = new Map<string, TaskClass>()
  /** Without tasks, longest empty first. */
  readonly #empty = new Set<TaskClass>()
  readonly #freeSlots: number[] = []
  #slots = 0
  #serial = 0

  /** @param forget called with a class before its slot is used again */
  constructor(keepEmpty: number, forget: (taskClass: TaskClass) => void) {
    this.#keepEmpty = keepEmpty
    this.#forget = forget
  }

  /** Classes with tasks. */
  get used(): number {
    return this.#classes.size - this.#empty.size
  }

  find(key: string): TaskClass | undefined {
    return this.#classes.get(key)
  }

  /** The class of a requirement, to put a task in. */
  use(requirement: Requirement): TaskClass {
    const key = requirementKey(requirement)
    const known = this.#classes.get(key)
    if (known !== undefined) {
      this.#empty.delete(known)
      return known
    }
    const made = makeClass(key, requirement, this.#freeSlots.pop() ?? this.#slots++, ++this.#serial)
    this.#classes.set(key, made)
    return made
  }

  /** Its last task left. */
  emptied(taskClass: TaskClass): void {
    this.#empty.add(taskClass)
    if (this.#empty.size <= this.#keepEmpty) return
    for (const oldest of this.#empty) {
      this.#empty.delete(oldest)
      this.#classes.delete(oldest.key)
      this.#freeSlots.push(oldest.slot)
      this.#forget(oldest)
      return
    }
  }

  *values(): IterableIterator<TaskClass> {
    for (const each of this.#classes.values()) if (each.arrivals.size > 0) yield each
  }
}

function makeClass(key: string, requirement: Requirement, slot: number, serial: number): TaskClass {
  return {
    key,
    requirement,
    slot,
    serial,
    shares: new Map(),
    ready: new Heap(shareBefore),
    resting: new Map(),
    arrivals: new Chain(),
    accountTime: 0,
    classTime: 0,
    weight: 0,
    retries: 0,
  }
}
