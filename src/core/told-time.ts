/** A time that a peer told in answer to a question. */
export interface ToldTime {
  /** By its wall clock. */
  readonly timeMs: number
  /** Monotonic, here: when it was asked, and when its answer came. It told the time between the two. */
  readonly askedMs: number
  readonly heardMs: number
}

/** @param timeMs as it travels: 0 = none was told */
export function toldTime(timeMs: bigint, askedMs: number, heardMs: number): ToldTime | undefined {
  return timeMs === 0n ? undefined : { timeMs: Number(timeMs), askedMs, heardMs }
}

/**
 * How far a peer's clock is ahead of the one here (negative = behind), at least: what the way there and
 * back may have taken counts as no difference. It holds when the wall clock here is set meanwhile; that of
 * the peer being set shows once it tells its time again.
 *
 * @returns undefined when it told none
 */
export function clockAheadMs(
  told: ToldTime | undefined,
  nowMs: number,
  monotonicMs: number,
): number | undefined {
  if (told === undefined) return undefined
  const earliestMs = told.timeMs + monotonicMs - told.heardMs
  const latestMs = told.timeMs + monotonicMs - told.askedMs
  if (nowMs < earliestMs) return Math.round(earliestMs - nowMs)
  return nowMs > latestMs ? Math.round(latestMs - nowMs) : 0
}
