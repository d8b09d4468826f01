/** A timer waiting for its turn. */
export interface Pending {
  dueMs: number
  order: number
  readonly periodMs: number | undefined
  readonly task: () => void
  cancelled: boolean
}

/** Timers by due time, then by order of setting. */
export interface TimerHeap {
  push(timer: Pending): void
  pop(): Pending | undefined
  peek(): Pending | undefined
}

export function createTimerHeap(): TimerHeap {
  const items: Pending[] = []
  const before = (a: Pending, b: Pending): boolean =>
    a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order)

  const sinkFromRoot = (last: Pending): void => {
    let at = 0
    for (;;) {
      const [left, right] = [items[2 * at + 1], items[2 * at + 2]]
      if (left === undefined) break
      const [child, childAt] =
        right !== undefined && before(right, left) ? [right, 2 * at + 2] : [left, 2 * at + 1]
      if (before(last, child)) break
      items[at] = child
      at = childAt
    }
    items[at] = last
  }

  return {
    peek: () => items[0],
    push(timer) {
      let at = items.length
      while (at > 0) {
        const parentAt = (at - 1) >> 1
        const parent = items[parentAt]
        if (parent === undefined || !before(timer, parent)) break
        items[at] = parent
        at = parentAt
      }
      items[at] = timer
    },
    pop() {
      const first = items[0]
      const last = items.pop()
      if (last !== undefined && items.length > 0) sinkFromRoot(last)
      return first
    },
  }
}
