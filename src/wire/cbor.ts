import { decode, encode } from 'cborg'
import { equals } from 'uint8arrays/equals'
import { type Malformed, malformed } from './malformed.js'

/**
 * What entries, records and policy messages consist of: whole numbers, true and false, null, text, bytes and
 * lists. Maps, tags, floats and indefinite lengths do not exist here.
 */
export type CborValue = number | bigint | boolean | null | string | Uint8Array | readonly CborValue[]

/** Why bytes are not such a value in its one encoding. Thrown here, caught by who decodes a record. */
export class CborFault extends Error {
  override readonly name = 'CborFault'
}

const STRICT = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  rejectDuplicateMapKeys: true,
} as const
const LEAST_INTEGER = -(2n ** 64n)
const MOST_INTEGER = 2n ** 64n - 1n

/** The one encoding of RFC 8949 §4.2. @throws TypeError for a value that has no place here: a bug of the caller */
export function encodeCbor(value: unknown): Uint8Array {
  if (!isCborValue(value)) throw new TypeError('a value that has no encoding here')
  const bytes = encode(value)
  // The library answers with a Buffer at times, which others would take for something else.
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

/**
 * Reads bytes that must be the one encoding of their value. The library lets floats that are whole, and text
 * that is not UTF-8, pass; so what was read is written again and compared.
 *
 * @throws CborFault
 */
export function decodeCbor(encoded: Uint8Array): CborValue {
  const value = read(encoded)
  if (!isCborValue(value)) throw new CborFault('it holds a map, a tag or a float')
  if (!equals(encode(value), encoded)) throw new CborFault('it is not the one encoding of its value')
  return value
}

/** Reads bytes that must be the one encoding of a list. Never throws. */
export function readCborList(encoded: Uint8Array): readonly CborValue[] | Malformed {
  try {
    const value = decodeCbor(encoded)
    return Array.isArray(value) ? value : malformed('malformed', 'not a CBOR array')
  } catch (cause) {
    if (!(cause instanceof CborFault)) throw cause
    return malformed('malformed', `not canonical CBOR: ${cause.message}`)
  }
}

function read(encoded: Uint8Array): unknown {
  try {
    return decode(encoded, STRICT)
  } catch (cause) {
    // The library throws for anything unreadable, and the stack ends at senseless depth.
    throw new CborFault(cause instanceof Error ? cause.message : 'unreadable')
  }
}

function isCborValue(value: unknown): value is CborValue {
  switch (typeof value) {
    case 'number':
      return Number.isSafeInteger(value)
    case 'bigint':
      return value >= LEAST_INTEGER && value <= MOST_INTEGER
    case 'string':
    case 'boolean':
      return true
    case 'object':
      if (Array.isArray(value)) return value.every(isCborValue)
      return value === null || value instanceof Uint8Array
    default:
      return false
  }
}
