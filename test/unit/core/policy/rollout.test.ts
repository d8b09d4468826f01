import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RolloutRecord } from '../../../../src/core/policy/policy-records.js'
import { cohortOf, offerTo } from '../../../../src/core/policy/rollout-offer.js'
import { gateOf, standingOfRollout } from '../../../../src/core/policy/rollout-standing.js'

const ROLLOUT: RolloutRecord = {
  id: 'nov',
  target: 'runtime',
  model: '',
  version: '2.0.0',
  stage: 'canary',
  reached: 'canary',
  before: '1.0.0',
  batchPercent: 50,
  failureBasisPoints: 1_000,
  leastAttempts: 10,
  reason: '',
  sequence: 5,
  sinceMs: 0,
}
const PEERS = Array.from({ length: 10_000 }, (_, n) => `12D3KooW${n}`)

function share(id: string, batchPercent: number, cohort: string): number {
  return PEERS.filter((peer) => cohortOf({ id, batchPercent }, peer) === cohort).length / PEERS.length
}

describe('cohorts', () => {
  it.each(['nov', 'r1', 'a-very-long-name-of-a-rollout', ''])(
    'of "%s" have the sizes that are said',
    (id) => {
      expect(share(id, 50, 'canary')).toBeCloseTo(0.1, 1)
      expect(share(id, 50, 'batch')).toBeCloseTo(0.4, 1)
      expect(share(id, 50, 'full')).toBeCloseTo(0.5, 1)
      expect(share(id, 100, 'full')).toBe(0)
    },
  )

  it('are others in each rollout, so that it is not always the same who try first', () => {
    const canaries = (id: string) =>
      PEERS.filter((peer) => cohortOf({ id, batchPercent: 50 }, peer) === 'canary')
    const both = canaries('r1').filter((peer) => canaries('r2').includes(peer))
    expect(both.length / PEERS.length).toBeLessThan(0.03)
  })

  it('only widen when the batch does', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.integer({ min: 10, max: 99 }), (id, peer, batchPercent) => {
        const order = ['canary', 'batch', 'full']
        const [before, after] = [batchPercent, batchPercent + 1].map((percent) =>
          order.indexOf(cohortOf({ id, batchPercent: percent }, peer)),
        )
        expect(after).toBeLessThanOrEqual(before ?? 0)
      }),
    )
  })
})

describe('what is offered', () => {
  const of = (cohort: string) => PEERS.find((peer) => cohortOf(ROLLOUT, peer) === cohort) ?? ''

  it.each([
    // stage, how far it came, and whether canary, batch and the rest are offered it
    ['canary', 'canary', ['2.0.0', undefined, undefined]],
    ['batch', 'batch', ['2.0.0', '2.0.0', undefined]],
    ['full', 'full', ['2.0.0', '2.0.0', '2.0.0']],
    ['paused', 'batch', [undefined, undefined, undefined]],
    ['rolled-back', 'batch', ['1.0.0', '1.0.0', undefined]],
  ] as const)('%s, reached %s: %j', (stage, reached, expected) => {
    const rollout = { ...ROLLOUT, stage, reached }
    expect(['canary', 'batch', 'full'].map((cohort) => offerTo(rollout, of(cohort)))).toEqual(expected)
  })
})

describe('the gate', () => {
  it.each([
    // done, failed, and how it stands with at most a tenth of at least ten
    [0, 0, 'waiting'],
    [9, 0, 'waiting'],
    [8, 1, 'waiting'],
    [9, 1, 'holds'],
    [0, 2, 'broken'],
    [8, 2, 'broken'],
    [18, 2, 'holds'],
    [17, 3, 'broken'],
  ])('%i done and %i failed: %s', (done, failed, state) => {
    expect(gateOf(ROLLOUT, [{ done, failed }]).state).toBe(state)
    // It is the same however they are spread.
    expect(
      gateOf(ROLLOUT, [
        { done, failed: 0 },
        { done: 0, failed },
      ]).state,
    ).toBe(state)
  })

  it('that is broken stays so, whatever becomes of the attempts that are still missing', () => {
    fc.assert(
      fc.property(fc.nat(9), fc.nat(9), (done, failed) => {
        fc.pre(done + failed < ROLLOUT.leastAttempts)
        const best = gateOf(ROLLOUT, [{ done: ROLLOUT.leastAttempts - failed, failed }]).state
        expect(gateOf(ROLLOUT, [{ done, failed }]).state === 'broken').toBe(best === 'broken')
      }),
    )
  })

  it('counts only attempts of workers that have the version', () => {
    const worker = { models: [], done: 1, failed: 9 }
    const workers = PEERS.slice(0, 100).map((peer, at) => ({
      ...worker,
      peer,
      version: at < 50 ? '2.0.0' : '1.0.0',
    }))
    const { cohorts, gate, offered } = standingOfRollout(ROLLOUT, workers)
    expect(gate).toEqual({ state: 'broken', attempts: 500, failed: 450 })
    expect(cohorts.reduce((sum, each) => sum + each.workers, 0)).toBe(100)
    expect(cohorts.reduce((sum, each) => sum + each.having, 0)).toBe(50)
    expect(offered).toBe(cohorts[0]?.workers)
  })

  it('knows a model by its name and digest', () => {
    const rollout = { ...ROLLOUT, target: 'model' as const, model: 'coder', version: 'ab'.repeat(32) }
    const having = (models: { name: string; digest?: string }[]) =>
      standingOfRollout(rollout, [
        { peer: 'p', version: '2.0.0', models, done: 0, failed: 0 },
      ]).cohorts.reduce((sum, each) => sum + each.having, 0)
    expect(having([{ name: 'coder', digest: rollout.version }])).toBe(1)
    expect(having([{ name: 'coder' }, { name: 'writer', digest: rollout.version }])).toBe(0)
  })
})
