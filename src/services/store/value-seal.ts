import { crc32 } from 'node:zlib'
import { EdgeCoderError } from '../../core/errors.js'

const SEAL_BYTES = 4

/**
 * LevelDB reads its tables without checking their checksums; each value carries one over its key and itself.
 */
export function sealValue(key: string, value: Uint8Array): Uint8Array {
  const sealed = Buffer.allocUnsafe(value.length + SEAL_BYTES)
  sealed.set(value)
  sealed.writeUInt32LE(crc32(key, crc32(value)), value.length)
  return sealed
}

/** @throws EdgeCoderError `store-corrupt`, naming the key */
export function unsealValue(
  path: string,
  key: string,
  sealed: Uint8Array | undefined,
): Uint8Array | undefined {
  if (sealed === undefined) return undefined
  const value = new Uint8Array(sealed.buffer, sealed.byteOffset, Math.max(0, sealed.length - SEAL_BYTES))
  const view = new DataView(sealed.buffer, sealed.byteOffset, sealed.byteLength)
  const intact =
    sealed.length >= SEAL_BYTES && view.getUint32(value.length, true) === crc32(key, crc32(value))
  if (intact) return value
  throw new EdgeCoderError('store-corrupt', `The value of "${key}" in ${path} does not match its checksum.`, {
    next: `Stop the node and restore ${path} from a backup, or move it away to start empty.`,
  })
}
