import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { EdgeCoderError } from '../../core/errors.js'
import type { SandboxReport, Verdict } from '../../ports/sandbox.js'
import type { Bounds } from './bounds.js'
import { type Cgroup, type CgroupHome, createCgroup } from './cgroup.js'
import { Gate } from './gate.js'
import { Output } from './output.js'
import { outsider } from './outsider.js'
import { isAlive } from './process-tree.js'
import { Watchdog } from './watchdog.js'

/** A program to start inside its walls. */
export interface Contained {
  /** Ends in a shell that runs `insideScript`. */
  readonly argv: readonly string[]
  /** All the environment of the walls' own process; bubblewrap shows it inside as /proc/1/environ. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** Printed alone on a line of stdout when the program starts; what comes before it is not the program's. */
  readonly mark: string
  readonly bounds: Bounds
  readonly cgroups: CgroupHome | undefined
  /** An open file passed on as fd 4. */
  readonly fd4?: number
  readonly diskBytes?: () => Promise<number>
}

export type Ending = Omit<SandboxReport, 'sandbox'>

/** From spawn to the mark: Pyodide took 8 s on a busy machine. */
const START_MS = 60_000
const GONE_TRIES = 200
const GONE_WAIT_MS = 10
const SIGXCPU = 24
const SIGKILL = 9

/**
 * Starts it, watches it and cleans up: when this settles, no process of it lives.
 *
 * @throws EdgeCoderError `sandbox-failed` when the program never started, `cancelled` on abort
 */
export async function runContained(
  contained: Contained,
  signal: AbortSignal,
  onOutput?: (totalBytes: number) => void,
): Promise<Ending> {
  if (signal.aborted) throw cancelled()
  const { bounds, cgroups } = contained
  const cgroup = cgroups && createCgroup(cgroups, bounds)
  try {
    return await new ContainedRun(contained, cgroup, await start(contained)).finish(signal, onOutput)
  } finally {
    await cgroup?.remove()
  }
}

async function start({ argv, cwd, env, fd4 }: Contained): Promise<ChildProcess> {
  const [program = '', ...args] = argv
  const stdio: StdioOptions = ['ignore', 'pipe', 'pipe', 'pipe']
  if (fd4 !== undefined) stdio.push(fd4)
  // A process group of its own, so that one signal reaches all of it.
  const child = spawn(program, args, { cwd, env, detached: true, stdio, ...outsider() })
  try {
    await once(child, 'spawn')
  } catch (cause) {
    throw new EdgeCoderError('sandbox-failed', `The sandbox could not be started: ${String(cause)}`, {
      cause,
    })
  }
  return child
}

class ContainedRun {
  readonly #contained: Contained
  readonly #cgroup: Cgroup | undefined
  readonly #child: ChildProcess
  readonly #gate: Gate
  readonly #output: Output
  readonly #dog: Watchdog
  #closed = false

  constructor(contained: Contained, cgroup: Cgroup | undefined, child: ChildProcess) {
    this.#contained = contained
    this.#cgroup = cgroup
    this.#child = child
    this.#gate = new Gate(child.stdio[3])
    this.#output = new Output(contained.mark, contained.bounds.outputBytes)
    this.#dog = new Watchdog({
      pid: child.pid ?? 0,
      bounds: contained.bounds,
      outOfTasks: () => cgroup?.outOfTasks() ?? false,
      diskBytes: contained.diskBytes,
      kill: this.#kill,
    })
  }

  async finish(signal: AbortSignal, onOutput?: (totalBytes: number) => void): Promise<Ending> {
    signal.addEventListener('abort', this.#kill, { once: true })
    try {
      this.#dog.watch(START_MS)
      this.#output.take(this.#child, {
        started: () => this.#dog.started(),
        flooded: () => this.#dog.end('output'),
        grew: (bytes) => onOutput?.(bytes),
      })
      this.#gate.open(() => this.#cgroup?.add(this.#dog.processes().pids))
      if (signal.aborted) this.#kill()
      const [code, by] = await once(this.#child, 'close')
      this.#closed = true
      this.#dog.stop()
      await gone(this.#dog.pids)
      if (signal.aborted) throw cancelled()
      if (!this.#output.begun) throw neverStarted(this.#output.stderr)
      return this.#ending(typeof code === 'number' ? code : 128 + (by === 'SIGXCPU' ? SIGXCPU : SIGKILL))
    } finally {
      signal.removeEventListener('abort', this.#kill)
      this.#kill()
      this.#dog.stop()
      this.#gate.close()
    }
  }

  #ending(code: number): Ending {
    const { reason } = this.#dog
    const cpuMs = this.#dog.cpuMs(this.#gate.cpuMs)
    return {
      verdict: reason ?? this.#judge(code, cpuMs),
      exitCode: reason === undefined ? code : 128 + SIGKILL,
      stdout: this.#output.stdout,
      stderr: this.#output.stderr,
      truncated: this.#output.truncated,
      durationMs: this.#dog.durationMs(),
      cpuMs,
    }
  }

  /** How an ending that the watchdog did not force is to be read. */
  #judge(code: number, cpuMs: number): Verdict {
    if (code === 0) return 'passed'
    if (this.#cgroup?.outOfMemory() === true) return 'memory'
    if (this.#cgroup?.outOfTasks() === true) return 'processes'
    if (code > 128 && V8_OUT_OF_MEMORY.test(this.#output.stderr)) return 'memory'
    const spent = cpuMs >= this.#contained.bounds.cpuMs
    if (spent && (code === 128 + SIGXCPU || code === 128 + SIGKILL)) return 'cpu-time'
    return code > 128 && code <= 128 + 64 ? 'killed' : 'failed'
  }

  readonly #kill = () => {
    // Once it is reaped its number may be another's.
    if (this.#closed || this.#child.pid === undefined) return
    try {
      process.kill(-this.#child.pid, 'SIGKILL')
    } catch {
      // It has just ended.
    }
  }
}

const V8_OUT_OF_MEMORY = /heap out of memory|Fatal (JavaScript|process) (out of memory|OOM)|OOM error in V8/

/** Waits until the processes seen last are dead: a PID namespace dies a moment after its first process. */
async function gone(pids: readonly number[]): Promise<void> {
  for (let tries = 0; tries < GONE_TRIES; tries++) {
    if (!pids.some(isAlive)) return
    await sleep(GONE_WAIT_MS)
  }
}

/** Before the mark no line of the program has run, so that stderr holds only the walls' own words. */
function neverStarted(stderr: string): EdgeCoderError {
  const said = stderr.trim().slice(0, 300)
  return new EdgeCoderError('sandbox-failed', `The sandbox ended before the program: ${said || 'no message'}`)
}

function cancelled(): EdgeCoderError {
  return new EdgeCoderError('cancelled', 'The sandbox run was given up.')
}
