import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type HourWindow,
  isOpenAt,
  nextTurnMs,
  parseHours,
  type WallClock,
  type WallTime,
} from '../../../../src/core/terms/hours.js'

const MINUTE_MS = 60_000
const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']

/** The wall clock of some place, as its own authority has it. */
function clockOf(timeZone: string): WallClock {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
  return (atMs) => {
    const parts = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, value]))
    return {
      weekday: DAYS.indexOf(parts.get('weekday') ?? ''),
      minute: Number(parts.get('hour')) * 60 + Number(parts.get('minute')),
    }
  }
}

function windowsOf(text: string): readonly HourWindow[] {
  const windows = parseHours(text)
  if (typeof windows === 'string') throw new Error(windows)
  return windows
}

function textOf(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
}

const day = fc.integer({ min: 0, max: 6 })
const minute = fc.integer({ min: 0, max: 1_439 })
const window = fc
  .record({ first: day, last: day, from: minute, to: fc.integer({ min: 1, max: 1_440 }) })
  .filter(({ from, to }) => from !== to)
const wallTime: fc.Arbitrary<WallTime> = fc.record({ weekday: day, minute })

/** Marks each minute of the week that windows cover, one by one. */
function marked(windows: readonly { first: number; last: number; from: number; to: number }[]): Set<number> {
  const minutes = new Set<number>()
  for (const { first, last, from, to } of windows) {
    for (let at = first; ; at = (at + 1) % 7) {
      const length = to > from ? to - from : to + 1_440 - from
      for (let step = 0; step < length; step++) minutes.add((at * 1_440 + from + step) % 10_080)
      if (at === last) break
    }
  }
  return minutes
}

it('windows are open in just the minutes that they name, past midnight and past Sunday', () => {
  fc.assert(
    fc.property(fc.array(window, { minLength: 1, maxLength: 3 }), wallTime, (given, at) => {
      const text = given
        .map(({ first, last, from, to }) => {
          const days = first === last ? DAYS[first] : `${DAYS[first]}-${DAYS[last]}`
          return `${days} ${textOf(from)}-${textOf(to)}`
        })
        .join(', ')
      const expected = marked(given).has(at.weekday * 1_440 + at.minute)
      expect(isOpenAt(windowsOf(text), at)).toBe(expected)
    }),
  )
})

describe.each(['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'UTC'])(
  'in %s',
  (zone) => {
    const wall = clockOf(zone)
    // Each year in which a clock is put forward and back; the days around are as any other.
    const moment = fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2027, 0, 1) })
    const nearChange = fc
      .constantFrom(
        Date.UTC(2026, 2, 29, 1),
        Date.UTC(2026, 9, 25, 1),
        Date.UTC(2026, 2, 8, 7),
        Date.UTC(2026, 10, 1, 6),
        Date.UTC(2026, 3, 4, 15),
        Date.UTC(2026, 9, 3, 15, 30),
      )
      .chain((atMs) => fc.integer({ min: atMs - 7_200_000, max: atMs + 7_200_000 }))

    it('stays as it is until the turn that is told, and turns there', () => {
      fc.assert(
        fc.property(window, fc.oneof(moment, nearChange), ({ first, last, from, to }, nowMs) => {
          const windows = windowsOf(`${DAYS[first]}-${DAYS[last]} ${textOf(from)}-${textOf(to)}`)
          const open = (atMs: number) => isOpenAt(windows, wall(atMs))
          const turnMs = nextTurnMs(windows, wall, nowMs)
          const endMs = turnMs ?? nowMs + 8 * 86_400_000
          if (turnMs !== undefined) {
            expect(turnMs).toBeGreaterThan(nowMs)
            expect(turnMs % MINUTE_MS).toBe(0)
            expect(open(turnMs)).toBe(!open(nowMs))
          }
          for (let atMs = nowMs; atMs < endMs; atMs += MINUTE_MS)
            if (open(atMs) !== open(nowMs)) expect.fail(`it turns at ${atMs} already`)
        }),
        { numRuns: 15 },
      )
    })
  },
)

it('an hour that the clock skips does not exist, and one that comes twice is open twice', () => {
  const wall = clockOf('Europe/Berlin')
  const skipped = windowsOf('sun 02:00-03:00')
  // 01:59 is followed by 03:00.
  expect(nextTurnMs(skipped, wall, Date.UTC(2026, 2, 28, 12))).toBe(Date.UTC(2026, 3, 5, 0))
  const twice = windowsOf('sun 02:00-03:00')
  expect(nextTurnMs(twice, wall, Date.UTC(2026, 9, 24, 12))).toBe(Date.UTC(2026, 9, 25, 0))
  expect(nextTurnMs(twice, wall, Date.UTC(2026, 9, 25, 0))).toBe(Date.UTC(2026, 9, 25, 2))
})

describe('hours as people write them', () => {
  it('are read', () => {
    expect(windowsOf('always')).toEqual([])
    expect(windowsOf('22:00-06:00')).toEqual([
      { days: [0, 1, 2, 3, 4, 5, 6], fromMinute: 1_320, toMinute: 360 },
    ])
    expect(windowsOf('Fri-Mon 18:00-24:00, wed 00:00-00:01')).toEqual([
      { days: [4, 5, 6, 0], fromMinute: 1_080, toMinute: 1_440 },
      { days: [2], fromMinute: 0, toMinute: 1 },
    ])
  })

  it.each([
    '',
    'never',
    '8-10',
    '18:00-18:00',
    '24:00-06:00',
    '18:60-19:00',
    'son 10:00-12:00',
    '10:00-25:00',
    'mon 10:00-12:00;',
  ])('are refused as "%s"', (text) => {
    expect(parseHours(text)).toBeTypeOf('string')
  })

  it('are no more than a text can hold', () => {
    expect(parseHours(Array.from({ length: 33 }, () => '10:00-11:00').join(','))).toContain('32')
  })
})
