import type { Clock, Timer } from '../../ports/clock.js'

/** Looks at each task again when it asked for it; many tasks, one timer, no scan. */
export interface WakeWheel {
  /** Wakes `id` at `atMs` (wall clock) or a step later; an earlier wake already set stands. */
  wake(id: string, atMs: number): void
  forget(id: string): void
  stop(): void
}

/** Steps looked at one by one; after a longer sleep of the machine all buckets are looked through. */
const MAX_STEPS = 10_000

export function createWakeWheel(clock: Clock, stepMs: number, fire: (id: string) => void): WakeWheel {
  const buckets = new Map<number, Set<string>>()
  const bucketOf = new Map<string, number>()
  let last = Math.floor(clock.nowMs() / stepMs)
  const timer: Timer = clock.every(stepMs, turn)

  function turn(): void {
    const from = last
    const now = Math.floor(clock.nowMs() / stepMs)
    // Set first: what a fired task asks for again must not land in a bucket that is done with.
    last = now
    if (now - from <= MAX_STEPS) for (let bucket = from; bucket < now; bucket++) empty(bucket)
    else for (const bucket of [...buckets.keys()]) if (bucket < now) empty(bucket)
  }

  function empty(bucket: number): void {
    const ids = buckets.get(bucket)
    if (ids === undefined) return
    buckets.delete(bucket)
    for (const id of ids) bucketOf.delete(id)
    for (const id of ids) fire(id)
  }

  function forget(id: string): void {
    const bucket = bucketOf.get(id)
    if (bucket === undefined) return
    bucketOf.delete(id)
    const ids = buckets.get(bucket)
    ids?.delete(id)
    if (ids?.size === 0) buckets.delete(bucket)
  }

  return {
    wake(id, atMs) {
      const bucket = Math.max(last, Math.floor(atMs / stepMs))
      const known = bucketOf.get(id)
      if (known !== undefined && known <= bucket) return
      forget(id)
      bucketOf.set(id, bucket)
      const ids = buckets.get(bucket)
      if (ids === undefined) buckets.set(bucket, new Set([id]))
      else ids.add(id)
    },
    forget,
    stop: () => timer.cancel(),
  }
}
