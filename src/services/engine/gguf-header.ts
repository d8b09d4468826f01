import { type FileHandle, open } from 'node:fs/promises'
import { EdgeCoderError } from '../../core/errors.js'

/** What a GGUF file says of itself, read without loading a weight. */
export interface GgufHeader {
  readonly architecture: string
  /** Window the model was trained on, in tokens. */
  readonly contextTokens: number
}

const FIRST_READ_BYTES = 256 * 1024
/**
 * Both keys stand before the vocabulary in files of the usual writers; a large vocabulary is about 10 MiB.
 */
const LONGEST_READ_BYTES = 32 * 1024 * 1024
const MOST_ENTRIES = 4096
/** Bytes of each scalar value type by its number; 8 is a string and 9 an array. */
const SCALAR_BYTES: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
}
const UINT32 = 4
const STRING = 8
const ARRAY = 9
const UINT64 = 10

/**
 * Reads the head of a GGUF file.
 *
 * @throws EdgeCoderError `model-missing` when there is no such file, `bad-config` when it is no GGUF model
 * @see https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
export async function readGgufHeader(path: string): Promise<GgufHeader> {
  const file = await openModel(path)
  try {
    for (let bytes = FIRST_READ_BYTES; bytes <= LONGEST_READ_BYTES; bytes *= 4) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0)
      const header = parse(buffer.subarray(0, bytesRead))
      if (header !== 'more') return header
      if (bytesRead < bytes) throw notAModel('the file ends within its head')
    }
    throw notAModel('its head is over 32 MiB')
  } finally {
    await file.close()
  }
}

async function openModel(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (cause) {
    throw new EdgeCoderError('model-missing', `The model file ${path} cannot be opened.`, {
      next: 'Give the path of a GGUF file that this user may read.',
      cause,
    })
  }
}

/** @returns `more` when the bytes end before both keys were seen */
export function parse(bytes: Uint8Array): GgufHeader | 'more' {
  const cursor = new Cursor(bytes)
  try {
    return readEntries(cursor)
  } catch (cause) {
    if (cause instanceof OutOfBytes) return 'more'
    throw cause
  }
}

function readEntries(cursor: Cursor): GgufHeader {
  if (cursor.text(4) !== 'GGUF') throw notAModel('it does not begin with "GGUF"')
  const version = cursor.uint32()
  if (version !== 2 && version !== 3) throw notAModel(`version ${version} is unknown`)
  cursor.uint64()
  const entries = cursor.uint64()
  if (entries > MOST_ENTRIES) throw notAModel('it has too many entries')
  let architecture: string | undefined
  const windows = new Map<string, number>()
  for (let i = 0; i < entries; i++) {
    const key = cursor.string()
    const type = cursor.uint32()
    if (key === 'general.architecture' && type === STRING) architecture = cursor.string()
    else if (key.endsWith('.context_length') && type === UINT32) windows.set(key, cursor.uint32())
    else if (key.endsWith('.context_length') && type === UINT64) windows.set(key, cursor.uint64())
    else skipValue(cursor, type)
    const contextTokens = windows.get(`${architecture}.context_length`)
    if (architecture !== undefined && contextTokens !== undefined) return { architecture, contextTokens }
  }
  throw notAModel('it names no context window')
}

function skipValue(cursor: Cursor, type: number): void {
  if (type === STRING) cursor.skip(cursor.uint64())
  else if (type === ARRAY) skipArray(cursor)
  else cursor.skip(scalarBytes(type))
}

function skipArray(cursor: Cursor): void {
  const itemType = cursor.uint32()
  const items = cursor.uint64()
  if (itemType !== STRING) cursor.skip(items * scalarBytes(itemType))
  else for (let i = 0; i < items; i++) cursor.skip(cursor.uint64())
}

function scalarBytes(type: number): number {
  const bytes = SCALAR_BYTES[type]
  if (bytes === undefined) throw notAModel(`value type ${type} is unknown`)
  return bytes
}

function notAModel(why: string): EdgeCoderError {
  return new EdgeCoderError('bad-config', `The file is no GGUF model: ${why}.`, {
    next: 'Download the model again, or give another GGUF file.',
  })
}

class OutOfBytes extends Error {}

class Cursor {
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  skip(bytes: number): void {
    if (bytes > this.#view.byteLength - this.#at) throw new OutOfBytes()
    this.#at += bytes
  }

  uint32(): number {
    this.skip(4)
    return this.#view.getUint32(this.#at - 4, true)
  }

  /** Larger values than a number holds exactly are bounds that nothing here reaches. */
  uint64(): number {
    this.skip(8)
    return Number(this.#view.getBigUint64(this.#at - 8, true))
  }

  text(bytes: number): string {
    this.skip(bytes)
    const start = this.#view.byteOffset + this.#at - bytes
    return new TextDecoder().decode(new Uint8Array(this.#view.buffer, start, bytes))
  }

  string(): string {
    return this.text(this.uint64())
  }
}
