import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createFrameReader, lengthPrefix, writeFrames } from '../../../../src/services/network/framing.js'

const frameSizes = fc.array(
  fc.oneof(fc.nat(300), fc.constantFrom(0, 127, 128, 4095, 4096, 16_383, 16_384, 70_000)),
  { maxLength: 20 },
)

/** Cuts bytes at random places, as a stream does. */
function* cut(bytes: Uint8Array, sizes: readonly number[]): Iterable<Uint8Array> {
  let at = 0
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? bytes.length
    yield bytes.slice(at, at + size)
    at += size
  }
}

test('frames come out as they went in, however the stream cuts them', () => {
  fc.assert(
    fc.property(
      frameSizes,
      fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 8 }),
      (sizes, cuts) => {
        const frames = sizes.map((size, i) => new Uint8Array(size).fill(i + 1))
        const read: Uint8Array[] = []
        const reader = createFrameReader(70_000, (frame) => read.push(frame.slice()) > 0)
        for (const chunk of cut(writeFrames(frames), cuts)) expect(reader.read(chunk)).toBeUndefined()
        expect(read.map((frame) => Buffer.from(frame).toString('base64'))).toEqual(
          frames.map((frame) => Buffer.from(frame).toString('base64')),
        )
      },
    ),
    { numRuns: 200 },
  )
})

test('no bytes at all make the reader throw, or hand over more than it was given', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 10 }), (chunks) => {
      let taken = 0
      const reader = createFrameReader(1000, (frame) => {
        taken += frame.length
        return true
      })
      let given = 0
      for (const chunk of chunks) {
        given += chunk.length
        if (reader.read(chunk) !== undefined) break
      }
      expect(taken).toBeLessThanOrEqual(given)
    }),
  )
})

test('a length over the bound is refused as soon as it is read', () => {
  const reader = createFrameReader(1000, () => expect.unreachable('no frame is whole'))
  expect(reader.read(lengthPrefix(1000))).toBeUndefined()
  const strict = createFrameReader(999, () => expect.unreachable('no frame is whole'))
  expect(strict.read(lengthPrefix(1000))).toBe('a frame of over 999 bytes')
})

test.each([
  ['five bytes of length', [0x80, 0x80, 0x80, 0x80, 0x01]],
  ['a zero in two bytes', [0x80, 0x00]],
  ['a one in three bytes', [0x81, 0x80, 0x00]],
])('a length of %s is refused', (_name, bytes) => {
  const reader = createFrameReader(2 ** 28, () => expect.unreachable('no frame is whole'))
  expect(reader.read(Uint8Array.from(bytes))).toBeTypeOf('string')
})

test('reading stops when the taker says so', () => {
  const frames = [1, 2, 3].map((n) => Uint8Array.of(n))
  const read: number[] = []
  const reader = createFrameReader(10, (frame) => {
    read.push(frame[0] ?? 0)
    return read.length < 2
  })
  expect(reader.read(writeFrames(frames))).toBeUndefined()
  expect(read).toEqual([1, 2])
})
