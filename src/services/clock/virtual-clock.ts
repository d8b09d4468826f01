import type { Clock, Timer } from '../../ports/clock.js'
import { watchCrypto } from './pending-crypto.js'
import { createTimerHeap, type Pending } from './timer-heap.js'

/** Time that moves only when told to, for simulations and tests. */
export interface VirtualClock extends Clock {
  /** Timers not yet fired or cancelled. */
  readonly pending: number
  /** Lets promises settle, fires every timer that falls due on the way, then stands `ms` later. */
  advance(ms: number): Promise<void>
  /** Fires the next timer and lets promises settle. @returns false when there was none */
  runNext(): Promise<boolean>
  /**
   * Fires timers until only repeating ones are left, or `limitMs` of virtual time have passed.
   *
   * @returns whether it came to rest within the limit
   */
  runUntilIdle(limitMs?: number): Promise<boolean>
  /**
   * Fires timers until `holds`, or `limitMs` of virtual time have passed. @returns whether it came to hold
   */
  runUntil(holds: () => boolean, limitMs: number): Promise<boolean>
  /** Moves the wall clock alone, as NTP or an operator does. */
  jumpWall(byMs: number): void
  /** Releases the watch on node:crypto. */
  dispose(): void
}

const IDLE_LIMIT_MS = 24 * 60 * 60 * 1000

/**
 * Timers fire in order of due time, then of setting. Between two, all promises settle and all signature
 * checks
 * end, so a run with the same seed is the same run.
 *
 * @param options.stepMs above 0 = timers fall due at its multiples only, and promises settle once after all
 *   that are due at one: for thousands of processes, a fraction of the time
 */
export function createVirtualClock(
  startMs: number,
  { stepMs = 0 }: { readonly stepMs?: number } = {},
): VirtualClock {
  const heap = createTimerHeap()
  const crypto = watchCrypto()
  let monotonicMs = 0
  let wallOffsetMs = startMs
  let order = 0
  let oneShots = 0
  let live = 0

  const settle = async (): Promise<void> => {
    do await new Promise<void>((resolve) => setImmediate(resolve))
    while (crypto.pending() > 0)
  }

  const forget = (timer: Pending): void => {
    if (timer.cancelled) return
    timer.cancelled = true
    live--
    if (timer.periodMs === undefined) oneShots--
  }

  const nextLive = (): Pending | undefined => {
    while (heap.peek()?.cancelled) heap.pop()
    return heap.peek()
  }

  const fireOne = (timer: Pending): void => {
    heap.pop()
    monotonicMs = Math.max(monotonicMs, timer.dueMs)
    if (timer.periodMs === undefined) forget(timer)
    timer.task()
    if (timer.periodMs !== undefined && !timer.cancelled) {
      timer.dueMs = dueAfter(timer.dueMs, timer.periodMs, stepMs)
      timer.order = order++
      heap.push(timer)
    }
  }

  /** Fires the next timer due by `limitMs`, and all others of its step. */
  const fire = async (limitMs: number): Promise<boolean> => {
    const first = nextLive()
    if (first === undefined || first.dueMs > limitMs) return false
    const { dueMs } = first
    fireOne(first)
    for (let next = nextLive(); stepMs > 0 && next?.dueMs === dueMs; next = nextLive()) fireOne(next)
    await settle()
    return true
  }

  const setTimer = (delayMs: number, periodMs: number | undefined, task: () => void): Timer => {
    const dueMs = dueAfter(monotonicMs, Math.max(0, delayMs), stepMs)
    const timer: Pending = { dueMs, order: order++, periodMs, task, cancelled: false }
    heap.push(timer)
    live++
    if (periodMs === undefined) oneShots++
    return { cancel: () => forget(timer) }
  }

  const runUntil = async (holds: () => boolean, limitMs: number): Promise<boolean> => {
    const endMs = monotonicMs + limitMs
    await settle()
    while (!holds()) {
      if (!(await fire(endMs))) return holds()
    }
    return true
  }

  return {
    get pending() {
      return live
    },
    nowMs: () => Math.floor(wallOffsetMs + monotonicMs),
    monotonicMs: () => monotonicMs,
    after: (delayMs, task) => setTimer(delayMs, undefined, task),
    every: (periodMs, task) => setTimer(Math.max(1, periodMs), Math.max(1, periodMs), task),
    async advance(ms) {
      const endMs = monotonicMs + ms
      await settle()
      while (await fire(endMs));
      monotonicMs = endMs
    },
    async runNext() {
      await settle()
      return fire(Number.POSITIVE_INFINITY)
    },
    runUntil,
    runUntilIdle: (limitMs = IDLE_LIMIT_MS) => runUntil(() => oneShots === 0, limitMs),
    jumpWall(byMs) {
      wallOffsetMs += byMs
    },
    dispose: () => crypto.stop(),
  }
}

/** Never within the step that is under way, or one could go on for ever. */
function dueAfter(fromMs: number, delayMs: number, stepMs: number): number {
  if (stepMs === 0) return fromMs + delayMs
  const dueMs = Math.ceil((fromMs + delayMs) / stepMs) * stepMs
  return dueMs > fromMs ? dueMs : fromMs + stepMs
}
