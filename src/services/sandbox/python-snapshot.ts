import { createHash, randomUUID } from 'node:crypto'
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** More than Pyodide's memory after its start, 30 MiB. */
export const SNAPSHOT_BYTES = 64 * 1024 * 1024

/** Keeps the memory of a started Python from one start of the worker to the next. */
export interface SnapshotShelf {
  /** A folder that only we may write to. */
  readonly folder: string
  readonly version: string
}

/**
 * Looks for a snapshot of this version whose content is what it was when it was kept; its name holds the
 * digest.
 */
export async function takeSnapshot({ folder, version }: SnapshotShelf): Promise<Uint8Array | undefined> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(prefix(version))) continue
    const content = await readFile(join(folder, name)).catch(() => Buffer.alloc(0))
    if (name === fileName(version, content)) return content
    await rm(join(folder, name), { force: true })
  }
  return undefined
}

/** Written beside and renamed, so that a half one is never taken. */
export async function keepSnapshot({ folder, version }: SnapshotShelf, content: Uint8Array): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const half = join(folder, `${randomUUID()}.half`)
  await writeFile(half, content, { flag: 'wx', mode: 0o600 })
  await rename(half, join(folder, fileName(version, content)))
}

/** Puts it where programs may read it. */
export async function placeSnapshot(folder: string, content: Uint8Array): Promise<string> {
  const path = join(folder, 'snapshot.bin')
  await writeFile(path, content, { flag: 'wx' })
  await chmod(path, 0o644)
  return path
}

function prefix(version: string): string {
  return `pyodide-${version}-${process.arch}-`
}

function fileName(version: string, content: Uint8Array): string {
  return `${prefix(version)}${createHash('sha256').update(content).digest('hex')}.snapshot`
}
