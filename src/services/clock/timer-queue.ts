/** What waits for its time. */
export interface Pending {
  dueMs: number
  cancelled: boolean
}

/** Timers by due time, then by order of setting. */
export interface TimerQueue<T extends Pending> {
  push(timer: T): void
  /** The next that is not cancelled; it stays. */
  peek(): T | undefined
  /** Takes out what {@link peek} gave. */
  pop(): void
}

/** All timers of one due time, in order of setting. */
interface Moment<T> {
  readonly dueMs: number
  readonly timers: T[]
  next: number
}

/**
 * A heap of the times at which something is due, and a list of timers at each: thousands of processes set
 * many timers for the same time, and most of them cost no look at the heap.
 */
export function createTimerQueue<T extends Pending>(): TimerQueue<T> {
  const moments: Moment<T>[] = []
  const byDue = new Map<number, Moment<T>>()

  const rise = (moment: Moment<T>): void => {
    let at = moments.length
    while (at > 0) {
      const parentAt = (at - 1) >> 1
      const parent = moments[parentAt]
      if (parent === undefined || parent.dueMs < moment.dueMs) break
      moments[at] = parent
      at = parentAt
    }
    moments[at] = moment
  }

  const sinkFromRoot = (last: Moment<T>): void => {
    let at = 0
    for (;;) {
      const [left, right] = [moments[2 * at + 1], moments[2 * at + 2]]
      if (left === undefined) break
      const [child, childAt] =
        right !== undefined && right.dueMs < left.dueMs ? [right, 2 * at + 2] : [left, 2 * at + 1]
      if (last.dueMs < child.dueMs) break
      moments[at] = child
      at = childAt
    }
    moments[at] = last
  }

  const dropFirst = ({ dueMs }: Moment<T>): void => {
    byDue.delete(dueMs)
    const last = moments.pop()
    if (last !== undefined && moments.length > 0) sinkFromRoot(last)
  }

  return {
    push(timer) {
      const known = byDue.get(timer.dueMs)
      if (known !== undefined) {
        known.timers.push(timer)
        return
      }
      const made: Moment<T> = { dueMs: timer.dueMs, timers: [timer], next: 0 }
      byDue.set(made.dueMs, made)
      rise(made)
    },
    peek() {
      for (let first = moments[0]; first !== undefined; first = moments[0]) {
        for (; first.next < first.timers.length; first.next++) {
          const timer = first.timers[first.next]
          if (timer !== undefined && !timer.cancelled) return timer
        }
        dropFirst(first)
      }
      return undefined
    },
    pop() {
      const first = moments[0]
      if (first !== undefined) first.next++
    },
  }
}
