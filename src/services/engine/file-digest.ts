import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'

/** Large pieces: a model has gigabytes. */
const PIECE_BYTES = 1024 * 1024

/**
 * SHA-256 of a file, read from its beginning.
 *
 * @returns in hexadecimal
 * @throws whatever reading it throws, and the reason of `signal` when it aborts
 */
export async function fileDigest(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: PIECE_BYTES }), hash, { signal })
  return hash.digest('hex')
}
