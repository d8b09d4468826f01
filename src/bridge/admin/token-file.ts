import { timingSafeEqual } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { EdgeCoderError } from '../../core/errors.js'
import type { Random } from '../../ports/random.js'

const TOKEN_BYTES = 32

/** A fresh bearer token in a file that only its owner can read: who can read it may command the node. */
export interface TokenFile {
  matches(token: string): boolean
  /** Removes the file, unless another node has put its own there since. */
  remove(): Promise<void>
}

/** @throws EdgeCoderError `store-failed`: the file could not be written */
export async function writeTokenFile(path: string, random: Random): Promise<TokenFile> {
  const token = Buffer.from(random.bytes(TOKEN_BYTES)).toString('base64url')
  const fresh = `${path}.${random.id()}`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    // The mode is set at creation and the name appears whole: nobody can read it before, or half.
    const file = await open(fresh, 'wx', 0o600)
    await file.writeFile(`${token}\n`)
    await file.close()
    await rename(fresh, path)
  } catch (cause) {
    await rm(fresh, { force: true })
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new EdgeCoderError('store-failed', `cannot write the admin token file ${path}: ${why}`, {
      cause,
      next: 'Check that the data folder exists and is yours, and that its disk has room.',
    })
  }
  const bytes = Buffer.from(token)
  return {
    matches(given) {
      const other = Buffer.from(given)
      return other.length === bytes.length && timingSafeEqual(other, bytes)
    },
    async remove() {
      const now = await readFile(path, 'utf8').catch(() => '')
      if (now.trim() === token) await rm(path, { force: true })
    },
  }
}
