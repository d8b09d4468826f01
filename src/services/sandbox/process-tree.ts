import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** What a process and all its descendants use now. */
export interface TreeUse {
  readonly pids: readonly number[]
  /** Threads, which is what the kernel counts; without /proc only processes. */
  readonly tasks: number
  readonly cpuMs: number
  /** Memory of their own: anonymous and shared, without mapped files; without /proc all that is resident. */
  readonly memoryBytes: number
}

/** USER_HZ is 100 on every Linux that Node runs on. */
const MS_PER_TICK = 10
/** A tree past this many processes is a fork bomb whatever its bound: stop counting. */
const TREE_PIDS = 2048

/** False on a Linux kernel without CONFIG_PROC_CHILDREN and on Windows: no bound could be kept there. */
export function canReadTrees(): boolean {
  if (process.platform !== 'linux') return readPsTree(process.pid).pids.length > 0
  return readOrUndefined(`/proc/self/task/${process.pid}/children`) !== undefined
}

/** How often a tree may be read: a look at /proc costs a fraction of a millisecond, one by ps(1) several. */
export const TREE_LOOK_MS = process.platform === 'linux' ? 40 : 250

export function readTree(root: number): TreeUse {
  return process.platform === 'linux' ? readProcTree(root) : readPsTree(root)
}

/** For systems without /proc, such as macOS. */
export function readPsTree(root: number): TreeUse {
  const { stdout } = spawnSync('/bin/ps', ['-axo', 'pid=,ppid=,rss=,time='], { encoding: 'latin1' })
  const rows = (stdout ?? '').split('\n').map((line) => line.trim().split(/\s+/))
  const children = new Map<number, string[][]>()
  for (const row of rows) {
    const parent = Number(row[1])
    children.set(parent, [...(children.get(parent) ?? []), row])
  }
  const found = rows.filter((row) => Number(row[0]) === root)
  for (const [pid] of found) found.push(...(children.get(Number(pid)) ?? []))
  return {
    pids: found.map(([pid]) => Number(pid)),
    tasks: found.length,
    cpuMs: found.reduce((sum, [, , , time = '']) => sum + clockMs(time), 0),
    memoryBytes: found.reduce((sum, [, , rss]) => sum + Number(rss) * 1024, 0),
  }
}

/** "1:02.50", "01:01:02" or "2-03:04:05" as milliseconds. */
function clockMs(time: string): number {
  const [days, clock] = time.includes('-') ? time.split('-') : ['0', time]
  const seconds = (clock ?? '').split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
  return Math.round((Number(days) * 86_400 + seconds) * 1000)
}

/**
 * Reads /proc from the root down. Descendants of a PID namespace's first process are all found, also those
 * that made themselves a session: an orphan's parent is that first process. Processes that end meanwhile
 * are left out.
 */
function readProcTree(root: number): TreeUse {
  const pids = [root]
  const use = { tasks: 0, cpuMs: 0, memoryBytes: 0 }
  for (let at = 0; at < pids.length && pids.length < TREE_PIDS; at++) {
    const pid = pids[at]
    if (pid === undefined) break
    const stat = readOrUndefined(`/proc/${pid}/stat`)
    if (stat === undefined) continue
    const threads = threadsOf(pid)
    use.tasks += threads.length
    use.cpuMs += cpuMsOf(stat)
    use.memoryBytes += ownMemoryOf(pid)
    for (const thread of threads) {
      const children = readOrUndefined(`/proc/${pid}/task/${thread}/children`) ?? ''
      for (const child of children.split(' ')) if (child !== '') pids.push(Number(child))
    }
  }
  return { pids, ...use }
}

/** False also for a dead one that nobody has waited for yet. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // Not ours to signal, but there.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
  return !/\) [ZX] /.test(readOrUndefined(`/proc/${pid}/stat`) ?? '')
}

/** Own time and that of children already waited for. */
function cpuMsOf(stat: string): number {
  // The name, in brackets, may hold anything; utime, stime, cutime, cstime are 11 fields after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  return ticks * MS_PER_TICK
}

function ownMemoryOf(pid: number): number {
  const status = readOrUndefined(`/proc/${pid}/status`) ?? ''
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0)
  return (kib('RssAnon') + kib('RssShmem')) * 1024
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}
