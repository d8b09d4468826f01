import { CborFault, CborReader, type CborValue } from './cbor-reader.js'
import { CborWriter } from './cbor-writer.js'
import { type Malformed, malformed } from './malformed.js'

export { CborFault } from './cbor-reader.js'

const writer = new CborWriter()

/** The one encoding of RFC 8949 §4.2. @throws TypeError for a value that has no place here: a bug of the caller */
export function encodeCbor(value: unknown): Uint8Array {
  return writer.write(value)
}

/** Bytes that a whole number from 0 takes: its head, and behind it as much as it needs. @see RFC 8949 §3 */
export function cborNumberBytes(value: number): number {
  if (value < 24) return 1
  if (value < 2 ** 8) return 2
  if (value < 2 ** 16) return 3
  return value < 2 ** 32 ? 5 : 9
}

/**
 * Reads bytes that must be the one encoding of their value.
 *
 * @returns byte fields are views of `encoded` @throws CborFault
 */
export function decodeCbor(encoded: Uint8Array): CborValue {
  return new CborReader(encoded).read()
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
