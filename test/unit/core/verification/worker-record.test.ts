import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  isProven,
  isSuspect,
  LEAST_SAMPLED,
  NEW_RECORD,
  PROVEN_AGREED,
  recordAfter,
  sampledShare,
  type WorkerRecord,
} from '../../../../src/core/verification/worker-record.js'

function agreeing(agreed: number, from: WorkerRecord = NEW_RECORD): WorkerRecord {
  let record = from
  for (let times = 0; times < agreed; times++) record = recordAfter(record, 'agreed')
  return record
}

describe('a worker that agrees', () => {
  it('is looked at every time until it is proven, then less and less, and never quite not', () => {
    expect(sampledShare(NEW_RECORD)).toBe(1)
    expect(sampledShare(agreeing(PROVEN_AGREED - 1))).toBe(1)
    expect(isProven(agreeing(PROVEN_AGREED))).toBe(true)
    expect(sampledShare(agreeing(PROVEN_AGREED + 4))).toBe(0.25)
    expect(sampledShare(agreeing(PROVEN_AGREED + 1_000))).toBe(LEAST_SAMPLED)
  })

  it('is looked at more often where a factor says so, and never more than always', () => {
    const known = agreeing(PROVEN_AGREED + 100)
    expect(sampledShare(known, 5)).toBeCloseTo(5 * LEAST_SAMPLED)
    expect(sampledShare(known, 1_000)).toBe(1)
  })
})

describe('a worker that is wrong', () => {
  it('is looked at every time again, and is not suspended for it once', () => {
    const once = recordAfter(agreeing(PROVEN_AGREED), 'wrong')
    expect(sampledShare(once)).toBe(1)
    expect(isSuspect(once)).toBe(false)
  })

  it('a second time soon after is suspected, and long after is not', () => {
    const once = recordAfter(NEW_RECORD, 'wrong')
    expect(isSuspect(recordAfter(agreeing(48, once), 'wrong'))).toBe(true)
    expect(isSuspect(recordAfter(agreeing(49, once), 'wrong'))).toBe(false)
  })
})

it('what a record says of its past is what happened, and once is never suspected', () => {
  const comparisons = fc.array(fc.constantFrom('agreed', 'wrong'), { maxLength: 200 })
  fc.assert(
    fc.property(comparisons, (all) => {
      const record = all.reduce(recordAfter, NEW_RECORD)
      const wrong = all.filter((each) => each === 'wrong').length
      expect(record).toMatchObject({ wrong, agreed: all.length - wrong })
      expect(record.streak).toBe(all.length - 1 - all.lastIndexOf('wrong'))
      expect(record.suspicion).toBeGreaterThanOrEqual(0)
      if (wrong < 2) expect(isSuspect(record)).toBe(false)
    }),
  )
})
