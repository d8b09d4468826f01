import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import { EdgeCoderError } from '../../core/errors.js'
import { isDiskFull, storeFault } from '../store/store-fault.js'
import { type AuditFile, auditFiles, fileAt, linesOf, syncFolder } from './audit-folder.js'
import { type AuditHead, hashOf, NOTHING_BEFORE, readLine } from './audit-record.js'

/** What was found at the end of a log. */
export interface OpenedFile {
  readonly writer: AuditFileWriter
  readonly head: AuditHead
  /** Bytes of a line that was under way when the process died; they are gone. */
  readonly mendedBytes: number
}

/** Appends to the newest file of a log; what it wrote is on the disk. */
export class AuditFileWriter {
  readonly #folder: string
  #file: FileHandle
  #size: number
  /** There may be bytes after `#size` that belong to nothing. */
  #dirty = false

  private constructor(folder: string, file: FileHandle, size: number) {
    this.#folder = folder
    this.#file = file
    this.#size = size
  }

  /** Goes on where the log ends. @throws EdgeCoderError `store-full`, `store-failed` */
  static async open(folder: string): Promise<OpenedFile> {
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const files = await auditFiles(folder)
      const { head, size, torn } = await endOf(files)
      const newest = files.at(-1) ?? fileAt(folder, 0)
      const file = await open(newest.path, files.length === 0 ? 'wx+' : 'r+', 0o600)
      if (torn > 0) {
        await file.truncate(size)
        await file.sync()
      }
      await syncFolder(folder)
      return { writer: new AuditFileWriter(folder, file, size), head, mendedBytes: torn }
    } catch (cause) {
      throw faultOf(folder, cause)
    }
  }

  get bytes(): number {
    return this.#size
  }

  /** All or nothing, as far as who waits is told. @throws EdgeCoderError `store-full`, `store-failed` */
  async append(text: string): Promise<void> {
    const bytes = Buffer.from(text)
    try {
      if (this.#dirty) await this.#file.truncate(this.#size)
      this.#dirty = true
      for (let at = 0; at < bytes.length; ) {
        at += (await this.#file.write(bytes, at, bytes.length - at, this.#size + at)).bytesWritten
      }
      await this.#file.datasync()
    } catch (cause) {
      throw faultOf(this.#folder, cause)
    }
    this.#dirty = false
    this.#size += bytes.length
  }

  /** Begins another file. @param from place of its first record */
  async rotate(from: number): Promise<void> {
    try {
      const next = await open(fileAt(this.#folder, from).path, 'w+', 0o600)
      await syncFolder(this.#folder)
      await this.#file.close()
      this.#file = next
      this.#size = 0
    } catch (cause) {
      throw faultOf(this.#folder, cause)
    }
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

/** Removes a file whose records the log has said goodbye to. @throws EdgeCoderError `store-failed` */
export async function removeFile({ path }: AuditFile): Promise<void> {
  try {
    await rm(path)
  } catch (cause) {
    throw faultOf(path, cause)
  }
}

/** The newest line that was written whole; only the newest file can have one that was not. */
async function endOf(
  files: readonly AuditFile[],
): Promise<{ readonly head: AuditHead; readonly size: number; readonly torn: number }> {
  let size = 0
  let torn = 0
  for (const file of files.toReversed()) {
    let last: Uint8Array | undefined
    let bytes = 0
    let count = 0
    for await (const { bytes: line, length, ended } of linesOf(file.path)) {
      if (!ended) torn = length
      else {
        count++
        bytes += length + 1
        last = line
      }
    }
    if (file === files.at(-1)) size = bytes
    if (last === undefined) continue
    // A line that somebody spoiled is still followed by the next; a check tells which it was.
    const sequence = (readLine(last)?.sequence ?? file.from + count - 1) + 1
    return { head: { sequence, previous: hashOf(last) }, size, torn }
  }
  return { head: { sequence: files.at(-1)?.from ?? 0, previous: NOTHING_BEFORE }, size, torn }
}

function faultOf(path: string, cause: unknown): EdgeCoderError {
  if (cause instanceof EdgeCoderError) return cause
  if (isDiskFull(cause)) return storeFault(path, cause)
  const why = cause instanceof Error ? cause.message : String(cause)
  return new EdgeCoderError('store-failed', `The audit log ${path} cannot be written: ${why}`, {
    next: 'Check that the folder belongs to the user who runs edgecoder, and its free space.',
    cause,
  })
}
