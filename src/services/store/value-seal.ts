import { crc32 } from 'node:zlib'
import { EdgeCoderError } from '../../core/errors.js'

const SEAL_BYTES = 4

/** Values are sealed here: memory of its own for each would be most of what it costs to write it. */
const scratch = Buffer.alloc(64 * 1024)
/** Short beginnings of it, by their length: to make one costs a good part of the checksum. */
const views: Buffer[] = []
const SMALL_BYTES = 1_024
/** Of one character of a key. */
const MOST_BYTES = 3

/**
 * LevelDB reads its tables without checking their checksums; each value carries one over itself and its key.
 *
 * @returns bytes that are good until the next call
 */
export function sealValue(key: string, value: Uint8Array): Uint8Array {
  const { length } = value
  if (length + Math.max(SEAL_BYTES, MOST_BYTES * key.length) > scratch.length) {
    const sealed = Buffer.allocUnsafe(length + SEAL_BYTES)
    sealed.set(value)
    sealed.writeUInt32LE(crc32(key, crc32(value)), length)
    return sealed
  }
  scratch.set(value)
  // Behind the value, where its checksum comes to stand: at once is faster than one after the other.
  const keyBytes = scratch.write(key, length)
  scratch.writeUInt32LE(crc32(beginning(length + keyBytes)), length)
  return beginning(length + SEAL_BYTES)
}

function beginning(length: number): Buffer {
  const view = views[length] ?? scratch.subarray(0, length)
  if (length <= SMALL_BYTES) views[length] = view
  return view
}

/** @throws EdgeCoderError `store-corrupt`, naming the key */
export function unsealValue(
  path: string,
  key: string,
  sealed: Uint8Array | undefined,
): Uint8Array | undefined {
  if (sealed === undefined) return undefined
  const length = sealed.length - SEAL_BYTES
  if (length >= 0) {
    const value = new Uint8Array(sealed.buffer, sealed.byteOffset, length)
    if (sealOf(sealed, length) === crc32(key, crc32(value))) return value
  }
  throw new EdgeCoderError('store-corrupt', `The value of "${key}" in ${path} does not match its checksum.`, {
    next: `Stop the node and restore ${path} from a backup, or move it away to start empty.`,
  })
}

/** Byte by byte: a view of its own for each value would cost more than to read it. */
function sealOf(sealed: Uint8Array, at: number): number {
  let seal = 0
  for (let byte = SEAL_BYTES - 1; byte >= 0; byte--) seal = seal * 256 + (sealed[at + byte] as number)
  return seal
}
