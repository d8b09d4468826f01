import { expect, test } from 'vitest'
import { LenderChoice, MOST_LENDERS } from '../../../../src/core/models/lender-choice.js'
import { refusal } from '../../../../src/core/refusal.js'

const CUT = refusal('link-closed', 'gone')
const NO = refusal('model-missing', 'not here')

function choice(...peers: readonly string[]): LenderChoice {
  const made = new LenderChoice()
  for (const [at, peer] of peers.entries()) made.add(peer, at / 10)
  return made
}

test('everybody is asked once, those first whom chance names', () => {
  const made = new LenderChoice()
  made.add('b', 0.9)
  made.add('a', 0.1)
  expect(made.add('a', 0.95)).toBe(false)
  expect(made.due(0)).toEqual(['a', 'b'])
  made.claimed('a', 5)
  expect(made.due(0)).toEqual(['b'])
})

test('the shortest claim goes first, then who was cut less often, then chance', () => {
  const made = choice('a', 'b', 'c')
  made.claimed('a', 7)
  made.claimed('b', 5)
  made.claimed('c', 5)
  expect(made.best()).toEqual({ peerId: 'b', bytes: 5 })
  made.refused('b', CUT, 0)
  made.claimed('b', 5)
  expect(made.best()?.peerId).toBe('c')
  made.drop('c')
  expect(made.best()?.peerId).toBe('b')
})

test('who is cut is asked again after a while, four times, ever later', () => {
  const made = choice('a')
  const waits: (number | undefined)[] = []
  for (let cuts = 0; cuts < 4; cuts++) {
    made.claimed('a', 5)
    made.refused('a', CUT, 0)
    expect([made.best(), made.due(0)]).toEqual([undefined, []])
    waits.push(made.waitMs(0))
  }
  expect(waits).toEqual([2_000, 4_000, 6_000, undefined])
})

test('who says when to come again is asked then, within bounds; who says no is not', () => {
  const made = choice('a', 'b', 'c')
  made.refused('a', refusal('rate-limited', 'busy', { retryAfterMs: 5_000 }), 1_000)
  made.refused('b', refusal('rate-limited', 'busy', { retryAfterMs: 86_400_000 }), 1_000)
  made.refused('c', NO, 1_000)
  expect(made.waitMs(1_000)).toBe(5_000)
  expect(made.due(5_999)).toEqual([])
  expect(made.due(6_000)).toEqual(['a'])
  expect(made.due(61_000)).toEqual(['a', 'b'])
})

test('there is nothing to wait for when nobody is left', () => {
  const made = choice('a')
  made.refused('a', NO, 0)
  expect([made.waitMs(0), made.best(), choice().waitMs(0)]).toEqual([undefined, undefined, undefined])
})

test('only so many are remembered, and strangers change nothing', () => {
  const made = new LenderChoice()
  for (let at = 0; at <= MOST_LENDERS; at++) made.add(`peer-${at}`, 0)
  made.claimed('stranger', 1)
  made.refused('stranger', CUT, 0)
  made.drop('stranger')
  expect([made.due(0).length, made.best()]).toEqual([MOST_LENDERS, undefined])
})
