import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join, relative, resolve, sep } from 'node:path'
import type { FileJson } from '../src/bridge/schemas/file.js'
import { EdgeCoderError } from '../src/core/errors.js'

const MOST_FILES = 1_024
/** Never what a test needs, and seldom what one means to send. */
const LEFT_OUT = new Set(['.git', 'node_modules', '.venv', '__pycache__'])

/**
 * Reads files and whole folders. A file keeps its path as given when that lies below the current folder, else
 * its
 * base name.
 *
 * @throws EdgeCoderError `bad-request` (no such file), `too-many-files`
 */
export function readFiles(paths: readonly string[]): readonly FileJson[] {
  const files = paths.flatMap((path) => (isFolder(path) ? filesBelow(path) : [path]))
  if (files.length > MOST_FILES) {
    throw new EdgeCoderError('too-many-files', `${files.length} files, at most ${MOST_FILES}`, {
      next: 'Name fewer with --file.',
    })
  }
  return files.map(readOne)
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch (cause) {
    throw new EdgeCoderError('bad-request', `cannot read ${path}`, {
      cause,
      next: 'Check the path after --file.',
    })
  }
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !LEFT_OUT.has(entry.name))
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return filesBelow(path)
      return entry.isFile() ? [path] : []
    })
}

function readOne(path: string): FileJson {
  const bytes = readFileSync(path)
  const below = relative(process.cwd(), resolve(path)).split(sep).join('/')
  const name = below.startsWith('../') || below.includes(':') ? basename(path) : below
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes)
    ? { path: name, content: text }
    : { path: name, contentBase64: bytes.toString('base64') }
}
