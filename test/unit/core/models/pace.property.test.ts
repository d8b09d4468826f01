import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Pace } from '../../../../src/core/models/pace.js'

test('the first goes at once, the next when the first is paid for', () => {
  const pace = new Pace()
  expect(pace.take(500, 1_000, 10)).toBe(0)
  expect(pace.take(500, 1_000, 10)).toBe(500)
  expect(pace.take(500, 1_000, 2_000)).toBe(0)
})

test('whatever is asked for, no more goes out than the rate allows, but for the last piece', () => {
  const takes = fc.array(fc.record({ afterMs: fc.nat(500), bytes: fc.integer({ min: 1, max: 131_072 }) }), {
    maxLength: 100,
  })
  fc.assert(
    fc.property(takes, fc.integer({ min: 65_536, max: 10_000_000 }), (all, bytesPerS) => {
      const pace = new Pace()
      let nowMs = 0
      let before = 0
      for (const { afterMs, bytes } of all) {
        nowMs += afterMs
        const atMs = nowMs + pace.take(bytes, bytesPerS, nowMs)
        // Everything that was let through before it is paid for by then.
        expect(before).toBeLessThanOrEqual((atMs / 1_000) * bytesPerS + 1)
        before += bytes
      }
    }),
  )
})
