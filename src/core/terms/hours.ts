/** A span of the week by the wall clock; it may run past midnight, and past Sunday. */
export interface HourWindow {
  /** 0 = Monday … 6 = Sunday: days on which it begins. */
  readonly days: readonly number[]
  /** Minute of the day, 0…1439. */
  readonly fromMinute: number
  /** Minute of the day, 1…1440; at or before `fromMinute` = on the next day. */
  readonly toMinute: number
}

/** What a wall clock shows. */
export interface WallTime {
  /** 0 = Monday … 6 = Sunday. */
  readonly weekday: number
  /** 0…1439. */
  readonly minute: number
}

/** Reads the wall clock of this machine at a moment, summer time and all. */
export type WallClock = (atMs: number) => WallTime

const ALWAYS = 'always'

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
const DAY_MINUTES = 1_440
const WEEK_MINUTES = 7 * DAY_MINUTES
const MINUTE_MS = 60_000
/** Windows in one text. */
const MOST_WINDOWS = 32
const WINDOW = /^(?:([a-z]{3})(?:-([a-z]{3}))? )?(\d{2}):(\d{2})-(\d{2}):(\d{2})$/

/**
 * Reads hours as people write them: `always`, or windows such as `mon-fri 18:00-08:00, sat-sun 00:00-24:00`.
 * Without a day a window is of every day; one that ends before it begins ends on the next day.
 *
 * @returns the windows, none for `always`; a text = why they cannot be read
 */
export function parseHours(text: string): readonly HourWindow[] | string {
  if (text.trim() === ALWAYS) return []
  const parts = text.split(',').map((part) => part.trim().toLowerCase())
  if (parts.length > MOST_WINDOWS) return `more than ${MOST_WINDOWS} windows`
  const windows: HourWindow[] = []
  for (const part of parts) {
    const window = parseWindow(part)
    if (window === undefined)
      return `"${part.slice(0, 40)}" is no window such as "mon-fri 18:00-08:00" or "22:00-06:00"`
    windows.push(window)
  }
  return windows
}

/** Is it open when the wall clock shows this? Without windows it always is. */
export function isOpenAt(windows: readonly HourWindow[], { weekday, minute }: WallTime): boolean {
  if (windows.length === 0) return true
  const at = weekday * DAY_MINUTES + minute
  return windows.some(({ days, fromMinute, toMinute }) =>
    days.some((day) => {
      const length = toMinute > fromMinute ? toMinute - fromMinute : toMinute + DAY_MINUTES - fromMinute
      const since = at - (day * DAY_MINUTES + fromMinute)
      return (since + WEEK_MINUTES) % WEEK_MINUTES < length
    }),
  )
}

/**
 * The next moment at which it opens or closes: the start of a minute.
 *
 * @returns undefined = it stays as it is for the next eight days
 */
export function nextTurnMs(
  windows: readonly HourWindow[],
  wall: WallClock,
  nowMs: number,
): number | undefined {
  if (windows.length === 0) return undefined
  const now = isOpenAt(windows, wall(nowMs))
  // Minute by minute: clocks are put forward and back at any time of day, and this is asked once in a while.
  const firstMs = (Math.floor(nowMs / MINUTE_MS) + 1) * MINUTE_MS
  const lastMs = firstMs + (WEEK_MINUTES + DAY_MINUTES) * MINUTE_MS
  for (let atMs = firstMs; atMs < lastMs; atMs += MINUTE_MS)
    if (isOpenAt(windows, wall(atMs)) !== now) return atMs
  return undefined
}

function parseWindow(text: string): HourWindow | undefined {
  const [, first, last, fromHour, fromPast, toHour, toPast] = WINDOW.exec(text.replace(/\s+/g, ' ')) ?? []
  const days = daysOf(first, last)
  const fromMinute = minuteOf(fromHour, fromPast)
  const toMinute = minuteOf(toHour, toPast)
  if (days === undefined || fromMinute === undefined || toMinute === undefined) return undefined
  if (fromMinute >= DAY_MINUTES || fromMinute === toMinute) return undefined
  // Until 00:00 is until the end of the day.
  return { days, fromMinute, toMinute: toMinute === 0 ? DAY_MINUTES : toMinute }
}

/** `fri-mon` goes over Sunday. */
function daysOf(first: string | undefined, last: string | undefined): readonly number[] | undefined {
  if (first === undefined) return DAYS.map((_, day) => day)
  const from = DAYS.indexOf(first)
  const to = last === undefined ? from : DAYS.indexOf(last)
  if (from < 0 || to < 0) return undefined
  return Array.from({ length: ((to - from + 7) % 7) + 1 }, (_, step) => (from + step) % 7)
}

function minuteOf(hour: string | undefined, past: string | undefined): number | undefined {
  const minute = Number(hour) * 60 + Number(past)
  return Number(past) < 60 && minute <= DAY_MINUTES ? minute : undefined
}
