import { decode } from 'cborg'
import { type Malformed, malformed } from './malformed.js'

const STRICT = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  rejectDuplicateMapKeys: true,
} as const

/**
 * Reads bytes that must be one CBOR array. Never throws. cborg lets whole floats and text that is not UTF-8
 * pass: whoever needs one encoding for one value encodes what was read again, and compares.
 */
export function decodeStrictArray(encoded: Uint8Array): readonly unknown[] | Malformed {
  let items: unknown
  try {
    items = decode(encoded, STRICT)
  } catch (cause) {
    // cborg throws for anything unreadable, and the stack ends at senseless depth.
    return malformed(
      'malformed',
      `not canonical CBOR: ${cause instanceof Error ? cause.message : 'unreadable'}`,
    )
  }
  return Array.isArray(items) ? items : malformed('malformed', 'not a CBOR array')
}
