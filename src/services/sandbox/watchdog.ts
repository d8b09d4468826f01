import { performance } from 'node:perf_hooks'
import type { Verdict } from '../../ports/sandbox.js'
import type { Bounds } from './bounds.js'
import { readTree, TREE_LOOK_MS, type TreeUse } from './process-tree.js'

export interface WatchdogInit {
  /** First process of the run. */
  readonly pid: number
  readonly bounds: Bounds
  /** The kernel refused a fork for the bound on tasks. */
  readonly outOfTasks: () => boolean
  /** Bytes on the host's disk, for runs that may write there. */
  readonly diskBytes: (() => Promise<number>) | undefined
  readonly kill: () => void
}

/** Looks between two looks at the disk. */
const DISK_EVERY = 4

/** Holds a run's whole process tree to its bounds; control groups and rlimits stand beside it. */
export class Watchdog {
  readonly #init: WatchdogInit
  readonly #spawnedMs = performance.now()
  readonly #timers = new Set<NodeJS.Timeout>()
  #startedMs: number | undefined
  #startCpuMs = 0
  #endedMs: number | undefined
  #use: TreeUse
  #looks = 0
  #measuring = false
  /** The bound that ended the run. */
  reason: Verdict | undefined

  constructor(init: WatchdogInit) {
    this.#init = init
    this.#use = { pids: [init.pid], tasks: 1, cpuMs: 0, memoryBytes: 0 }
  }

  /** @param startMs how long the runtime may take until `started` before it is killed */
  watch(startMs: number): void {
    this.#timers.add(setInterval(() => this.#look(), TREE_LOOK_MS))
    this.#timers.add(setTimeout(() => this.#startedMs ?? this.#init.kill(), startMs))
  }

  /** The program itself begins: time and CPU count from here. */
  started(): void {
    this.#startCpuMs = this.processes().cpuMs
    this.#startedMs = performance.now()
    this.#timers.add(setTimeout(() => this.end('wall-time'), this.#init.bounds.wallMs))
  }

  /** Ends the run; the first reason stays. */
  end(reason: Verdict): void {
    if (this.#endedMs !== undefined) return
    this.reason ??= reason
    this.#init.kill()
  }

  stop(): void {
    this.#endedMs ??= performance.now()
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }

  /** Looks at the tree now. */
  processes(): TreeUse {
    const use = readTree(this.#init.pid)
    // A tree that is just ending shows less than was used.
    const cpuMs = Math.max(use.cpuMs, this.#use.cpuMs)
    this.#use = { ...use, cpuMs }
    return this.#use
  }

  /** Processes that were there at the last look. */
  get pids(): readonly number[] {
    return this.#use.pids
  }

  /** @param totalMs CPU time of the run, its start included, as the shell around it counted */
  cpuMs(totalMs: number): number {
    return Math.max(0, Math.max(totalMs, this.#use.cpuMs) - this.#startCpuMs)
  }

  durationMs(): number {
    const endMs = this.#endedMs ?? performance.now()
    return Math.round(endMs - (this.#startedMs ?? this.#spawnedMs))
  }

  #look(): void {
    const over = this.#overBound(this.processes())
    if (over !== undefined) this.end(over)
    else if (this.#looks++ % DISK_EVERY === 0) void this.#lookAtDisk()
  }

  #overBound(use: TreeUse): Verdict | undefined {
    const { bounds } = this.#init
    if (use.memoryBytes > bounds.memoryBytes) return 'memory'
    if (use.tasks > bounds.tasks || this.#init.outOfTasks()) return 'processes'
    if (this.#startedMs === undefined) return undefined
    return use.cpuMs - this.#startCpuMs > bounds.cpuMs ? 'cpu-time' : undefined
  }

  async #lookAtDisk(): Promise<void> {
    const { diskBytes } = this.#init
    if (diskBytes === undefined || this.#measuring) return
    this.#measuring = true
    const bytes = await diskBytes().catch(() => 0)
    this.#measuring = false
    if (bytes > this.#init.bounds.diskBytes) this.end('killed')
  }
}
