import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join, relative, resolve, sep } from 'node:path'
import type { FileJson } from '../src/bridge/schemas/file.js'
import { EdgeCoderError } from '../src/core/errors.js'

const MOST_FILES = 1_024
/** As the gateway bounds one file. */
const MOST_BYTES = 4_194_304
/** Never what a test needs, and seldom what one means to send. */
const LEFT_OUT = new Set(['.git', 'node_modules', '.venv', '__pycache__'])

/**
 * Reads files and whole folders. A file keeps its path as given when that lies below the current folder, else
 * its
 * base name.
 *
 * @throws EdgeCoderError `bad-request` (no such file, or none that can be read whole), `payload-too-large`,
 *   `too-many-files`
 */
export function readFiles(paths: readonly string[]): readonly FileJson[] {
  const files: string[] = []
  for (const path of paths) {
    for (const file of isFolder(path) ? filesBelow(path) : [path]) {
      files.push(file)
      if (files.length > MOST_FILES) {
        throw new EdgeCoderError('too-many-files', `over ${MOST_FILES} files; ${MOST_FILES} are taken`, {
          next: 'Name fewer with --file.',
        })
      }
    }
  }
  return files.map(readOne)
}

function isFolder(path: string): boolean {
  return reading(path, () => statSync(path).isDirectory())
}

function* filesBelow(folder: string): Iterable<string> {
  const entries = reading(folder, () => readdirSync(folder, { withFileTypes: true }))
  for (const entry of entries) {
    if (LEFT_OUT.has(entry.name)) continue
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(path)
    else if (entry.isFile()) yield path
  }
}

function readOne(path: string): FileJson {
  const bytes = reading(path, () => readPlain(path))
  const below = relative(process.cwd(), resolve(path)).split(sep).join('/')
  const name = below.startsWith('../') || below.includes(':') ? basename(path) : below
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes)
    ? { path: name, content: text }
    : { path: name, contentBase64: bytes.toString('base64') }
}

/** A pipe would keep us waiting, a device has no end. */
function readPlain(path: string): Buffer {
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  try {
    const stat = fstatSync(file)
    if (!stat.isFile()) {
      throw new EdgeCoderError('bad-request', `${path} is no plain file`, { next: 'Name files and folders.' })
    }
    if (stat.size > MOST_BYTES) {
      throw new EdgeCoderError(
        'payload-too-large',
        `${path} has ${stat.size} bytes, at most ${MOST_BYTES} are taken`,
        { next: 'Send only the files that matter.' },
      )
    }
    return readFileSync(file)
  } finally {
    closeSync(file)
  }
}

function reading<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof EdgeCoderError) throw cause
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw new EdgeCoderError('bad-request', `cannot read ${path}: ${why}`, {
      cause,
      next: 'Check the path after --file.',
    })
  }
}
