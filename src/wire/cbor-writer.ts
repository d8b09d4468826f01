/** Text up to here is written character by character: a call of the runtime costs more than that. */
const SHORT_CHARACTERS = 48
/** A number or a length, at most. */
const HEAD_BYTES = 9
/** One UTF-16 unit in UTF-8, at most. */
const UTF8_BYTES = 3
const FIRST_BYTES = 16 * 1024
/** What was written is cut from blocks of this size: memory of its own for each would cost more than to write it. */
const BLOCK_BYTES = 32 * 1024
const UINT = 0
const NEGINT = 1
const BYTES = 2
const TEXT = 3
const LIST = 4
const FALSE = 0xf4
const TRUE = 0xf5
const NULL = 0xf6
const LEAST_INTEGER = -(2n ** 64n)
const MOST_INTEGER = 2n ** 64n - 1n

/** Writes one value after the other, and cuts off what it wrote. */
export class CborWriter {
  #room = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #at = 0
  #block = new Uint8Array(BLOCK_BYTES)
  #cut = 0

  /** @throws TypeError for a value that has no place here; nothing is left of it */
  write(value: unknown): Uint8Array {
    this.#at = 0
    this.#value(value)
    return this.#cutOff()
  }

  #value(value: unknown): void {
    if (typeof value === 'string') this.#text(value)
    else if (typeof value === 'number') this.#number(value)
    else if (typeof value === 'bigint') this.#bigint(value)
    else if (value instanceof Uint8Array) this.#bytes(value)
    else if (Array.isArray(value)) this.#list(value)
    else if (value === null) this.#byte(NULL)
    else if (typeof value === 'boolean') this.#byte(value ? TRUE : FALSE)
    else throw new TypeError('a value that has no encoding here')
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value)) throw new TypeError('a number that is not whole, or not exact')
    this.#need(HEAD_BYTES)
    if (value >= 0) this.#head(UINT, value)
    else this.#head(NEGINT, -1 - value)
  }

  #bigint(value: bigint): void {
    if (value < LEAST_INTEGER || value > MOST_INTEGER) throw new TypeError('a number of more than 64 bits')
    this.#need(HEAD_BYTES)
    const [major, size] = value < 0n ? [NEGINT, -1n - value] : [UINT, value]
    if (size <= Number.MAX_SAFE_INTEGER) this.#head(major, Number(size))
    else {
      this.#room[this.#at] = (major << 5) | 27
      this.#at = this.#room.writeBigUInt64BE(size, this.#at + 1)
    }
  }

  #text(value: string): void {
    const { length } = value
    this.#need(HEAD_BYTES + UTF8_BYTES * length)
    if (length <= SHORT_CHARACTERS && this.#ascii(value)) return
    const bytes = Buffer.byteLength(value)
    this.#head(TEXT, bytes)
    this.#at += this.#room.write(value, this.#at, bytes)
  }

  /** @returns false = it holds other characters, and nothing was written */
  #ascii(value: string): boolean {
    const from = this.#at
    this.#head(TEXT, value.length)
    for (let n = 0; n < value.length; n++) {
      const code = value.charCodeAt(n)
      if (code > 127) {
        this.#at = from
        return false
      }
      this.#room[this.#at++] = code
    }
    return true
  }

  #bytes(value: Uint8Array): void {
    this.#need(HEAD_BYTES + value.length)
    this.#head(BYTES, value.length)
    this.#room.set(value, this.#at)
    this.#at += value.length
  }

  #list(values: readonly unknown[]): void {
    this.#need(HEAD_BYTES)
    this.#head(LIST, values.length)
    for (const each of values) this.#value(each)
  }

  #byte(byte: number): void {
    this.#need(1)
    this.#room[this.#at++] = byte
  }

  /** As short as can be; room for it must be there. @see RFC 8949 §3 */
  #head(major: number, size: number): void {
    const room = this.#room
    const first = major << 5
    if (size < 24) room[this.#at++] = first | size
    else if (size < 2 ** 8) {
      room[this.#at++] = first | 24
      room[this.#at++] = size
    } else if (size < 2 ** 16) {
      room[this.#at++] = first | 25
      room[this.#at++] = size >>> 8
      room[this.#at++] = size & 255
    } else if (size < 2 ** 32) {
      room[this.#at++] = first | 26
      this.#at = room.writeUInt32BE(size, this.#at)
    } else {
      room[this.#at++] = first | 27
      this.#at = room.writeUInt32BE(Math.floor(size / 2 ** 32), this.#at)
      this.#at = room.writeUInt32BE(size % 2 ** 32, this.#at)
    }
  }

  #need(bytes: number): void {
    const { length } = this.#room
    if (this.#at + bytes <= length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * length, this.#at + bytes))
    larger.set(this.#room.subarray(0, this.#at))
    this.#room = larger
  }

  #cutOff(): Uint8Array {
    const written = this.#room.subarray(0, this.#at)
    // What was large once does not stay: it would be kept for small ones for ever.
    if (this.#room.length > BLOCK_BYTES) this.#room = Buffer.allocUnsafeSlow(FIRST_BYTES)
    if (written.length > BLOCK_BYTES / 8) return Uint8Array.from(written)
    if (this.#cut + written.length > BLOCK_BYTES) {
      this.#block = new Uint8Array(BLOCK_BYTES)
      this.#cut = 0
    }
    const part = this.#block.subarray(this.#cut, this.#cut + written.length)
    part.set(written)
    this.#cut += written.length
    return part
  }
}
