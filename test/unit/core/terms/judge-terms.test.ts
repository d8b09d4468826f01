import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { judgeTerms, type TermsMemory, untold } from '../../../../src/core/terms/judge-terms.js'
import type { MachineReading } from '../../../../src/core/terms/machine-reading.js'
import { TERM_NAMES, type TermTexts, termFault, termsOf } from '../../../../src/core/terms/terms.js'

const TEXTS: TermTexts = {
  hours: 'always',
  idleMinutes: '0',
  cpuPercent: '100',
  memoryMib: '0',
  batteryPercent: '0',
  hottestC: '0',
  priceFloorMicrocredits: '0',
  ownFirst: 'true',
  uploadKibPerS: '1024',
}
const NOW_MS = 1_700_000_000_000
const MINUTE_MS = 60_000
/** Monday, noon. */
const noon = () => ({ weekday: 0, minute: 720 })

function judge(
  texts: Partial<TermTexts>,
  reading: MachineReading,
  memory: TermsMemory = { tooHot: false },
  nowMs = NOW_MS,
) {
  return judgeTerms(termsOf({ ...TEXTS, ...texts }), reading, memory, noon, nowMs)
}

function closings(...args: Parameters<typeof judge>): readonly string[] {
  return judge(...args).closed.map(({ closing }) => closing)
}

describe('a machine in use', () => {
  it('is lent once nobody typed for the time that is set, and it is told when', () => {
    const { closed, memory } = judge({ idleMinutes: '10' }, { inputIdleMs: 4 * MINUTE_MS })
    expect(closed).toMatchObject([{ closing: 'in-use', untilMs: NOW_MS + 6 * MINUTE_MS }])
    expect(closings({ idleMinutes: '10' }, {}, memory, NOW_MS + 6 * MINUTE_MS)).toEqual([])
  })

  it('is in use while other programs work, and for as long after', () => {
    const { memory, closed } = judge({ idleMinutes: '10' }, { othersCpuRatio: 0.25 })
    expect(closed).toHaveLength(1)
    expect(closings({ idleMinutes: '10' }, { othersCpuRatio: 0.24 }, memory, NOW_MS + 9 * MINUTE_MS)).toEqual(
      ['in-use'],
    )
    expect(
      closings({ idleMinutes: '10' }, { othersCpuRatio: 0.24 }, memory, NOW_MS + 10 * MINUTE_MS),
    ).toEqual([])
  })

  it('is lent all the same when that is not asked about', () => {
    expect(closings({}, { inputIdleMs: 0, othersCpuRatio: 1 })).toEqual([])
  })

  it('is not kept shut by a clock that was put back', () => {
    const memory = { usedMs: NOW_MS + 86_400_000, tooHot: false }
    const { closed } = judge({ idleMinutes: '10' }, {}, memory)
    expect(closed).toMatchObject([{ untilMs: NOW_MS + 10 * MINUTE_MS }])
  })
})

describe('battery', () => {
  const discharging = (chargePercent: number) => ({ battery: { discharging: true, chargePercent } })

  it.each([
    ['100', 100, ['on-battery']],
    ['40', 39, ['on-battery']],
    ['40', 40, []],
    ['0', 1, []],
  ])('%s %% is needed, %i %% is there: %j', (batteryPercent, charge, expected) => {
    expect(closings({ batteryPercent }, discharging(charge))).toEqual(expected)
  })

  it('does not matter on mains, or where there is none', () => {
    expect(
      closings({ batteryPercent: '100' }, { battery: { discharging: false, chargePercent: 3 } }),
    ).toEqual([])
    expect(closings({ batteryPercent: '100' }, {})).toEqual([])
  })
})

describe('heat', () => {
  it('ends work above what is set, and lets it begin again five degrees cooler', () => {
    const hot = judge({ hottestC: '80' }, { hottestC: 81 })
    expect(hot.closed).toMatchObject([{ closing: 'too-hot' }])
    const warm = judge({ hottestC: '80' }, { hottestC: 76 }, hot.memory)
    expect(warm.closed).toHaveLength(1)
    const cool = judge({ hottestC: '80' }, { hottestC: 75 }, warm.memory)
    expect(cool.closed).toEqual([])
    expect(closings({ hottestC: '80' }, { hottestC: 80 }, cool.memory)).toEqual([])
  })

  it('that cannot be read does not limit, and this is said', () => {
    expect(closings({ hottestC: '40' }, {})).toEqual([])
    expect(untold(termsOf({ ...TEXTS, hottestC: '40' }), {})).toHaveLength(1)
    expect(untold(termsOf(TEXTS), {})).toEqual([])
  })
})

it('tells every reason at once', () => {
  const texts = { hours: '13:00-14:00', idleMinutes: '5', batteryPercent: '100', hottestC: '60' }
  const reading = { inputIdleMs: 0, battery: { discharging: true, chargePercent: 50 }, hottestC: 70 }
  const { closed } = judge(texts, reading)
  expect(closed.map(({ closing }) => closing)).toEqual(['outside-hours', 'in-use', 'on-battery', 'too-hot'])
})

it('terms that ask for nothing are never closed, whatever the machine tells', () => {
  const reading = fc.record(
    {
      inputIdleMs: fc.double(),
      othersCpuRatio: fc.double(),
      battery: fc.record({ discharging: fc.boolean(), chargePercent: fc.integer({ min: 0, max: 100 }) }),
      hottestC: fc.double(),
    },
    { requiredKeys: [] },
  )
  fc.assert(fc.property(reading, (read) => closings({}, read).length === 0))
})

it('reads any text or says why not, without a throw', () => {
  fc.assert(
    fc.property(fc.constantFrom(...TERM_NAMES), fc.string(), (name, text) => {
      const fault = termFault(name, text)
      if (fault === undefined) expect(() => termsOf({ ...TEXTS, [name]: text })).not.toThrow()
    }),
  )
  expect(termFault('cpuPercent', '0')).toContain('1 to 100')
  expect(termFault('memoryMib', '64')).toContain('128')
  expect(termFault('memoryMib', '0')).toBeUndefined()
  expect(termFault('priceFloorMicrocredits', '-1')).toBeDefined()
  expect(termFault('ownFirst', 'yes')).toBeDefined()
  expect(['0', '64', '1048576'].map((text) => termFault('uploadKibPerS', text))).toEqual(
    Array(3).fill(undefined),
  )
  for (const text of ['1', '63', '1048577', 'much']) expect(termFault('uploadKibPerS', text)).toBeDefined()
})
