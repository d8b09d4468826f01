import { execFile } from 'node:child_process'
import { chown, lstat, mkdir, mkdtemp, opendir, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { SandboxFile } from '../../ports/sandbox.js'
import { outsider } from './outsider.js'

/** A private folder on the host that lives as long as one run. */
export interface JobFolder {
  readonly path: string
  remove(): Promise<void>
}

/** Begins the name of every folder that the sandbox leaves on the host while it runs. */
export const FOLDER_PREFIX = 'edgecoder-sandbox-'

/** @param parts sub-folders to make, empty */
export async function createJobFolder(parts: readonly string[]): Promise<JobFolder> {
  const path = await mkdtemp(join(tmpdir(), FOLDER_PREFIX))
  for (const part of parts) await mkdir(join(path, part), { mode: 0o700 })
  return {
    path,
    remove: () => removeFolder(path),
  }
}

async function removeFolder(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  } catch {
    // Folders nested past the longest path cannot be named; rm(1) walks down one at a time.
    await promisify(execFile)('rm', ['-rf', '--', path])
  }
}

/**
 * Writes submitted files below a fresh folder. Names must have been checked; every file is new, so no
 * link can be followed.
 */
export async function writeFiles(folder: string, files: readonly SandboxFile[]): Promise<void> {
  for (const { path, content } of files) {
    const target = join(folder, path)
    await mkdir(dirname(target), { recursive: true, mode: 0o755 })
    await writeFile(target, content, { flag: 'wx', mode: 0o644 })
  }
}

/** Gives the folder and what is in it to the user that the program runs as. */
export async function handOver(folder: string): Promise<void> {
  const owner = outsider()
  if (owner === undefined) return
  for (const entry of await readdir(folder, { recursive: true })) {
    await chown(join(folder, entry), owner.uid, owner.gid)
  }
  await chown(folder, owner.uid, owner.gid)
}

/** Disk that a folder takes, in bytes; stops at `bound` bytes or `entries` entries and then gives Infinity. */
export async function folderBytes(folder: string, bound: number, entries: number): Promise<number> {
  const folders = [folder]
  let [bytes, seen] = [0, 0]
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    const found = await opendir(next).catch(() => undefined)
    for await (const entry of found ?? []) {
      const path = join(next, entry.name)
      if (entry.isDirectory()) folders.push(path)
      bytes += ((await lstat(path).catch(() => undefined))?.blocks ?? 0) * 512
      seen += 1
      if (bytes > bound || seen > entries) return Number.POSITIVE_INFINITY
    }
  }
  return bytes
}
