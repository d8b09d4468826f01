import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { openLevelStore } from '../../src/services/store/level-store.js'

const CHUNK_BYTES = 8 * 1024 * 1024

/** Which of the words occur in the bytes, as UTF-8 or as the UTF-16 that strings may have in memory. */
export function wordsIn(bytes: Buffer, words: readonly string[]): ReadonlySet<string> {
  return new Set(
    words.filter((word) => bytes.includes(word, 0, 'utf8') || bytes.includes(word, 0, 'utf16le')),
  )
}

/** Which of the words occur in a file below the folder, in its bytes or its name. */
export function wordsInFolder(folder: string, words: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>()
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name)
    for (const word of wordsIn(Buffer.from(path), words)) found.add(word)
    if (entry.isFile()) for (const word of wordsIn(readFileSync(path), words)) found.add(word)
  }
  return found
}

/** Which of the words occur in a key or value of a store that nobody has open: its files are compressed. */
export async function wordsInStore(path: string, words: readonly string[]): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  const store = await openLevelStore(path)
  try {
    for await (const [key, value] of store.range({ gte: '', lt: '\x7f' })) {
      for (const word of wordsIn(Buffer.concat([Buffer.from(key), value]), words)) found.add(word)
    }
  } finally {
    await store.close()
  }
  return found
}

/** Which of the words occur anywhere in the memory of a process. @throws when the system does not let us look */
export function wordsInMemory(pid: number, words: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>()
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  try {
    for (const [from, to] of readableRegions(pid)) {
      for (const bytes of chunks(memory, from, to)) for (const word of wordsIn(bytes, words)) found.add(word)
    }
  } finally {
    closeSync(memory)
  }
  return found
}

function readableRegions(pid: number): readonly (readonly [from: number, to: number])[] {
  return readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .filter((line) => /^\S+ r/.test(line) && !/\[v(var|syscall|dso)/.test(line))
    .map((line) => {
      const [from = '0', to = '0'] = (line.split(' ')[0] ?? '').split('-')
      return [Number.parseInt(from, 16), Number.parseInt(to, 16)]
    })
}

/** The region in pieces that overlap, so that no word is cut. A region that is gone by now is passed over. */
function* chunks(memory: number, from: number, to: number): Generator<Buffer> {
  const buffer = Buffer.alloc(Math.min(CHUNK_BYTES, to - from))
  const overlap = 256
  for (let at = from; at < to; at += buffer.length - overlap) {
    let read: number
    try {
      read = readSync(memory, buffer, 0, Math.min(buffer.length, to - at), at)
    } catch {
      return
    }
    if (read === 0) return
    yield buffer.subarray(0, read)
    if (at + read >= to) return
  }
}
