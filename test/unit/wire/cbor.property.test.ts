import { decode, encode } from 'cborg'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { CborFault, decodeCbor, encodeCbor } from '../../../src/wire/cbor.js'
import { encodeEntry } from '../../../src/wire/ledger/entry.js'
import { ALL_SAMPLES } from '../../helpers/sample-entries.js'

const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.maxSafeInteger(),
    fc.constantFrom(0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, -1, -24, -25),
    fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }),
    fc.boolean(),
    fc.constant(null),
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc.string({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 30 }),
  ),
}))

function read(bytes: Uint8Array): { readonly value: unknown } | undefined {
  try {
    return { value: decodeCbor(bytes) }
  } catch (cause) {
    if (cause instanceof CborFault) return undefined
    throw cause
  }
}

/** By the long way: read by the library, written again by ours, and compared. */
function isTheOneEncoding(bytes: Uint8Array): boolean {
  try {
    const given = decode(bytes, { strict: true, allowIndefinite: false, allowUndefined: false })
    return Buffer.compare(encodeCbor(given), bytes) === 0
  } catch {
    return false
  }
}

it('is read as it was written', () => {
  fc.assert(
    fc.property(value, (given) => {
      const bytes = encodeCbor(given)
      expect(bytes).toEqual(Uint8Array.from(encode(given)))
      expect(encodeCbor(decodeCbor(bytes))).toEqual(bytes)
    }),
    { numRuns: 2_000 },
  )
})

it('takes just the bytes that are the one encoding of their value', () => {
  const encoded = fc.oneof(
    value.map((each) => encode(each)),
    fc.constantFrom(...ALL_SAMPLES).map(encodeEntry),
  )
  const hurt = fc
    .tuple(encoded, fc.nat(), fc.nat(255), fc.constantFrom('set', 'cut', 'add'))
    .map(([bytes, pick, byte, how]) => {
      const at = pick % Math.max(1, bytes.length)
      if (how === 'cut') return bytes.slice(0, at)
      if (how === 'add') return Uint8Array.from([...bytes.subarray(0, at), byte, ...bytes.subarray(at)])
      const copy = bytes.slice()
      copy[at] = byte
      return copy
    })
  const heads = fc.constantFrom(
    ...[
      '1817',
      '1900ff',
      '1a0000ffff',
      '1b00000000ffffffff',
      '3817',
      '5817',
      'f97c00',
      'f93c00',
      'fa3f800000',
    ],
    ...[
      'f7',
      'f8ff',
      'a0',
      'bf',
      '9fff',
      '5fff',
      'c074',
      'ff',
      '62c328',
      '61c3',
      '63efbbbf',
      '63efbfbd',
      '64efbbbf61',
      '63eda080',
      '62c080',
      '64f4908080',
    ],
    ...['9b7fffffffffffffff', '5b001fffffffffffff', '1bffffffffffffffff', '3bffffffffffffffff', ''],
  )
  const bytes = fc.oneof(
    hurt,
    fc.uint8Array({ maxLength: 40 }),
    fc
      .tuple(heads, fc.uint8Array({ maxLength: 3 }))
      .map(([head, more]) => Buffer.concat([Buffer.from(head, 'hex'), more])),
  )
  fc.assert(
    fc.property(bytes, (given) => {
      const found = read(Uint8Array.from(given))
      expect(found !== undefined).toBe(isTheOneEncoding(given))
      if (found !== undefined) expect(Buffer.compare(encodeCbor(found.value), given)).toBe(0)
    }),
    { numRuns: 20_000 },
  )
})

it('refuses lists without end within each other, and values that have no place in a ledger', () => {
  expect(read(new Uint8Array(10_000).fill(0x81))).toBeUndefined()
  for (const bad of [0.5, Number.NaN, 2 ** 53, undefined, {}, new Map(), 2n ** 64n]) {
    expect(() => encodeCbor([bad])).toThrow(TypeError)
  }
})

it('has room for the largest entry', () => {
  const large = [new Uint8Array(300_000).fill(7), 'ü'.repeat(100_000), 5]
  expect(decodeCbor(encodeCbor(large))).toEqual(large)
})
