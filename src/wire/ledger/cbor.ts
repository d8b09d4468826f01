/**
 * Deterministic CBOR (RFC 8949 §4.2) of what ledgers consist of: whole numbers, true and false, null, text,
 * bytes and lists. Strict by construction: whatever is read would be written as the same bytes, so nothing
 * has to be encoded again to know. Maps, tags, floats and indefinite lengths do not exist here.
 */
export type CborValue = number | bigint | boolean | null | string | Uint8Array | readonly CborValue[]

/** Why bytes are not CBOR of this kind. Thrown here, caught by who decodes a record. */
export class CborFault extends Error {
  override readonly name = 'CborFault'
}

/** Lists within lists; entries have three. */
const DEPTH = 16
const MAJOR = { uint: 0, negative: 1, bytes: 2, text: 3, list: 4 } as const
const FALSE = 0xf4
const TRUE = 0xf5
const NULL = 0xf6
/** Texts up to here are copied byte by byte, which costs less than a call into the runtime. */
const SHORT_TEXT = 40
const UINT32 = 2 ** 32
const MOST_UINT64 = 2n ** 64n - 1n
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** What is being written, as the three ways in which it is written to. */
let scratch = new Uint8Array(128 * 1024)
let view = new DataView(scratch.buffer)
let texts = Buffer.from(scratch.buffer)
let end = 0

/** @throws TypeError for a value that has no place in a ledger: a bug of the caller */
export function encodeCbor(value: unknown): Uint8Array {
  end = 0
  write(value)
  return scratch.slice(0, end)
}

function write(value: unknown): void {
  if (typeof value === 'number') writeNumber(value)
  else if (typeof value === 'string') writeText(value)
  else if (value instanceof Uint8Array) writeBytes(value)
  else if (Array.isArray(value)) {
    writeHead(MAJOR.list, value.length)
    for (const each of value) write(each)
  } else if (typeof value === 'bigint') writeBigint(value)
  else writeSimple(value)
}

function writeSimple(value: unknown): void {
  reserve(1)
  if (value === null) scratch[end++] = NULL
  else if (value === true) scratch[end++] = TRUE
  else if (value === false) scratch[end++] = FALSE
  else throw new TypeError(`no CBOR for a ${typeof value}`)
}

function writeNumber(value: number): void {
  if (!Number.isSafeInteger(value)) throw new TypeError(`no CBOR for the number ${value}`)
  if (value >= 0) writeHead(MAJOR.uint, value)
  else writeHead(MAJOR.negative, -1 - value)
}

function writeBigint(value: bigint): void {
  const major = value < 0n ? MAJOR.negative : MAJOR.uint
  const magnitude = value < 0n ? -1n - value : value
  if (magnitude <= BigInt(Number.MAX_SAFE_INTEGER)) {
    writeHead(major, Number(magnitude))
    return
  }
  if (magnitude > MOST_UINT64) throw new TypeError('no CBOR for a number of more than 64 bits')
  reserve(9)
  scratch[end] = (major << 5) | 27
  view.setBigUint64(end + 1, magnitude)
  end += 9
}

function writeBytes(value: Uint8Array): void {
  writeHead(MAJOR.bytes, value.length)
  reserve(value.length)
  scratch.set(value, end)
  end += value.length
}

function writeText(value: string): void {
  const { length } = value
  if (length <= SHORT_TEXT) {
    writeHead(MAJOR.text, length)
    reserve(length)
    let at = 0
    for (; at < length; at++) {
      const code = value.charCodeAt(at)
      if (code > 0x7f) break
      scratch[end + at] = code
    }
    if (at === length) {
      end += length
      return
    }
    end -= headBytes(length)
  }
  const bytes = Buffer.byteLength(value)
  writeHead(MAJOR.text, bytes)
  reserve(bytes)
  texts.write(value, end, 'utf8')
  end += bytes
}

function headBytes(value: number): number {
  if (value < 24) return 1
  if (value < 0x100) return 2
  if (value < 0x10000) return 3
  return value < UINT32 ? 5 : 9
}

function writeHead(major: number, value: number): void {
  reserve(9)
  const first = major << 5
  if (value < 24) {
    scratch[end++] = first | value
  } else if (value < 0x100) {
    scratch[end++] = first | 24
    scratch[end++] = value
  } else if (value < 0x10000) {
    scratch[end++] = first | 25
    view.setUint16(end, value)
    end += 2
  } else if (value < UINT32) {
    scratch[end++] = first | 26
    view.setUint32(end, value)
    end += 4
  } else {
    scratch[end++] = first | 27
    view.setUint32(end, Math.floor(value / UINT32))
    view.setUint32(end + 4, value % UINT32)
    end += 8
  }
}

function reserve(bytes: number): void {
  if (end + bytes <= scratch.length) return
  const larger = new Uint8Array(2 * (end + bytes))
  larger.set(scratch.subarray(0, end))
  scratch = larger
  view = new DataView(scratch.buffer)
  texts = Buffer.from(scratch.buffer)
}

/**
 * Reads one value that is all of the bytes, and in its one encoding.
 *
 * @returns byte strings as views of `bytes`; numbers beyond 2^53 as `bigint`
 * @throws CborFault
 */
export function decodeCbor(bytes: Uint8Array): CborValue {
  const reader = new Reader(bytes)
  const value = reader.value(0)
  reader.assertAtEnd()
  return value
}

class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  assertAtEnd(): void {
    if (this.#at !== this.#bytes.length)
      throw new CborFault(`${this.#bytes.length - this.#at} bytes too many`)
  }

  value(depth: number): CborValue {
    const first = this.#byte()
    const major = first >> 5
    if (major === MAJOR.uint) return this.#argument(first & 31)
    if (major === MAJOR.bytes) return this.#take(first & 31)
    if (major === MAJOR.text) return this.#text(first & 31)
    if (major === MAJOR.list) return this.#list(first & 31, depth)
    if (major === MAJOR.negative) return negative(this.#argument(first & 31))
    if (first === NULL) return null
    if (first === TRUE) return true
    if (first === FALSE) return false
    throw new CborFault(`an item of type 0x${first.toString(16)} has no place here`)
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw new CborFault('the bytes end too early')
    return byte
  }

  #argument(info: number): number | bigint {
    if (info < 24) return info
    if (info > 27) throw new CborFault('an indefinite or unknown length')
    const width = 1 << (info - 24)
    let value = 0
    // Two halves: shifting by 32 and more would wrap.
    for (let i = 0; i < width && i < 4; i++) value = value * 256 + this.#byte()
    if (width < 8) {
      const least = info === 24 ? 24 : info === 25 ? 0x100 : 0x10000
      if (value < least) throw new CborFault('a number that is not in its shortest form')
      return value
    }
    if (value === 0) throw new CborFault('a number that is not in its shortest form')
    let low = 0
    for (let i = 0; i < 4; i++) low = low * 256 + this.#byte()
    const whole = value * UINT32 + low
    return Number.isSafeInteger(whole) ? whole : (BigInt(value) << 32n) | BigInt(low)
  }

  #length(info: number): number {
    const length = this.#argument(info)
    if (typeof length === 'number' && length <= this.#bytes.length - this.#at) return length
    throw new CborFault('the bytes end too early')
  }

  #take(info: number): Uint8Array {
    const length = this.#length(info)
    const from = this.#at
    this.#at += length
    return this.#bytes.subarray(from, this.#at)
  }

  #text(info: number): string {
    const length = this.#length(info)
    const from = this.#at
    this.#at += length
    for (let at = from; at < this.#at; at++) {
      if ((this.#bytes[at] as number) > 0x7f) return decodeUtf8(this.#bytes.subarray(from, this.#at))
    }
    return latin1(this.#bytes, from, this.#at)
  }

  #list(info: number, depth: number): readonly CborValue[] {
    if (depth >= DEPTH) throw new CborFault(`more than ${DEPTH} lists within each other`)
    const length = this.#length(info)
    const list: CborValue[] = []
    for (let i = 0; i < length; i++) list.push(this.value(depth + 1))
    return list
  }
}

function negative(magnitude: number | bigint): number | bigint {
  if (typeof magnitude === 'bigint') return -1n - magnitude
  return magnitude < Number.MAX_SAFE_INTEGER ? -1 - magnitude : -1n - BigInt(magnitude)
}

function latin1(bytes: Uint8Array, from: number, to: number): string {
  if (to - from > SHORT_TEXT)
    return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1')
  let text = ''
  for (let at = from; at < to; at++) text += String.fromCharCode(bytes[at] as number)
  return text
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new CborFault('text that is not UTF-8')
  }
}
