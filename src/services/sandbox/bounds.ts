import { type Refusal, refusal } from '../../core/refusal.js'
import type { SandboxLimits } from '../../ports/sandbox.js'

/** What a language runtime itself needs before the program has done anything; added to the job's bounds. */
export interface RuntimeNeeds {
  readonly memoryMib: number
  /** Address space that V8 reserves as writable without using it. */
  readonly reservedMib: number
  readonly startCpuMs: number
}

/** Bounds as the kernel and the watchdog take them. */
export interface Bounds {
  readonly wallMs: number
  /** From the moment the program starts; the runtime's start is not charged. */
  readonly cpuMs: number
  readonly memoryBytes: number
  readonly tasks: number
  readonly outputBytes: number
  /** On the host's disk, where a program may write there. */
  readonly diskBytes: number
  readonly rlimits: Readonly<Record<'cpu' | 'data' | 'fsize' | 'nofile' | 'core' | 'nproc', number>>
}

/** Threads that Node, Deno and V8 start for themselves. */
const RUNTIME_TASKS = 40
/** Largest file a program may write. */
const FILE_SIZE_BYTES = 16 * 1024 * 1024
const OPEN_FILES = 256
/** All that a program may write. */
const DISK_BYTES = 64 * 1024 * 1024
/** The bounds of payload.proto, checked again. */
const MOST: SandboxLimits = {
  wallMs: 600_000,
  cpuMs: 600_000,
  memoryMib: 8192,
  processes: 256,
  outputBytes: 4 * 1024 * 1024,
}

export function refuseLimits(limits: SandboxLimits): Refusal | undefined {
  const checks = Object.entries({
    wallMs: [limits.wallMs, MOST.wallMs],
    cpuMs: [limits.cpuMs, MOST.cpuMs],
    memoryMib: [limits.memoryMib, MOST.memoryMib],
    processes: [limits.processes, MOST.processes],
    outputBytes: [limits.outputBytes, MOST.outputBytes],
  } satisfies Record<keyof SandboxLimits, [number, number]>)
  const bad = checks.find(([, [value, most]]) => !Number.isSafeInteger(value) || value < 1 || value > most)
  if (bad === undefined) return undefined
  return refusal('out-of-bounds', `Limit ${bad[0]} is ${bad[1][0]}; it must be 1 to ${bad[1][1]}.`)
}

export function boundsOf(limits: SandboxLimits, needs: RuntimeNeeds): Bounds {
  const memoryBytes = (limits.memoryMib + needs.memoryMib) * 1024 * 1024
  return {
    wallMs: limits.wallMs,
    cpuMs: limits.cpuMs,
    memoryBytes,
    tasks: limits.processes + RUNTIME_TASKS,
    outputBytes: limits.outputBytes,
    diskBytes: DISK_BYTES,
    rlimits: {
      // Whole seconds, for one process: a backstop for the watchdog, which sees the whole tree.
      cpu: Math.ceil((limits.cpuMs + needs.startCpuMs) / 1000) + 1,
      data: memoryBytes + needs.reservedMib * 1024 * 1024,
      fsize: FILE_SIZE_BYTES,
      nofile: OPEN_FILES,
      core: 0,
      nproc: limits.processes + RUNTIME_TASKS,
    },
  }
}

/** Words for prlimit(1), soft and hard alike but for CPU, where the soft one signals first. */
export function prlimitArgs(bounds: Bounds, names: readonly (keyof Bounds['rlimits'])[]): string[] {
  return names.map((name) => {
    const value = bounds.rlimits[name]
    return name === 'cpu' ? `--cpu=${value}:${value + 1}` : `--${name}=${value}:${value}`
  })
}
