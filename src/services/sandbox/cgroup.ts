import { randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isOrphan, ownName } from './own-name.js'

/** One job's control group: the kernel itself bounds memory and tasks. */
export interface Cgroup {
  add(pids: readonly number[]): void
  /** The kernel killed something for memory. */
  outOfMemory(): boolean
  /** A fork was refused for the bound on tasks. */
  outOfTasks(): boolean
  /** Removes the group; its processes must be dead. */
  remove(): Promise<void>
}

export interface CgroupBounds {
  readonly memoryBytes: number
  readonly tasks: number
}

/** Where job groups may be made: a v2 folder with both controllers, or one v1 folder for each. */
export type CgroupHome =
  | { readonly version: 2; readonly folder: string }
  | { readonly version: 1; readonly memory: string; readonly pids: string }

/** Waits for the kernel to forget dead processes: 40 × 25 ms. */
const REMOVE_TRIES = 40
const REMOVE_WAIT_MS = 25

/**
 * Looks for a place where this process may make control groups. Version 1: below its own groups. Version 2:
 * below its own group or, under systemd's DelegateSubgroup, beside it; the slice of a unit is never touched.
 *
 * @returns undefined when there is none; rlimits and the watchdog then stand alone
 */
export function findCgroupHome(root = '/sys/fs/cgroup', own = '/proc/self/cgroup'): CgroupHome | undefined {
  const paths = ownPaths(own)
  const unified = paths.get('')
  const [memory, pids] = [paths.get('memory'), paths.get('pids')]
  const homes: CgroupHome[] = []
  if (memory !== undefined && pids !== undefined) {
    homes.push({ version: 1, memory: join(root, 'memory', memory), pids: join(root, 'pids', pids) })
  }
  if (unified !== undefined) {
    homes.push({ version: 2, folder: join(root, unified) })
    if (!/\.(service|scope|slice)$|^\/$/.test(unified)) {
      homes.push({ version: 2, folder: join(root, dirname(unified)) })
    }
  }
  const home = homes.find(works)
  if (home !== undefined) sweep(home)
  return home
}

/** Removes groups that workers that were killed left; the kernel refuses while one has processes. */
function sweep(home: CgroupHome): void {
  for (const folder of parentsOf(home)) {
    for (const name of readdirSync(folder)) if (isOrphan(name)) removeFolder(join(folder, name))
  }
}

function parentsOf(home: CgroupHome): string[] {
  return home.version === 2 ? [home.folder] : [home.memory, home.pids]
}

function works(home: CgroupHome): boolean {
  const trial = createCgroup(home, { memoryBytes: 64 * 1024 * 1024, tasks: 8 })
  for (const folder of trial?.folders ?? []) removeFolder(folder)
  return trial !== undefined
}

/** @returns undefined when the kernel refuses any of the bounds */
export function createCgroup(
  home: CgroupHome,
  bounds: CgroupBounds,
): (Cgroup & { readonly folders: readonly string[] }) | undefined {
  const name = `${ownName()}${randomUUID()}`
  const folders = parentsOf(home).map((parent) => join(parent, name))
  const [memory = '', tasks = memory] = folders
  try {
    for (const folder of folders) mkdirSync(folder)
    const bytes = String(bounds.memoryBytes)
    if (home.version === 2) {
      set(memory, 'memory.max', bytes)
      setIfThere(memory, 'memory.swap.max', '0')
      setIfThere(memory, 'memory.oom.group', '1')
    } else {
      set(memory, 'memory.limit_in_bytes', bytes)
      setIfThere(memory, 'memory.memsw.limit_in_bytes', bytes)
    }
    set(tasks, 'pids.max', String(bounds.tasks))
  } catch {
    for (const folder of folders) removeFolder(folder)
    return undefined
  }
  const events = home.version === 2 ? 'memory.events' : 'memory.oom_control'
  return {
    folders,
    add(pids) {
      for (const folder of folders) for (const pid of pids) set(folder, 'cgroup.procs', String(pid))
    },
    outOfMemory: () => count(memory, events, 'oom_kill') > 0,
    outOfTasks: () => count(tasks, 'pids.events', 'max') > 0,
    async remove() {
      for (let tries = 0; tries < REMOVE_TRIES; tries++) {
        if (folders.map(removeFolder).every(Boolean)) return
        await sleep(REMOVE_WAIT_MS)
      }
    },
  }
}

function ownPaths(own: string): Map<string, string> {
  const paths = new Map<string, string>()
  try {
    for (const line of readFileSync(own, 'utf8').trim().split('\n')) {
      const [, controllers = '', ...path] = line.split(':')
      for (const controller of controllers.split(',')) paths.set(controller, path.join(':'))
    }
  } catch {
    // Not Linux: no groups.
  }
  return paths
}

/** Plain writes only: creating a file here would hide that a controller is missing. */
function set(folder: string, file: string, value: string): void {
  writeFileSync(join(folder, file), value, { flag: 'r+' })
}

function setIfThere(folder: string, file: string, value: string): void {
  try {
    set(folder, file, value)
  } catch {
    // Without swap accounting the kernel has no such file.
  }
}

function count(folder: string, file: string, name: string): number {
  try {
    return Number(
      new RegExp(`^${name} (\\d+)$`, 'm').exec(readFileSync(join(folder, file), 'utf8'))?.[1] ?? 0,
    )
  } catch {
    return 0
  }
}

function removeFolder(folder: string): boolean {
  try {
    rmdirSync(folder)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT'
  }
  return true
}
