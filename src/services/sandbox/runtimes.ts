import { constants, existsSync, realpathSync, statSync } from 'node:fs'
import { chmod, copyFile, mkdir, readdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { outsider } from './outsider.js'

const require = createRequire(import.meta.url)

/** @returns the binary of the npm package `deno`, never one that happens to be on the PATH */
export function findDeno(): string | undefined {
  const name = process.platform === 'win32' ? 'deno.exe' : 'deno'
  try {
    const folder = dirname(require.resolve('deno/package.json'))
    const libc = process.platform === 'linux' ? '-glibc' : ''
    const own = `@deno/${process.platform}-${process.arch}${libc}/package.json`
    const platform = dirname(createRequire(join(folder, 'package.json')).resolve(own))
    return [join(folder, name), join(platform, name)].find(isProgram)
  } catch {
    return undefined
  }
}

/** @returns the folder of the npm package `pyodide` */
export function findPyodide(): string | undefined {
  try {
    return dirname(require.resolve('pyodide/package.json'))
  } catch {
    return undefined
  }
}

export function pyodideVersion(): string {
  const found: unknown = require('pyodide/package.json')
  return typeof found === 'object' && found !== null && 'version' in found ? String(found.version) : ''
}

/** Looks in the system folders first, then on the PATH. */
export function findProgram(name: string): string | undefined {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder.startsWith('/'))
  return ['/usr/bin', '/bin', '/usr/sbin', '/sbin', ...path]
    .map((folder) => join(folder, name))
    .find(isProgram)
}

/** The file that runs inside the sandbox, as compiled code or, under tsx and vitest, as its source. */
export function findInside(name: 'javascript' | 'node-test' | 'python'): string {
  const [source, compiled] = ['ts', 'js'].map((end) =>
    fileURLToPath(new URL(`./inside/${name}.${end}`, import.meta.url)),
  )
  return compiled !== undefined && existsSync(compiled) ? compiled : (source ?? '')
}

/**
 * As root the program runs as nobody, who may not be let in where the runtime lies (a folder of root's, say):
 * copies it into `folder` then.
 *
 * @returns where the program can use it
 */
export async function withinReach(path: string, folder: string): Promise<string> {
  if (outsider() === undefined || openToAll(realpathSync(path))) return path
  const copy = join(folder, path.replaceAll('/', '_'))
  const parts = statSync(path).isDirectory() ? (await readdir(path)).map((name) => join(path, name)) : []
  if (parts.length > 0) {
    await mkdir(copy)
    await chmod(copy, 0o755)
  }
  for (const part of parts.length > 0 ? parts.filter((part) => statSync(part).isFile()) : [path]) {
    const to = part === path ? copy : join(copy, basename(part))
    await copyFile(part, to, constants.COPYFILE_FICLONE)
    await chmod(to, 0o755)
  }
  return copy
}

/** Every folder on the way may be passed, and the thing itself read, by anybody. */
function openToAll(path: string): boolean {
  if ((statSync(path).mode & 0o5) !== 0o5) return false
  for (let at = dirname(path); ; at = dirname(at)) {
    if ((statSync(at).mode & 0o1) === 0) return false
    if (at === dirname(at)) return true
  }
}

function isProgram(path: string): boolean {
  try {
    return statSync(path).isFile() && (statSync(path).mode & 0o111) !== 0
  } catch {
    return false
  }
}
