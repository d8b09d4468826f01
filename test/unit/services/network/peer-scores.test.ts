import { expect, test } from 'vitest'
import { createPeerScores } from '../../../../src/services/network/peer-scores.js'
import { createQuota } from '../../../../src/services/network/quota.js'

const MINUTE_MS = 60_000

function scoresAt() {
  let nowMs = 0
  const scores = createPeerScores({ monotonicMs: () => nowMs })
  return { scores, pass: (ms: number) => (nowMs += ms) }
}

test('four plain offences within a short time deny a peer, for a quarter of an hour', () => {
  const { scores, pass } = scoresAt()
  const offend = () => {
    pass(1000)
    return scores.penalise('peer', 'flood')
  }
  expect([offend(), offend(), offend(), offend()]).toEqual([false, false, false, true])
  expect(scores.denied('peer')).toBe(true)
  expect(scores.denied('other')).toBe(false)
  pass(15 * MINUTE_MS)
  expect(scores.denied('peer')).toBe(false)
})

test('two forged signatures are enough', () => {
  const { scores } = scoresAt()
  expect([scores.penalise('peer', 'bad-signature'), scores.penalise('peer', 'bad-signature')]).toEqual([
    false,
    true,
  ])
})

test('offences fade: one now and then is never denied', () => {
  const { scores, pass } = scoresAt()
  for (let i = 0; i < 100; i++) {
    pass(10 * MINUTE_MS)
    expect(scores.penalise('peer', 'malformed-frame')).toBe(false)
  }
})

test('strangers without end do not fill the memory, and do not push out one who goes on offending', () => {
  const { scores } = scoresAt()
  let denied = false
  for (let i = 0; i < 20_000; i++) {
    scores.penalise(`stranger ${i}`, 'not-admitted')
    if (i % 4000 === 0) denied = scores.penalise('peer', 'flood') || denied
  }
  expect(denied).toBe(true)
  scores.penalise('again', 'flood')
  for (let i = 0; i < 5000; i++) scores.penalise(`another ${i}`, 'flood')
  expect([1, 2, 3].map(() => scores.penalise('again', 'flood'))).toEqual([false, false, false])
})

test('a quota gives its burst, then its rate', () => {
  let nowMs = 0
  const quota = createQuota(10, 40, () => nowMs)
  const takeAll = () => {
    let taken = 0
    while (quota.take()) taken++
    return taken
  }
  expect(takeAll()).toBe(40)
  nowMs += 1000
  expect(takeAll()).toBe(10)
  nowMs += 60_000
  expect(takeAll()).toBe(40)
})
