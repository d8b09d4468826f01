import type { Clock } from '../../ports/clock.js'

/** Node fires a timer at once when its delay does not fit in 31 bits. */
const LONGEST_DELAY_MS = 2 ** 31 - 1

/** The machine's clock. Timers do not keep the process alive. */
export function systemClock(): Clock {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    after(delayMs, task) {
      let handle: NodeJS.Timeout
      const arm = (leftMs: number): void => {
        const stepMs = Math.min(leftMs, LONGEST_DELAY_MS)
        handle = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : task()), stepMs).unref()
      }
      arm(Math.max(0, delayMs))
      return { cancel: () => clearTimeout(handle) }
    },
    every(periodMs, task) {
      const handle = setInterval(task, Math.min(Math.max(1, periodMs), LONGEST_DELAY_MS)).unref()
      return { cancel: () => clearInterval(handle) }
    },
  }
}
