import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EdgeCoderError } from '../../core/errors.js'

/** Shape of a LevelDB log. @see https://github.com/google/leveldb/blob/main/doc/log_format.md */
const BLOCK_BYTES = 32 * 1024
const HEAD_BYTES = 7
const FULL = 1
const FIRST = 2
const LAST = 4
/** Stored checksums are rotated and offset by this, so that a checksum over checksums stays a good one. */
const MASK_DELTA = 0xa282ead8

/**
 * Refuses a database that LevelDB would start anew, or whose log has a damaged record before an intact one:
 * it would open the latter without a word and leave out what the damaged part held. A torn tail is what a
 * crash leaves behind, and is fine.
 *
 * @throws EdgeCoderError `store-corrupt`
 */
export async function assertLogsWhole(path: string): Promise<void> {
  let names: readonly string[]
  try {
    names = await readdir(path)
  } catch {
    return
  }
  // Without it LevelDB makes a new database in this place, and deletes the tables of the old one.
  if (!names.includes('CURRENT') && names.some((name) => /\.(ldb|log)$/.test(name))) {
    throw new EdgeCoderError('store-corrupt', `${join(path, 'CURRENT')} is missing, though data are there.`, {
      next: `Stop the node and restore ${path} from a backup, or move it away to start empty.`,
    })
  }
  for (const name of names.filter((each) => /^\d+\.log$/.test(each))) {
    const hole = holeInLog(await readFile(join(path, name)))
    if (hole === undefined) continue
    throw new EdgeCoderError(
      'store-corrupt',
      `${join(path, name)} is damaged at byte ${hole}, with newer records after it.`,
      { next: `Stop the node and restore ${path} from a backup, or move it away to start empty.` },
    )
  }
}

/** @returns the offset of the first damaged record that has the start of an intact one after it */
function holeInLog(log: Uint8Array): number | undefined {
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength)
  let damagedAt: number | undefined
  let at = 0
  while (at + HEAD_BYTES <= log.length) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES)
    if (left < HEAD_BYTES) {
      at += left
      continue
    }
    const length = view.getUint16(at + 4, true)
    const type = view.getUint8(at + 6)
    const end = at + HEAD_BYTES + length
    const fits = HEAD_BYTES + length <= left && end <= log.length
    if (
      fits &&
      type >= FULL &&
      type <= LAST &&
      masked(crc32c(log, at + 6, end)) === view.getUint32(at, true)
    ) {
      if (damagedAt !== undefined && (type === FULL || type === FIRST)) return damagedAt
      at = end
      continue
    }
    damagedAt ??= at
    // The length may be what is damaged: try it, then the next block, as LevelDB does.
    at = fits && length > 0 ? end : at + left
  }
  return undefined
}

function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0
}

const TABLE = new Uint32Array(256).map((_, n) => {
  let crc = n
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

function crc32c(bytes: Uint8Array, from: number, to: number): number {
  let crc = 0xffffffff
  for (let i = from; i < to; i++) {
    crc = (crc >>> 8) ^ (TABLE[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0)
  }
  return ~crc >>> 0
}
