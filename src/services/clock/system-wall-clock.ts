import type { WallTime } from '../../core/terms/hours.js'

/** What a clock on the wall shows here at a moment: in the time zone of this process, summer time and all. */
export function systemWallClock(atMs: number): WallTime {
  const date = new Date(atMs)
  // JavaScript counts from Sunday.
  return { weekday: (date.getDay() + 6) % 7, minute: date.getHours() * 60 + date.getMinutes() }
}
