import { describe, expect, it } from 'vitest'
import { MOST_VOTES, VOTES_TO_BLAME, type Vote } from '../../../../src/core/verification/judgement.js'
import { isFirm, isNewTo, isUsable } from '../../../../src/core/verification/known-answer.js'

function votes(count: number, outcome: Vote['outcome'] = 'passed'): readonly Vote[] {
  return Array.from({ length: count }, (_, at) => ({ worker: `w${at}`, owner: `o${at}`, outcome }))
}

describe('a known answer', () => {
  it('is one that all agreed in, as long as it may be run once more', () => {
    expect(isUsable(votes(2))).toBe(true)
    expect(isUsable(votes(2, 'failed'))).toBe(true)
    expect(isUsable(votes(MOST_VOTES - 1))).toBe(true)
    expect(isUsable(votes(MOST_VOTES))).toBe(false)
    expect(isUsable([])).toBe(false)
    expect(isUsable(votes(2, 'stopped'))).toBe(false)
    expect(isUsable([...votes(3), ...votes(1, 'failed')])).toBe(false)
    expect(isUsable([...votes(3), ...votes(1, 'stopped')])).toBe(false)
  })

  it('is firm from as many votes on as it takes to blame the next one', () => {
    expect(isFirm(votes(VOTES_TO_BLAME - 1))).toBe(false)
    expect(isFirm(votes(VOTES_TO_BLAME))).toBe(true)
    expect(isFirm(votes(MOST_VOTES))).toBe(false)
  })

  it('is new to an owner who neither ran nor ordered it', () => {
    expect(isNewTo(votes(2), 'user', 'o2')).toBe(true)
    expect(isNewTo(votes(2), 'user', 'o1')).toBe(false)
    expect(isNewTo(votes(2), 'user', 'user')).toBe(false)
  })
})
