import { type Malformed, malformed } from '../malformed.js'
import { CborFault, decodeCbor, encodeCbor } from './cbor.js'
import { type Field, FieldFault } from './field.js'

/** A record as its one encoding. */
export function encodeRecord<V>(field: Field<V>, value: V): Uint8Array {
  return encodeCbor(field.write(value))
}

/** Reads a record. Never throws; byte fields are views of `encoded`. */
export function decodeRecord<V>(field: Field<V>, encoded: Uint8Array): { readonly value: V } | Malformed {
  try {
    return { value: field.read(decodeCbor(encoded)) }
  } catch (cause) {
    if (cause instanceof CborFault) return malformed('malformed', `not canonical CBOR: ${cause.message}`)
    if (!(cause instanceof FieldFault)) throw cause
    return malformed('out-of-bounds', `${cause.path === '' ? '' : `${cause.path}: `}${cause.message}`)
  }
}
