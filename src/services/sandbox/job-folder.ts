import { execFile } from 'node:child_process'
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  opendir,
  readdir,
  realpath,
  rm,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { SandboxFile } from '../../ports/sandbox.js'
import { outsider } from './outsider.js'
import { isOrphan, ownName } from './own-name.js'

/** A private folder on the host that lives as long as one run. */
export interface JobFolder {
  readonly path: string
  remove(): Promise<void>
}

/** @param parts sub-folders to make, empty */
export async function createJobFolder(parts: readonly string[]): Promise<JobFolder> {
  // Deno compares real paths; macOS has a link on the way to its temporary folder.
  const path = await mkdtemp(join(await realpath(tmpdir()), ownName()))
  for (const part of parts) await mkdir(join(path, part), { mode: 0o700 })
  return {
    path,
    remove: () => removeFolder(path),
  }
}

/** Removes what workers that were killed left in the temporary folder. */
export async function sweepJobFolders(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const path = join(tmpdir(), name)
    // Only our own: anybody may make such a name.
    if (isOrphan(name) && (await lstat(path)).uid === process.getuid?.()) await removeFolder(path)
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

/** Gives what is in the folder to the user that the program runs as; the folder itself stays ours. */
export async function handOver(folder: string): Promise<void> {
  const owner = outsider()
  if (owner === undefined) return
  for (const entry of await readdir(folder, { recursive: true })) {
    await chown(join(folder, entry), owner.uid, owner.gid)
  }
  await chmod(folder, 0o711)
}

/** Bytes of disk that a folder takes; past `bound` bytes or `entries` entries it stops and gives Infinity. */
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
