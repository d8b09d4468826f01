import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { readTree } from '../sandbox/process-tree.js'

const run = promisify(execFile)
/** Cores this process had when it started, as `taskset -c` writes them. */
let allowed: readonly number[] | undefined
/** The whole tree of children is small; one that forks meanwhile hands its bounds on. */
const TIMEOUT_MS = 5_000

/**
 * Keeps this process, all its threads and all its children to a share of the cores it was started with. What
 * is started later has the same bounds.
 *
 * @returns why it cannot be done; undefined = it is
 */
export async function confineToCores(cpuPercent: number): Promise<string | undefined> {
  if (allowed === undefined && cpuPercent === 100) return undefined
  try {
    allowed ??= await coresNow()
    const most = Math.max(1, Math.floor((allowed.length * cpuPercent) / 100))
    const cores = allowed.slice(-most).join(',')
    for (const pid of readTree(process.pid).pids) await bind(pid, cores)
    return undefined
  } catch {
    return 'a share of the processor cannot be kept here: it takes Linux and taskset (util-linux)'
  }
}

async function bind(pid: number, cores: string): Promise<void> {
  try {
    await run('taskset', ['-acp', cores, String(pid)], { timeout: TIMEOUT_MS })
  } catch (error) {
    // A child that has just ended needs no bounds; nobody else may be left without them.
    if (pid === process.pid || isMissing(error)) throw error
  }
}

async function coresNow(): Promise<readonly number[]> {
  const { stdout } = await run('taskset', ['-cp', String(process.pid)], { timeout: TIMEOUT_MS })
  const list = /:\s*([\d,-]+)\s*$/.exec(stdout)?.[1] ?? ''
  const cores = list.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number)
    if (first === undefined || last === undefined) return []
    return Array.from({ length: last - first + 1 }, (_, at) => first + at)
  })
  if (cores.length === 0) throw new RangeError('taskset names no core')
  return cores
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
