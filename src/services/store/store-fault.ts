import { EdgeCoderError } from '../../core/errors.js'

/** Texts by which LevelDB and the system say that nothing more fits (no space, quota, file size limit). */
const FULL = /ENOSPC|EDQUOT|EFBIG|No space left on device|Disk quota exceeded|File too large/

/** LevelDB takes a file of its own that is missing or empty for a failure of the disk. */
const CORRUPT = /^LEVEL_CORRUPTION$|^Corruption:|\/(MANIFEST|\d+\.ldb).*: (No such file|Invalid argument)/

export function isDiskFull(cause: unknown): boolean {
  return texts(cause).some((text) => FULL.test(text))
}

/** What a failure of the database means, and what its owner can do about it. */
export function storeFault(path: string, cause: unknown): EdgeCoderError {
  if (cause instanceof EdgeCoderError) return cause
  const all = texts(cause)
  if (all.includes('LEVEL_LOCKED')) {
    return new EdgeCoderError('store-locked', `Another process has ${path} open.`, {
      next: 'Stop that process (a second node on this data folder?), or give this one its own folder.',
      cause,
    })
  }
  if (all.some((text) => FULL.test(text))) {
    return new EdgeCoderError('store-full', `The disk that holds ${path} is full; nothing was written.`, {
      next: 'Free some space on it; a node that runs goes on by itself.',
      cause,
    })
  }
  if (all.some((text) => CORRUPT.test(text))) {
    return new EdgeCoderError('store-corrupt', `The database in ${path} is damaged: ${all.at(-1)}`, {
      next: `Stop the node and restore ${path} from a backup, or move it away to start empty.`,
      cause,
    })
  }
  return new EdgeCoderError(
    'store-failed',
    `The database in ${path} failed: ${all.at(-1) ?? 'no reason given'}`,
    {
      next: 'Check that the folder exists, is writable and its disk is healthy.',
      cause,
    },
  )
}

/** Codes and messages of an error and its causes, outermost first. */
function texts(cause: unknown): readonly string[] {
  const found: string[] = []
  let at = cause
  for (let depth = 0; depth < 8 && at instanceof Error; depth++) {
    if ('code' in at && typeof at.code === 'string') found.push(at.code)
    found.push(at.message)
    at = at.cause
  }
  return found
}
