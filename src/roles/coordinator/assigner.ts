import assert from 'node:assert'
import { isRefusal } from '../../core/refusal.js'
import type { Scheduler } from '../../core/scheduler/scheduler.js'
import type { Journal } from './journal.js'
import type { Pause } from './pause.js'
import type { Resumption } from './resumption.js'
import type { TaskBook } from './task-book.js'

/** Ends a turn: what happened in it leads to new leases, and is committed with them in one write. */
export interface Assigner {
  /** Something happened; runs soon, once for all that happens together. */
  touch(): void
  stop(): void
}

interface Components {
  readonly scheduler: Scheduler
  readonly book: TaskBook
  readonly journal: Journal
  readonly pause: Pick<Pause, 'why'>
  readonly resumption: Pick<Resumption, 'room'>
  /** The worker's slot, that a plan took, is free again. */
  readonly slotBack: (worker: string) => void
}

/** Assignments taken from the scheduler at once. */
const PLAN_SIZE = 256

export function createAssigner(components: Components, init: { readonly leaseMs: number }): Assigner {
  const { scheduler, book, journal, pause, resumption, slotBack } = components
  let touched = false
  let stopped = false

  function assignAll(): void {
    // While the store fails no lease could be told; the tasks wait where they are.
    while (journal.fault === undefined && pause.why === undefined && !stopped) {
      const out = book.count('leased') + book.count('running')
      const size = Math.min(PLAN_SIZE, resumption.room(out))
      const plan = size === 0 ? [] : scheduler.plan(size)
      for (const { task, worker } of plan) {
        const entry = book.get(task.header.id)
        assert(entry !== undefined, 'only tasks of the book wait in the scheduler')
        const result = book.step(entry, { type: 'assign', worker, leaseMs: init.leaseMs })
        assert(!isRefusal(result), 'a waiting task can be assigned')
        if (result.task.state !== 'leased') slotBack(worker)
      }
      if (plan.length < size || size === 0) return
    }
  }

  return {
    touch() {
      if (touched || stopped) return
      touched = true
      queueMicrotask(() => {
        touched = false
        assignAll()
        journal.flush()
      })
    },
    stop() {
      stopped = true
    },
  }
}
