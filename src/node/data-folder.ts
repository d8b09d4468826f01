import { mkdir, rename, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { EdgeCoderError } from '../core/errors.js'
import type { Store, Write } from '../ports/store.js'
import { isDiskFull, storeFault } from '../services/store/store-fault.js'

const OWNER_KEY = 'n|peer'
const PLACE_KEY = 'n|place'

/** @throws EdgeCoderError `store-full`, `store-failed` */
export async function makeDataFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw folderFault(path, cause)
  }
}

/**
 * Ties a store to the key it was made under: leases, orders and receipts in it name that peer. A damaged key
 * may still be a key, of another peer.
 *
 * @throws EdgeCoderError `store-corrupt` when it was made under another key, `store-full`, `store-failed`
 */
export async function claimStore(store: Store, dataDir: string, peerId: string): Promise<void> {
  const owner = await store.get(OWNER_KEY)
  if (owner === undefined) {
    await store.commit([{ type: 'put', key: OWNER_KEY, value: Buffer.from(peerId) }])
    return
  }
  const before = Buffer.from(owner).toString()
  if (before === peerId) return
  throw new EdgeCoderError(
    'store-corrupt',
    `The key in ${dataDir} is that of ${peerId}, its store was made by ${before}.`,
    { next: `Restore the key from a backup, or move ${dataDir} away to start as a new peer.` },
  )
}

/**
 * Is the store a copy of the one that it was? Copied back, by hand or by a backup program, it may lack what
 * was written since; nothing in it says so, but its folder is another one to the file system.
 *
 * @returns what to write once that was dealt with; undefined = it is where it was
 */
export async function copiedStore(store: Store, path: string): Promise<Write | undefined> {
  const { ino, birthtimeMs, ctimeMs } = await stat(path)
  // File systems that do not know when a folder was made say when it was changed last.
  const place = birthtimeMs < ctimeMs ? `${ino} ${birthtimeMs}` : `${ino}`
  const before = await store.get(PLACE_KEY)
  const write = { type: 'put', key: PLACE_KEY, value: Buffer.from(place) } as const
  if (before === undefined) await store.commit([write])
  const known = before === undefined ? place : Buffer.from(before).toString()
  const same =
    known.includes(' ') && place.includes(' ') ? known === place : inodeIn(known) === inodeIn(place)
  return same ? undefined : write
}

function inodeIn(place: string): string | undefined {
  return place.split(' ')[0]
}

/**
 * Leaves the admin API's address in the data folder, where the CLI, from wherever it is called, looks for
 * it.
 *
 * @throws EdgeCoderError `store-full`, `store-failed`
 */
export async function writeAdminFile(dataDir: string, url: string): Promise<void> {
  const path = join(dataDir, 'admin.json')
  const tokenFile = resolve(dataDir, 'admin-token')
  try {
    await writeFile(`${path}.new`, JSON.stringify({ url, tokenFile, pid: process.pid }), { mode: 0o600 })
    await rename(`${path}.new`, path)
  } catch (cause) {
    throw folderFault(dataDir, cause)
  }
}

function folderFault(path: string, cause: unknown): EdgeCoderError {
  if (isDiskFull(cause)) return storeFault(path, cause)
  const why = cause instanceof Error ? cause.message : String(cause)
  return new EdgeCoderError('store-failed', `The data folder ${path} cannot be used: ${why}.`, {
    next: 'Set EDGE_DATA_DIR to a folder that the user who runs edgecoder may write to.',
    cause,
  })
}
