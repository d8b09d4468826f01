import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dependence } from '../../../../src/core/verification/independence.js'
import { judge, MOST_VOTES, VOTES_TO_BLAME, type Vote } from '../../../../src/core/verification/judgement.js'
import { outcomeOf } from '../../../../src/core/verification/outcome.js'

const OUTCOMES = { p: 'passed', f: 'failed', s: 'stopped' } as const

/** One vote a letter, each of an owner of its own. */
function votesOf(letters: string): readonly Vote[] {
  return [...letters].map((letter, at) => {
    return { worker: `w${at}`, owner: `o${at}`, outcome: OUTCOMES[letter as keyof typeof OUTCOMES] }
  })
}

describe('votes on a result', () => {
  it.each([
    ['p', 'open'],
    ['pp', 'agreed'],
    ['ff', 'agreed'],
    ['pf', 'open'],
    ['pff', 'open'],
    ['pffff', 'open'],
    ['ps', 'open'],
    ['psp', 'agreed'],
    ['pffp', 'flaky'],
    ['pfff' + 'ffp', 'flaky'],
    ['pss', 'undecided'],
    ['pfs', 'open'],
  ])('%s is %s', (letters, type) => {
    expect(judge(votesOf(letters)).type).toBe(type)
  })

  it('put one in the wrong that stands alone, be it the first or who checked it', () => {
    expect(judge(votesOf('pffffff'))).toEqual({ type: 'wrong', worker: 'w0', outcome: 'failed' })
    expect(judge(votesOf('pfppppp'))).toEqual({ type: 'wrong', worker: 'w1', outcome: 'passed' })
  })

  it('of one owner alone blame nobody, however many they are, and do not agree with themselves', () => {
    const same = votesOf('pffffffff').map((vote, at) => (at === 0 ? vote : { ...vote, owner: 'one' }))
    expect(judge(same).type).toBe('open')
    expect(judge(votesOf('pp').map((vote) => ({ ...vote, owner: 'one' }))).type).toBe('open')
  })

  it('never blame a worker that two others agree with, and come to an end', () => {
    const letters = fc.string({ unit: fc.constantFrom('p', 'f', 's'), minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(letters, (text) => {
        const votes = votesOf(text)
        const judgement = judge(votes)
        if (votes.length >= MOST_VOTES) expect(judgement.type).not.toBe('open')
        if (judgement.type !== 'wrong') return
        const blamed = votes.find(({ worker }) => worker === judgement.worker)
        const saying = votes.filter(({ outcome }) => outcome === blamed?.outcome)
        const others = votes.filter(({ outcome }) => outcome === judgement.outcome)
        expect(saying).toHaveLength(1)
        expect(others.length).toBeGreaterThanOrEqual(VOTES_TO_BLAME)
      }),
    )
  })
})

describe('a worker', () => {
  const asked = (votes: readonly Vote[], owner: string | undefined) =>
    dependence(votes, 'user', { worker: 'x', owner })

  it('is not asked about what its owner made or ordered, nor when nobody knows its owner', () => {
    expect(asked(votesOf('p'), 'o0')).toBe('owner-made-it')
    expect(asked(votesOf('p'), 'user')).toBe('owner-ordered-it')
    expect(asked(votesOf('p'), undefined)).toBe('owner-unknown')
    expect(asked(votesOf('p'), 'other')).toBeUndefined()
  })

  it('does not speak for itself where it stands alone, and may be asked again where it does not', () => {
    expect(asked(votesOf('pfp'), 'o1')).toBe('owner-differs')
    expect(asked(votesOf('pff'), 'o1')).toBeUndefined()
  })
})

it('a run that a bound of the sandbox ended says nothing that could be compared', () => {
  expect(['passed', 'failed', 'wall-time', 'memory', 'killed'].map(outcomeOf)).toEqual([
    'passed',
    'failed',
    'stopped',
    'stopped',
    'stopped',
  ])
})
