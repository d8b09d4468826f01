/**
 * What entries, records and policy messages consist of: whole numbers, true and false, null, text, bytes and
 * lists. Maps, tags, floats and indefinite lengths do not exist here.
 */
export type CborValue = number | bigint | boolean | null | string | Uint8Array | readonly CborValue[]

/** Why bytes are not such a value in its one encoding. Thrown here, caught by who decodes a record. */
export class CborFault extends Error {
  override readonly name = 'CborFault'
}

/** Lists within lists: entries, records and policy messages have fewer than ten. */
const MOST_DEPTH = 64
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads one value that must be in its one encoding. @see RFC 8949 §4.2 */
export class CborReader {
  readonly #bytes: Uint8Array
  /** The same bytes, for what reads text at once. */
  readonly #text: Buffer
  #at = 0
  #depth = 0

  constructor(encoded: Uint8Array) {
    const { buffer, byteOffset, byteLength } = encoded
    // A part of a Buffer would be a Buffer.
    this.#bytes = Buffer.isBuffer(encoded) ? new Uint8Array(buffer, byteOffset, byteLength) : encoded
    this.#text = Buffer.isBuffer(encoded) ? encoded : Buffer.from(buffer, byteOffset, byteLength)
  }

  /** All of it. @throws CborFault */
  read(): CborValue {
    const value = this.#value()
    if (this.#at < this.#bytes.length) throw new CborFault('there are bytes behind its end')
    return value
  }

  #value(): CborValue {
    const first = this.#byte()
    const short = first & 31
    switch (first >> 5) {
      case 0:
        return this.#size(short)
      case 1: {
        const size = this.#size(short)
        return typeof size === 'number' && size < Number.MAX_SAFE_INTEGER ? -1 - size : -1n - BigInt(size)
      }
      case 2: {
        const end = this.#endOf(short)
        const part = this.#bytes.subarray(this.#at, end)
        this.#at = end
        return part
      }
      case 3:
        return this.#string(this.#endOf(short))
      case 4:
        return this.#list(short)
      case 7:
        return simple(first)
      default:
        throw new CborFault('it holds a map or a tag')
    }
  }

  #list(short: number): readonly CborValue[] {
    // Each of its values takes a byte at least.
    const length = this.#endOf(short) - this.#at
    if (++this.#depth > MOST_DEPTH) throw new CborFault(`lists within lists, over ${MOST_DEPTH} deep`)
    const values: CborValue[] = []
    for (let n = 0; n < length; n++) values.push(this.#value())
    this.#depth--
    return values
  }

  #string(end: number): string {
    const from = this.#at
    this.#at = end
    for (let at = from; at < end; at++) {
      if ((this.#bytes[at] as number) > 127) return this.#wideString(from, end)
    }
    return this.#text.toString('latin1', from, end)
  }

  #wideString(from: number, end: number): string {
    let text: string
    try {
      text = utf8.decode(this.#bytes.subarray(from, end))
    } catch {
      throw new CborFault('it holds text that is not UTF-8')
    }
    // Many readers take it for no part of the text, which then has two encodings.
    if (text.startsWith('\ufeff')) throw new CborFault('it holds text that begins with a byte order mark')
    return text
  }

  /** Where so many bytes end. */
  #endOf(short: number): number {
    const size = this.#size(short)
    const end = this.#at + Number(size)
    if (end > this.#bytes.length) throw new CborFault('it is cut off')
    return end
  }

  /** A number or a length, as short as can be. */
  #size(short: number): number | bigint {
    if (short < 24) return short
    switch (short) {
      case 24:
        return this.#atLeast(24, this.#byte())
      case 25:
        return this.#atLeast(2 ** 8, this.#byte() * 2 ** 8 + this.#byte())
      case 26:
        return this.#atLeast(2 ** 16, this.#word())
      case 27: {
        const high = this.#atLeast(1, this.#word())
        const low = this.#word()
        return high < 2 ** 21 ? high * 2 ** 32 + low : (BigInt(high) << 32n) | BigInt(low)
      }
      default:
        throw new CborFault('it holds something of indefinite length')
    }
  }

  #atLeast(least: number, size: number): number {
    if (size >= least) return size
    throw new CborFault('a number or a length is longer than it has to be')
  }

  #word(): number {
    return (this.#byte() * 2 ** 8 + this.#byte()) * 2 ** 16 + this.#byte() * 2 ** 8 + this.#byte()
  }

  #byte(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw new CborFault(this.#at === 0 ? 'there is nothing' : 'it is cut off')
    this.#at++
    return byte
  }
}

function simple(first: number): boolean | null {
  switch (first) {
    case 0xf4:
      return false
    case 0xf5:
      return true
    case 0xf6:
      return null
    default:
      throw new CborFault('it holds a float, or what is neither true, false nor null')
  }
}
