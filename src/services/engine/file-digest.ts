import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { EdgeCoderError } from '../../core/errors.js'
import type { HashedFile } from '../../ports/engine.js'

/** Large pieces: a model has gigabytes. */
const PIECE_BYTES = 1024 * 1024

/**
 * Reads a file from its beginning to its end for its SHA-256.
 *
 * @throws EdgeCoderError `store-failed` when it became another one meanwhile; whatever reading it throws, and
 *   the reason of `signal` when it aborts
 */
export async function hashFile(path: string, signal: AbortSignal): Promise<HashedFile> {
  const before = await stat(path)
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: PIECE_BYTES }), hash, { signal })
  const file = { path, digest: hash.digest('hex'), bytes: before.size, changedMs: before.mtimeMs }
  if (isAsHashed(file, await stat(path))) return file
  throw new EdgeCoderError('store-failed', `${path} was changed while it was read`)
}

/** Is the file still the one that was read? */
export function isAsHashed(
  { bytes, changedMs }: HashedFile,
  now: { readonly size: number; readonly mtimeMs: number },
): boolean {
  return bytes === now.size && changedMs === now.mtimeMs
}
