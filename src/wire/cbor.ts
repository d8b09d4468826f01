import { encodeInto, type Token, Tokenizer, Type, tokensToObject } from 'cborg'
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
  allowBigInt: true,
  rejectDuplicateMapKeys: true,
} as const
const LEAST_INTEGER = -(2n ** 64n)
const MOST_INTEGER = 2n ** 64n - 1n
const TYPES: ReadonlySet<Type> = new Set([
  Type.uint,
  Type.negint,
  Type.bytes,
  Type.string,
  Type.array,
  Type.true,
  Type.false,
  Type.null,
])
/** A number or a length, at most. */
const HEAD_BYTES = 9
/** One UTF-16 unit in UTF-8, at most. */
const UTF8_BYTES = 3
const utf8 = new TextEncoder()
/** Most values are written here, and then copied: the library would put them together out of several parts. */
const scratch = new Uint8Array(16 * 1024)

/** The one encoding of RFC 8949 §4.2. @throws TypeError for a value that has no place here: a bug of the caller */
export function encodeCbor(value: unknown): Uint8Array {
  const most = mostBytes(value)
  if (Number.isNaN(most)) throw new TypeError('a value that has no encoding here')
  const room = most > scratch.length ? new Uint8Array(most) : scratch
  return room.slice(0, encodeInto(value, room).written)
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
 * @throws CborFault
 */
export function decodeCbor(encoded: Uint8Array): CborValue {
  try {
    const tokenizer = new StrictTokenizer(encoded)
    if (tokenizer.done()) throw new CborFault('there is nothing')
    const value: CborValue = tokensToObject(tokenizer, STRICT)
    if (!tokenizer.done()) throw new CborFault('there are bytes behind its end')
    return value
  } catch (cause) {
    // The library throws for anything unreadable, and the stack ends at senseless depth.
    throw new CborFault(cause instanceof Error ? cause.message : 'unreadable')
  }
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

/**
 * The library's strict mode sees to it that numbers and lengths are as short as can be. What it lets pass and
 * must not be here stops at this: other types, such as floats that are whole, and text that is not UTF-8.
 */
class StrictTokenizer extends Tokenizer {
  constructor(encoded: Uint8Array) {
    // A slice of a Buffer would be a Buffer, and a view.
    super(Buffer.isBuffer(encoded) ? new Uint8Array(encoded) : encoded, STRICT)
  }

  override next(): Token {
    const from = this.pos()
    const token = super.next()
    if (!TYPES.has(token.type)) throw new CborFault('it holds a map, a tag or a float')
    if (token.type === Type.string && !this.#isWritten(token.value, from)) {
      throw new CborFault('it is not the one encoding of its value')
    }
    return token
  }

  /** Is the text what the bytes say, from the head of its token at `from` up to here? */
  #isWritten(text: string, from: number): boolean {
    const short = (this.data[from] ?? 0) & 31
    const head = short < 24 ? 1 : 1 + 2 ** (short - 24)
    const bytes = this.pos() - from - head
    // One byte for each character, and none that stands for what is unreadable: ASCII.
    if (text.length === bytes && !text.includes('\ufffd')) return true
    return equals(utf8.encode(text), this.data.subarray(from + head, this.pos()))
  }
}

/** Bytes that the encoding of a value will not exceed; not a number where it has none. */
function mostBytes(value: unknown): number {
  switch (typeof value) {
    case 'number':
      return Number.isSafeInteger(value) ? HEAD_BYTES : Number.NaN
    case 'bigint':
      return value >= LEAST_INTEGER && value <= MOST_INTEGER ? HEAD_BYTES : Number.NaN
    case 'string':
      return HEAD_BYTES + UTF8_BYTES * value.length
    case 'boolean':
      return HEAD_BYTES
    case 'object': {
      if (value instanceof Uint8Array) return HEAD_BYTES + value.length
      if (!Array.isArray(value)) return value === null ? HEAD_BYTES : Number.NaN
      let sum = HEAD_BYTES
      for (const each of value) sum += mostBytes(each)
      return sum
    }
    default:
      return Number.NaN
  }
}
