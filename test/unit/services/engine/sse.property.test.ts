import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createSseReader } from '../../../../src/services/engine/sse.js'

function readAll(bytes: Uint8Array, cuts: readonly number[]): readonly string[] {
  const reader = createSseReader()
  const events: string[] = []
  let from = 0
  for (const cut of [...cuts.map((c) => c % (bytes.length + 1))].sort((a, b) => a - b)) {
    events.push(...reader.push(bytes.subarray(from, cut)))
    from = cut
  }
  events.push(...reader.push(bytes.subarray(from)), ...reader.end())
  return events
}

const line = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((s) => !/[\r\n]/.test(s))

test('events come out whole, however the bytes are cut and the lines end', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(line, { minLength: 1, maxLength: 3 }), { maxLength: 6 }),
      fc.constantFrom('\n', '\r\n', '\r'),
      fc.array(fc.nat(), { maxLength: 30 }),
      (events, lineEnd, cuts) => {
        const text = events
          .map((lines) => lines.map((data) => `data: ${data}${lineEnd}`).join('') + lineEnd)
          .join('')
        expect(readAll(new TextEncoder().encode(text), cuts)).toEqual(events.map((lines) => lines.join('\n')))
      },
    ),
  )
})

test('comments, names and ids are left out, a missing last empty line is forgiven', () => {
  const text = ': hello\nevent: x\nid: 1\ndata:no space\nretry: 5\n\n\n\ndata: last'
  expect(readAll(new TextEncoder().encode(text), [])).toEqual(['no space', 'last'])
})

test('an endless event is refused', () => {
  const reader = createSseReader()
  const part = new TextEncoder().encode('x'.repeat(400_000))
  const pushAll = (): void => {
    for (let i = 0; i < 4; i++) reader.push(part)
  }
  expect(pushAll).toThrow(expect.objectContaining({ code: 'engine-failed' }))
})

test('an event of endless lines is refused', () => {
  const reader = createSseReader()
  const part = new TextEncoder().encode(`data: ${'x'.repeat(99_000)}\n`)
  const pushAll = (): void => {
    for (let i = 0; i < 12; i++) reader.push(part)
  }
  expect(pushAll).toThrow(expect.objectContaining({ code: 'engine-failed' }))
})
