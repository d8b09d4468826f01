import type { Clock } from '../../ports/clock.js'
import type { Random } from '../../ports/random.js'
import type { WorkerLimits } from './worker-limits.js'

/** Resolves after `ms`, or as soon as `signal` is aborted. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.after(ms, done)
    if (signal.aborted) done()
    else signal.addEventListener('abort', done)
  })
}

/** A signal that aborts after `ms`, or with `parent`. Release it when what it bounds is over. */
export interface Deadline {
  readonly signal: AbortSignal
  release(): void
}

export function deadline(clock: Clock, ms: number, parent: AbortSignal): Deadline {
  const controller = new AbortController()
  const abort = (): void => controller.abort()
  const timer = clock.after(ms, abort)
  if (parent.aborted) abort()
  else parent.addEventListener('abort', abort)
  return {
    signal: controller.signal,
    release() {
      timer.cancel()
      parent.removeEventListener('abort', abort)
    },
  }
}

/**
 * How long to wait before try number `tries` (from 0): doubling, and between half and all of that by chance.
 */
export function backoffMs(tries: number, limits: WorkerLimits, random: Random): number {
  const full = Math.min(limits.backoffLastMs, limits.backoffFirstMs * 2 ** Math.min(tries, 20))
  return full * (0.5 + random.fraction() / 2)
}
