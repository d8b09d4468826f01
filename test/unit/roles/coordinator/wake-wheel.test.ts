import { afterEach, beforeEach, expect, test } from 'vitest'
import { createWakeWheel, type WakeWheel } from '../../../../src/roles/coordinator/wake-wheel.js'
import { createVirtualClock, type VirtualClock } from '../../../../src/services/clock/virtual-clock.js'

let clock: VirtualClock
let wheel: WakeWheel
let fired: { id: string; atMs: number }[]

beforeEach(() => {
  clock = createVirtualClock(1_000_000)
  fired = []
  wheel = createWakeWheel(clock, 100, {
    fire: (id) => fired.push({ id, atMs: clock.nowMs() }),
    clockSet: (byMs) => fired.push({ id: 'clock set', atMs: byMs }),
  })
})

afterEach(() => {
  wheel.stop()
  clock.dispose()
})

test('wakes never early and at most two steps late', async () => {
  const wanted = [1_000_000, 1_000_001, 1_000_099, 1_000_100, 1_000_555, 1_003_210]
  for (const atMs of wanted) wheel.wake(String(atMs), atMs)
  await clock.advance(5_000)
  expect(fired.map((each) => Number(each.id)).sort()).toEqual(wanted)
  for (const { id, atMs } of fired) {
    expect(atMs).toBeGreaterThanOrEqual(Number(id))
    expect(atMs - Number(id)).toBeLessThanOrEqual(200)
  }
})

test('a clock that was set is told before anything is fired for it', async () => {
  wheel.wake('a', 1_500_000)
  await clock.advance(200)
  clock.jumpWall(3_600_000)
  await clock.advance(200)
  expect(fired.map(({ id }) => id)).toEqual(['clock set', 'a'])
  expect(fired[0]?.atMs).toBe(3_600_000)
  clock.jumpWall(-7_200_000)
  await clock.advance(200)
  expect(fired.at(-1)).toEqual({ id: 'clock set', atMs: -7_200_000 })
})

test('the earlier wake stands, a forgotten one does not fire', async () => {
  wheel.wake('a', 1_000_500)
  wheel.wake('a', 1_002_000)
  wheel.wake('b', 1_002_000)
  wheel.wake('b', 1_000_500)
  wheel.wake('c', 1_000_500)
  wheel.forget('c')
  await clock.advance(1_000)
  expect(fired.map((each) => each.id)).toEqual(['a', 'b'])
  await clock.advance(5_000)
  expect(fired).toHaveLength(2)
})

test('one that asks again for a time gone by, while it is fired, is fired again', async () => {
  wheel.stop()
  let times = 0
  wheel = createWakeWheel(clock, 100, {
    fire: () => {
      if (++times < 3) wheel.wake('a', 1_000_000)
    },
    clockSet: () => {},
  })
  wheel.wake('a', 1_000_000)
  await clock.advance(1_000)
  expect(times).toBe(3)
})

test('after the wall clock jumped far ahead everything due is fired', async () => {
  wheel.wake('soon', 1_000_500)
  wheel.wake('later', 1_000_000 + 5 * 60_000)
  wheel.wake('far', 1_000_000 + 48 * 3_600_000)
  clock.jumpWall(24 * 3_600_000)
  await clock.advance(200)
  expect(fired.map((each) => each.id).sort()).toEqual(['clock set', 'later', 'soon'])
})
