import { createReadStream } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { EdgeCoderError } from '../../core/errors.js'
import { LINE_BYTES } from './constants.js'

/** A file of the log is named by the place of its first record, so that names sort as the records do. */
const NAME = /^(\d{16})\.ndjson$/
const DIGITS = 16
const NEWLINE = 0x0a

export interface AuditFile {
  readonly path: string
  /** Place of its first record. */
  readonly from: number
}

/** A line as it stands in a file. */
export interface AuditLine {
  readonly path: string
  /** From 1. */
  readonly number: number
  /** Without its end; only so many that it is seen to be no record. */
  readonly bytes: Uint8Array
  /** How many it has in the file, without its end. */
  readonly length: number
  /** Without an end it was never acknowledged: the process died as it wrote. */
  readonly ended: boolean
}

export function fileAt(folder: string, from: number): AuditFile {
  return { path: join(folder, `${String(from).padStart(DIGITS, '0')}.ndjson`), from }
}

/** Files of the log, oldest first; others are passed over. @returns empty when there is no such folder */
export async function auditFiles(folder: string): Promise<readonly AuditFile[]> {
  const names = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return []
    throw readFault(folder, cause)
  })
  const places = names.map((name) => NAME.exec(name)?.[1]).filter((digits) => digits !== undefined)
  return places.toSorted().map((digits) => fileAt(folder, Number(digits)))
}

/**
 * Lines of a log, oldest first: of a folder, or of one exported file.
 *
 * @throws EdgeCoderError `not-found`, `store-failed`
 */
export async function* auditLines(path: string): AsyncGenerator<AuditLine> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined
    throw readFault(path, cause)
  })
  if (found === undefined) {
    throw new EdgeCoderError('not-found', `there is no audit log ${path}`, {
      next: 'Name the data folder of the node with --node; its log begins when it first starts.',
    })
  }
  if (!found.isDirectory()) return yield* linesOf(path)
  for (const file of await auditFiles(path)) yield* linesOf(file.path)
}

/** Makes what became of the files of a folder last: their names too are data. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Lines of one file. A line that no record can be that long for is cut, and so is no record. */
export async function* linesOf(path: string): AsyncGenerator<AuditLine> {
  let number = 0
  let rest: Buffer[] = []
  let length = 0
  const lineOf = (ended: boolean): AuditLine => {
    const line = { path, number: ++number, bytes: Buffer.concat(rest), length, ended }
    rest = []
    length = 0
    return line
  }
  const keep = (bytes: Buffer): void => {
    if (length <= LINE_BYTES) rest.push(bytes)
    length += bytes.length
  }
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      let from = 0
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
        keep(chunk.subarray(from, end))
        from = end + 1
        yield lineOf(true)
      }
      if (from < chunk.length) keep(chunk.subarray(from))
    }
  } catch (cause) {
    throw readFault(path, cause)
  }
  if (length > 0) yield lineOf(false)
}

function readFault(path: string, cause: unknown): EdgeCoderError {
  if (cause instanceof EdgeCoderError) return cause
  const why = cause instanceof Error ? cause.message : String(cause)
  return new EdgeCoderError('store-failed', `${path} cannot be read: ${why}`, {
    next: 'Run the command as the user the node runs as.',
    cause,
  })
}
