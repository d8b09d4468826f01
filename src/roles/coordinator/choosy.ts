import { type Refusal, refusal } from '../../core/refusal.js'
import type { SchedulerOptions } from '../../core/scheduler/views.js'
import type { Checks } from './checks.js'
import type { TaskBook } from './task-book.js'

type Choosy = NonNullable<SchedulerOptions['choosy']>

interface Components {
  readonly book: Pick<TaskBook, 'get'>
  readonly checks: () => Checks | undefined
  /** The account that policy has a worker belong to. */
  readonly ownerOf: (worker: string) => string | undefined
}

/** Whom tasks bar: checks all but independent workers, hidden tests the owner of the worker whose answer it is. */
export function createChoosy({ book, checks, ownerOf }: Components): Choosy {
  const isOf = (maker: string, worker: string): boolean => {
    const owner = ownerOf(maker)
    return maker === worker || (owner !== undefined && owner === ownerOf(worker))
  }
  return (header) => {
    const { hiddenOf } = header
    if (hiddenOf === undefined) return checks()?.choosy(header)
    return (worker): Refusal | undefined => {
      const task = book.get(hiddenOf)?.task
      // Done, or about to be: its worker may not have shown its receipt yet.
      const maker = task !== undefined && 'worker' in task ? task.worker : undefined
      if (maker === undefined || !isOf(maker, worker)) return undefined
      return refusal(
        'not-independent',
        'the worker is of the owner whose answer the hidden tests are tried on',
      )
    }
  }
}
