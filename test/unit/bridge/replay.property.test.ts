import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Replay } from '../../../src/bridge/openai/replay.js'

/** A text cut in pieces at random. */
const cut = (text: string) =>
  fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }).map((sizes) => {
    const parts: string[] = []
    for (let at = 0, index = 0; at < text.length; index++) {
      const size = sizes[index % sizes.length] ?? 1
      parts.push(text.slice(at, at + size))
      at += size
    }
    return parts
  })

describe('Replay', () => {
  it('gives each character once, however often an attempt that says the same begins again', () => {
    const whole = fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' })
    const attempts = whole.chain((text) =>
      fc.record({
        text: fc.constant(text),
        last: cut(text),
        before: fc.array(fc.tuple(cut(text), fc.nat(60)), { maxLength: 4 }),
      }),
    )
    fc.assert(
      fc.property(attempts, ({ text, last, before }) => {
        const replay = new Replay()
        let seen = ''
        for (const [parts, count] of before) {
          for (const part of parts.slice(0, count)) seen += replay.next(part)
          replay.reset()
        }
        for (const part of last) seen += replay.next(part)
        expect(seen).toBe(text)
        expect(replay.caughtUp).toBe(true)
      }),
    )
  })

  it('sees every difference', () => {
    const replay = new Replay()
    replay.next('abcdef')
    replay.reset()
    expect(replay.next('ab')).toBe('')
    expect(replay.caughtUp).toBe(false)
    expect(replay.next('X')).toBeUndefined()
    replay.reset()
    expect(replay.next('abcdefgh')).toBe('gh')
    replay.reset()
    expect(replay.next('abcdefXh')).toBeUndefined()
  })
})
