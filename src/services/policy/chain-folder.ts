import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EdgeCoderError } from '../../core/errors.js'
import { writeOnce } from './whole-file.js'

/** The name of a message's file holds its place: `000000.json`, `000001.json`, … */
const NAME = /^(\d{6,15})\.json$/
const DIGITS = 6

/**
 * The messages of a chain folder in their order, as bytes; other files are passed over. Nothing is checked:
 * a folder is a copy, and what counts are the signatures.
 *
 * @returns empty when there is no such folder
 * @throws EdgeCoderError `store-failed` when it cannot be read, `policy-out-of-order` when a number is
 *   missing
 */
export async function readChainFolder(folder: string): Promise<readonly Uint8Array[]> {
  const names = await reading(folder, () => filesOf(folder))
  const bytes: Uint8Array[] = []
  for (const [at, name] of names.entries()) {
    const path = join(folder, name)
    if (name === fileNameOf(at)) bytes.push(await reading(path, () => readFile(path)))
    else {
      throw new EdgeCoderError('policy-out-of-order', `${folder} has ${name}, but no ${fileNameOf(at)}`, {
        next: `Get ${fileNameOf(at)} from another copy of the chain.`,
      })
    }
  }
  return bytes
}

/**
 * Adds a message to a folder, under its place.
 *
 * @returns the file
 * @throws EdgeCoderError `bad-request` when another message has that place, `store-failed`
 */
export async function addToChainFolder(folder: string, sequence: number, bytes: Uint8Array): Promise<string> {
  const path = join(folder, fileNameOf(sequence))
  await writeOnce(path, bytes)
  return path
}

/** One message of a chain folder. @returns undefined = it is not there */
export async function readChainFile(folder: string, sequence: number): Promise<Uint8Array | undefined> {
  const path = join(folder, fileNameOf(sequence))
  return reading(path, () =>
    readFile(path).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return undefined
      throw cause
    }),
  )
}

async function filesOf(folder: string): Promise<readonly string[]> {
  const all = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return []
    throw cause
  })
  return all
    .flatMap((name) => {
      const number = NAME.exec(name)?.[1]
      return number === undefined ? [] : [{ name, place: Number(number) }]
    })
    .toSorted((a, b) => a.place - b.place)
    .map(({ name }) => name)
}

async function reading<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new EdgeCoderError('store-failed', `${path} cannot be read: ${why}`, {
      next: 'Name a folder of policy messages that you may read.',
      cause,
    })
  }
}

function fileNameOf(sequence: number): string {
  return `${String(sequence).padStart(DIGITS, '0')}.json`
}
