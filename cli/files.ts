import { existsSync, readFileSync, statSync } from 'node:fs'
import { EdgeCoderError } from '../src/core/errors.js'
import { rewrite, writeOnce } from '../src/node/admin-policy.js'

/** @throws EdgeCoderError `not-found`, `frame-too-large` */
export function readWhole(path: string, mostBytes: number): Uint8Array {
  try {
    const { size } = statSync(path)
    if (size <= mostBytes) return readFileSync(path)
    throw new EdgeCoderError('frame-too-large', `${path} has ${size} bytes, at most ${mostBytes} are read`, {
      next: 'Is it the right file?',
    })
  } catch (cause) {
    if (cause instanceof EdgeCoderError) throw cause
    throw new EdgeCoderError('not-found', `cannot read ${path}`, { next: 'Check the path.', cause })
  }
}

/**
 * Writes a file, whole or not at all.
 *
 * @param replace what is there @throws EdgeCoderError `bad-request` when one is there, `store-failed`
 */
export async function writeNew(path: string, bytes: Uint8Array, replace: boolean): Promise<void> {
  requireNew(path, replace)
  await (replace ? rewrite : writeOnce)(path, bytes)
}

/** @throws EdgeCoderError `bad-request` when a file is there, and must not be replaced */
export function requireNew(path: string, replace: boolean): void {
  if (replace || !existsSync(path)) return
  throw new EdgeCoderError('bad-request', `${path} is there already; it was left as it is`, {
    next: 'Name another file, or add --yes to replace it.',
  })
}

/** @throws EdgeCoderError `bad-request` naming what would be done */
export function requireYes(yes: boolean | undefined, what: string): void {
  if (yes === true) return
  throw new EdgeCoderError('bad-request', what, { next: 'Add --yes to do it; nothing was changed.' })
}
