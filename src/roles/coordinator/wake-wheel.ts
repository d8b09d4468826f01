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
/** Wall clocks are slewed all the time; by so much within a step one was set. */
const CLOCK_SET_MS = 1_000

interface WheelEvents {
  fire(id: string): void
  /** The wall clock was set forward by so much, or back; before anything is fired. */
  clockSet(byMs: number): void
}

export function createWakeWheel(clock: Clock, stepMs: number, events: WheelEvents): WakeWheel {
  const buckets = new Map<number, Set<string>>()
  const bucketOf = new Map<string, number>()
  let last = Math.floor(clock.nowMs() / stepMs)
  let offsetMs = clock.nowMs() - clock.monotonicMs()
  const timer: Timer = clock.every(stepMs, turn)

  function turn(): void {
    const byMs = Math.round(clock.nowMs() - clock.monotonicMs() - offsetMs)
    offsetMs += byMs
    if (Math.abs(byMs) >= CLOCK_SET_MS) events.clockSet(byMs)
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
    for (const id of ids) events.fire(id)
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
