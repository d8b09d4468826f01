import type { Clock, Timer } from '../../ports/clock.js'
import { watchCrypto } from './pending-crypto.js'
import { createTimerQueue, type Pending } from './timer-queue.js'

/** Time that moves only when told to, for simulations and tests. */
export interface VirtualClock extends Clock {
  /** Timers not yet fired or cancelled. */
  readonly pending: number
  /** Timers fired so far. */
  readonly fired: number
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
/** In steps, the event loop turns after so many of them: nothing waits for it then but signals and messages. */
const STEPS_PER_TURN = 64

/**
 * Timers fire in order of due time, then of setting. Between two, all promises settle and all signature
 * checks end, so a run with the same seed is the same run.
 *
 * @param options.stepMs above 0 = timers fall due at its multiples only, and promises settle once after all
 *   that are due at one: for thousands of processes, a fraction of the time. What settles by the event loop
 *   alone, as files and signatures checked on the thread pool do, is waited for only with 0
 */
export function createVirtualClock(
  startMs: number,
  { stepMs = 0 }: { readonly stepMs?: number } = {},
): VirtualClock {
  const queue = createTimerQueue<VirtualTimer>()
  const crypto = watchCrypto()
  const count: TimerCount = { live: 0, oneShots: 0 }
  let monotonicMs = 0
  let wallOffsetMs = startMs
  let steps = 0
  let fired = 0

  const settle = async (): Promise<void> => {
    do await new Promise<void>((resolve) => setImmediate(resolve))
    while (crypto.pending() > 0)
  }

  /** Node runs the next tick once no promise is left to settle. */
  const settleStep = (): Promise<void> =>
    ++steps % STEPS_PER_TURN === 0 ? settle() : new Promise((resolve) => process.nextTick(resolve))

  const fireOne = (timer: VirtualTimer): void => {
    const { task } = timer
    queue.pop()
    fired++
    monotonicMs = Math.max(monotonicMs, timer.dueMs)
    if (timer.periodMs === undefined) timer.cancel()
    task()
    if (timer.periodMs !== undefined && !timer.cancelled) {
      timer.dueMs = dueAfter(timer.dueMs, timer.periodMs, stepMs)
      queue.push(timer)
    }
  }

  /** Fires the next timer due by `limitMs`, and all others of its step. @returns false when there was none */
  const fire = (limitMs: number): boolean => {
    const first = queue.peek()
    if (first === undefined || first.dueMs > limitMs) return false
    const { dueMs } = first
    fireOne(first)
    for (let next = queue.peek(); stepMs > 0 && next?.dueMs === dueMs; next = queue.peek()) fireOne(next)
    return true
  }
  const settled = stepMs > 0 ? settleStep : settle

  const setTimer = (delayMs: number, periodMs: number | undefined, task: () => void): Timer => {
    const timer = new VirtualTimer(count, dueAfter(monotonicMs, Math.max(0, delayMs), stepMs), periodMs, task)
    queue.push(timer)
    return timer
  }

  const runUntil = async (holds: () => boolean, limitMs: number): Promise<boolean> => {
    const endMs = monotonicMs + limitMs
    await settle()
    while (!holds()) {
      if (!fire(endMs)) return holds()
      await settled()
    }
    return true
  }

  return {
    get pending() {
      return count.live
    },
    get fired() {
      return fired
    },
    nowMs: () => Math.floor(wallOffsetMs + monotonicMs),
    monotonicMs: () => monotonicMs,
    after: (delayMs, task) => setTimer(delayMs, undefined, task),
    every: (periodMs, task) => setTimer(Math.max(1, periodMs), Math.max(1, periodMs), task),
    async advance(ms) {
      const endMs = monotonicMs + ms
      await settle()
      while (fire(endMs)) await settled()
      monotonicMs = endMs
    },
    async runNext() {
      await settle()
      const isLast = !fire(Number.POSITIVE_INFINITY)
      if (!isLast) await settled()
      return !isLast
    },
    runUntil,
    runUntilIdle: (limitMs = IDLE_LIMIT_MS) => runUntil(() => count.oneShots === 0, limitMs),
    jumpWall(byMs) {
      wallOffsetMs += byMs
    },
    dispose: () => crypto.stop(),
  }
}

function nothing(): void {}

/** Of timers not yet fired or cancelled. */
interface TimerCount {
  live: number
  oneShots: number
}

class VirtualTimer implements Timer, Pending {
  dueMs: number
  cancelled = false
  readonly periodMs: number | undefined
  task: () => void
  readonly #count: TimerCount

  constructor(count: TimerCount, dueMs: number, periodMs: number | undefined, task: () => void) {
    this.#count = count
    this.dueMs = dueMs
    this.periodMs = periodMs
    this.task = task
    count.live++
    if (periodMs === undefined) count.oneShots++
  }

  cancel(): void {
    if (this.cancelled) return
    this.cancelled = true
    // What it holds is not kept until the time at which it was due.
    this.task = nothing
    this.#count.live--
    if (this.periodMs === undefined) this.#count.oneShots--
  }
}

/** Never within the step that is under way, or one could go on for ever. */
function dueAfter(fromMs: number, delayMs: number, stepMs: number): number {
  if (stepMs === 0) return fromMs + delayMs
  const dueMs = Math.ceil((fromMs + delayMs) / stepMs) * stepMs
  return dueMs > fromMs ? dueMs : fromMs + stepMs
}
