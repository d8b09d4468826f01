import { randomBytes } from 'node:crypto'
import { link, mkdir, open, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { EdgeCoderError } from '../../core/errors.js'
import { isDiskFull, storeFault } from '../store/store-fault.js'

/**
 * Writes a file for its owner's eyes, whole or not at all, and never in the place of another.
 *
 * @throws EdgeCoderError `bad-request` when the file is there, `store-failed`
 */
export async function writeOnce(path: string, bytes: Uint8Array): Promise<void> {
  await throughDraft(path, bytes, (draft) => placeOnce(draft, path))
}

/** As {@link writeOnce}, in the place of what is there. @throws EdgeCoderError `store-failed` */
export async function rewrite(path: string, bytes: Uint8Array): Promise<void> {
  await throughDraft(path, bytes, (draft) => rename(draft, path))
}

/**
 * As {@link writeOnce}, of what comes in pieces.
 *
 * @param replace what is there
 * @param accept looks at the draft before it gets its name; false = it does not, and nothing is left of it
 */
export async function writePieces(
  path: string,
  pieces: AsyncIterable<Uint8Array>,
  replace: boolean,
  accept: (draft: string) => Promise<boolean>,
): Promise<void> {
  await throughDraft(path, pieces, async (draft) => {
    if (!(await accept(draft))) await rm(draft)
    else if (replace) await rename(draft, path)
    else await placeOnce(draft, path)
  })
}

async function placeOnce(draft: string, path: string): Promise<void> {
  // Unlike rename, link never replaces what is there.
  await link(draft, path)
  await rm(draft)
}

async function throughDraft(
  path: string,
  content: Uint8Array | AsyncIterable<Uint8Array>,
  place: (draft: string) => Promise<void>,
): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const file = await open(draft, 'wx', 0o600)
    try {
      await writeFile(file, content)
      await file.sync()
    } finally {
      await file.close()
    }
    await place(draft)
  } catch (cause) {
    await rm(draft, { force: true }).catch(() => {})
    throw fileFault(path, cause)
  }
}

/** What it means that a file cannot be written. */
export function fileFault(path: string, cause: unknown): EdgeCoderError {
  if (cause instanceof EdgeCoderError) return cause
  if (isDiskFull(cause)) return storeFault(path, cause)
  const there = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST'
  // A folder of that name can be in the way too.
  if (there && 'syscall' in cause && cause.syscall === 'link') {
    return new EdgeCoderError('bad-request', `${path} is there already; it was left as it is.`, {
      next: 'Choose another name.',
      cause,
    })
  }
  const why = cause instanceof Error ? cause.message : String(cause)
  return new EdgeCoderError('store-failed', `${path} cannot be written: ${why}`, {
    next: 'Check the folder, its owner and its free space.',
    cause,
  })
}
