import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { expect, test } from 'vitest'
import { createSeededRandom } from '../../../../src/services/clock/seeded-random.js'
import { systemClock } from '../../../../src/services/clock/system-clock.js'
import { systemRandom } from '../../../../src/services/clock/system-random.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'

const START_MS = Date.UTC(2026, 0, 1)

test('timers fire in order of time, then of setting, each at its time', async () => {
  const clock = createVirtualClock(START_MS)
  const fired: [string, number][] = []
  const at = (name: string, delayMs: number) =>
    clock.after(delayMs, () => fired.push([name, clock.monotonicMs()]))
  at('late', 30)
  at('first of two', 10)
  at('second of two', 10)
  at('never', 20).cancel()
  at('now', 0)
  await clock.advance(29)
  expect(fired).toEqual([
    ['now', 0],
    ['first of two', 10],
    ['second of two', 10],
  ])
  expect(clock.monotonicMs()).toBe(29)
  expect(clock.nowMs()).toBe(START_MS + 29)
  expect(clock.pending).toBe(1)
  await clock.advance(1)
  expect(fired.at(-1)).toEqual(['late', 30])
})

test('promises settle between two timers, also those that wait for the thread pool', async () => {
  const clock = createVirtualClock(START_MS)
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const signature = sign(null, Buffer.from('x'), privateKey)
  const seen: string[] = []
  clock.after(1, async () => {
    seen.push('asked')
    await new Promise<void>((resolve) =>
      verify(null, Buffer.from('x'), publicKey, signature, () => resolve()),
    )
    await Promise.resolve()
    seen.push(`answered at ${clock.monotonicMs()}`)
  })
  clock.after(2, () => seen.push('next timer'))
  await clock.advance(5)
  expect(seen).toEqual(['asked', 'answered at 1', 'next timer'])
  clock.dispose()
})

test('a repeating timer goes on until it is cancelled, also by itself', async () => {
  const clock = createVirtualClock(START_MS)
  let runs = 0
  const timer = clock.every(100, () => {
    if (++runs === 7) timer.cancel()
  })
  await clock.advance(500)
  expect(runs).toBe(5)
  await clock.advance(10_000)
  expect(runs).toBe(7)
  expect(clock.pending).toBe(0)
})

test('idle is when only repeating timers are left', async () => {
  const clock = createVirtualClock(START_MS)
  let left = 3
  const again = () => {
    if (--left > 0) clock.after(50, again)
  }
  clock.after(50, again)
  clock.every(20, () => {})
  expect(await clock.runUntilIdle()).toBe(true)
  expect(clock.monotonicMs()).toBe(150)
  const forever = () => clock.after(1000, forever)
  forever()
  expect(await clock.runUntilIdle(5000)).toBe(false)
})

test('runUntil stops as soon as the condition holds', async () => {
  const clock = createVirtualClock(START_MS)
  let count = 0
  clock.every(10, () => count++)
  expect(await clock.runUntil(() => count === 5, 1000)).toBe(true)
  expect(clock.monotonicMs()).toBe(50)
  expect(await clock.runUntil(() => count === 500, 1000)).toBe(false)
})

test('the wall clock jumps alone', async () => {
  const clock = createVirtualClock(START_MS)
  clock.jumpWall(-3_600_000)
  expect(clock.nowMs()).toBe(START_MS - 3_600_000)
  expect(clock.monotonicMs()).toBe(0)
})

test('timers by the thousand come out sorted', async () => {
  const clock = createVirtualClock(START_MS)
  const random = createSeededRandom(3)
  const fired: number[] = []
  for (let i = 0; i < 2000; i++) clock.after(random.fraction() * 1000, () => fired.push(clock.monotonicMs()))
  await clock.advance(1000)
  expect(fired).toHaveLength(2000)
  expect(fired).toEqual([...fired].sort((a, b) => a - b))
})

test('the same seed gives the same chance, another seed another', () => {
  const draw = (seed: number) => {
    const random = createSeededRandom(seed)
    return [random.fraction(), random.fraction(), ...random.bytes(8), random.id()]
  }
  expect(draw(7)).toEqual(draw(7))
  expect(draw(7)).not.toEqual(draw(8))
  expect(draw(2 ** 40)).not.toEqual(draw(0))
})

test.each([
  ['seeded', createSeededRandom(1, { nowMs: () => START_MS })],
  ['system', systemRandom({ nowMs: () => START_MS })],
])('%s chance is spread evenly and its ids sort by time', (_name, random) => {
  const parts = new Array<number>(10).fill(0)
  for (let i = 0; i < 20_000; i++) {
    const part = Math.floor(random.fraction() * 10)
    parts[part] = (parts[part] ?? 0) + 1
  }
  for (const count of parts) expect(count).toBeGreaterThan(1700)
  expect(random.bytes(33)).toHaveLength(33)
  const id = random.id()
  expect(id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/)
  expect(id.slice(0, 10)).toBe('01KDVDNA00')
  expect(random.id()).not.toBe(id)
})

test('the system clock runs a task once, repeats one, and cancels both', async () => {
  const clock = systemClock()
  const runs = { once: 0, cancelled: 0 }
  clock.after(1, () => runs.cancelled++).cancel()
  clock.after(1, () => runs.once++)
  await new Promise<void>((resolve) => {
    let times = 0
    const timer = clock.every(2, () => {
      if (++times < 3) return
      timer.cancel()
      resolve()
    })
    // A pending timer of the port does not keep the process alive; this one does.
    const hold = setInterval(() => times >= 3 && clearInterval(hold), 5)
  })
  expect(runs).toEqual({ once: 1, cancelled: 0 })
  expect(clock.monotonicMs()).toBeGreaterThan(0)
  // Node fires a timer at once when its delay does not fit in 31 bits.
  let fired = false
  const far = clock.after(2 ** 32, () => {
    fired = true
  })
  // Set later: had the far one been due at once, it would have come first. The interval keeps the process alive.
  const hold = setInterval(() => {}, 50)
  await new Promise<void>((resolve) => clock.after(2, resolve))
  clearInterval(hold)
  far.cancel()
  expect(fired).toBe(false)
})

test('with steps, timers of one step fire together, and what they set comes in a later one', async () => {
  const clock = createVirtualClock(START_MS, { stepMs: 10 })
  const fired: string[] = []
  const note = (name: string) => fired.push(`${name} at ${clock.monotonicMs()}`)
  clock.after(3, () => {
    note('first')
    Promise.resolve().then(() => note('promise'))
    clock.after(0, () => note('set meanwhile'))
  })
  clock.after(9, () => note('second'))
  clock.after(10, () => note('third'))
  const beats = clock.every(20, () => note('beat'))
  await clock.advance(40)
  expect(fired).toEqual([
    'first at 10',
    'second at 10',
    'third at 10',
    'promise at 10',
    'beat at 20',
    'set meanwhile at 20',
    'beat at 40',
  ])
  beats.cancel()
  clock.dispose()
})
