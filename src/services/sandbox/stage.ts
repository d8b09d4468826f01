import { chmod, copyFile, mkdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createJobFolder } from './job-folder.js'
import { findDeno, findInside, findPyodide, withinReach } from './runtimes.js'

/** Deno and our code that runs under it, where every program may read them; lives as long as the sandbox. */
export interface DenoStage {
  readonly deno: string
  /** Our code; may be read by programs. */
  readonly folder: string
  readonly javascript: string
  readonly nodeTest: string
  readonly python: string
  readonly pyodide: string | undefined
  remove(): Promise<void>
}

/** @returns undefined when the npm package `deno` has no binary for this machine */
export async function createDenoStage(): Promise<DenoStage | undefined> {
  const deno = findDeno()
  if (deno === undefined) return undefined
  const made = await createJobFolder([])
  try {
    // Runtimes lie beside, not in, the folder that programs may read.
    const [folder, reach] = [join(made.path, 'inside'), join(made.path, 'runtimes')]
    // Whatever the umask: as root, programs run as somebody else.
    for (const path of [made.path, folder, reach]) await openFolder(path)
    const pyodide = findPyodide()
    return {
      deno: await withinReach(deno, reach),
      folder,
      javascript: await place('javascript', folder),
      nodeTest: await place('node-test', folder),
      python: await place('python', folder),
      pyodide: pyodide && (await withinReach(pyodide, reach)),
      remove: made.remove,
    }
  } catch (error) {
    await made.remove()
    throw error
  }
}

export async function openFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true })
  await chmod(path, 0o755)
}

async function place(name: Parameters<typeof findInside>[0], folder: string): Promise<string> {
  const from = findInside(name)
  const to = join(folder, basename(from))
  await copyFile(from, to)
  await chmod(to, 0o644)
  return to
}
