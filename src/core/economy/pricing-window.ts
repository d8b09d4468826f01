import { BASIS_POINTS, clamp, larger, MILLION, smaller } from './fixed-point.js'
import { nextMultiplier } from './pricing.js'
import type { PricingTerms } from './terms.js'

/** The multiplier that a log begins with, in millionths, where its bounds allow it. */
const FIRST_MULTIPLIER = MILLION
/** Largest sum that is counted, so that stores can keep it in 64 bits; more counts as this. */
const MOST_COUNTED = 2n ** 63n - 1n
/**
 * Windows without any task that are counted one by one when a window is closed after a long silence. The
 * price has reached its bound long before, unless policy made its steps very small.
 */
const EMPTY_WINDOWS = 1_000
/**
 * A worker counts for at most so many times what it settled in a window. How long it worked is its own word:
 * whoever says that it took no time must not pass for a data centre.
 */
const MOST_STRETCH = 4n
/** A worker's best window counts for one part in so many less with each window that passes. */
const PEAK_DECAY = 64n
/** Longest run of one task that is counted: a day. */
const MOST_RUN_MS = 86_400_000

/** What a log knows of its open pricing window, and of those who wait in it. */
export interface OpenWindow {
  /** Windows since 1970, at the length that was in force as they passed; only grows. */
  readonly window: number
  /** When it began, by the clock of who writes the log. */
  readonly startMs: number
  /** In force while it is open, in millionths. */
  readonly multiplier: bigint
  /** Work settled in it, in work units. */
  readonly work: bigint
  /** Tasks settled in it. */
  readonly tasks: number
  /** Tasks that credits are held for now. */
  readonly holds: number
  /** What those who settled something in it could have done: the {@link Pace.capacity} of each. */
  readonly capacity: bigint
}

/** What closing a window comes to: the next one, and what the last one saw. */
export interface NextWindow extends Pick<OpenWindow, 'window' | 'startMs' | 'multiplier'> {
  readonly demand: bigint
  readonly capacity: bigint
}

/** How fast a worker was. */
export interface Pace {
  /** The last window in which it settled anything. */
  readonly window: number
  /** Work that it settled in that one, and how long it ran for it, by its own receipts. */
  readonly work: bigint
  readonly runMs: bigint
  /** Its best window before that one, less what has passed since. */
  readonly peak: bigint
  /** What it could have done in that window; see {@link paceAfter}. */
  readonly capacity: bigint
}

/** The window that a log begins with. */
export function firstWindow(timeMs: number, terms: PricingTerms): OpenWindow {
  const startMs = windowStart(timeMs, terms)
  const multiplier = clamp(FIRST_MULTIPLIER, terms.leastMultiplier, terms.mostMultiplier)
  return {
    window: startMs / terms.windowMs,
    startMs,
    multiplier,
    work: 0n,
    tasks: 0,
    holds: 0,
    capacity: 0n,
  }
}

/**
 * What follows the open window at a time that lies in a later one.
 *
 * Windows in between saw no task, or it would have closed this one: each lowers the price by a full step,
 * unless somebody waits and nobody settles, which says nothing of supply.
 *
 * @returns undefined = the time lies in the open window, or before it
 */
export function closeWindow(open: OpenWindow, timeMs: number, terms: PricingTerms): NextWindow | undefined {
  const startMs = windowStart(timeMs, terms)
  if (startMs <= open.startMs) return undefined
  // At least one: policy may have made windows longer meanwhile.
  const passed = Math.max(1, Math.floor((startMs - open.startMs) / terms.windowMs))
  const { capacity } = open
  const demand = demandOf(open)
  const after = nextMultiplier(open.multiplier, { demand, capacity }, terms)
  const multiplier = open.holds === 0 ? idle(after, passed - 1, terms) : after
  return { window: open.window + passed, startMs, multiplier, demand, capacity }
}

/**
 * Work asked for in a window: what was settled, and those who still wait, each as the mean of the settled
 * ones. They count for no more than was settled, so that holds that nobody works on cannot make demand.
 */
function demandOf({ work, tasks, holds }: OpenWindow): bigint {
  const waiting = BigInt(Math.min(holds, tasks))
  return counted(work + (tasks === 0 ? 0n : (work * waiting) / BigInt(tasks)))
}

function idle(multiplier: bigint, windows: number, terms: PricingTerms): bigint {
  let present = multiplier
  for (let left = Math.min(windows, EMPTY_WINDOWS); left > 0; left--) {
    const next = nextMultiplier(present, { demand: 0n, capacity: BASIS_POINTS }, terms)
    if (next === present) break
    present = next
  }
  return present
}

/** Work that was settled, and how long its worker says that it ran for it. */
export interface Settled {
  readonly work: bigint
  /** Absent = it does not say; then as if it had run all the window. */
  readonly runMs: number | undefined
}

/**
 * A worker settles something in a window. What it could have done there is what it did, stretched to the
 * whole window by the time it ran, or its best window lately, whichever is more: the stretch finds idle
 * time, the best window knows of workers that run several tasks at once.
 */
export function paceAfter(
  before: Pace | undefined,
  window: number,
  { work: more, runMs: ran }: Settled,
  { windowMs }: PricingTerms,
): Pace {
  const here = before?.window === window ? before : undefined
  const work = counted((here?.work ?? 0n) + more)
  const runMs = counted((here?.runMs ?? 0n) + BigInt(Math.min(Math.max(ran ?? windowMs, 1), MOST_RUN_MS)))
  const peak = here?.peak ?? peakBefore(before, window)
  const stretched = smaller((work * BigInt(windowMs)) / runMs, work * MOST_STRETCH)
  return { window, work, runMs, peak, capacity: counted(larger(larger(work, stretched), peak)) }
}

/** Work of a cost: as if the multiplier had been one. @param multiplier that it was quoted at */
export function workOf(cost: bigint, multiplier: bigint): bigint {
  return counted((cost * MILLION) / multiplier)
}

/** A sum, or the largest that is counted. */
export function counted(sum: bigint): bigint {
  return smaller(sum, MOST_COUNTED)
}

function peakBefore(before: Pace | undefined, window: number): bigint {
  if (before === undefined) return 0n
  let peak = larger(before.work, before.peak)
  for (let at = before.window; at < window && peak > 0n; at++) peak = (peak * (PEAK_DECAY - 1n)) / PEAK_DECAY
  return peak
}

function windowStart(timeMs: number, { windowMs }: PricingTerms): number {
  return timeMs - (timeMs % windowMs)
}
