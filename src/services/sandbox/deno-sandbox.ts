import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EdgeCoderError } from '../../core/errors.js'
import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Log } from '../../ports/log.js'
import type { Language, Sandbox, SandboxJob, SandboxReport } from '../../ports/sandbox.js'
import { type Bounds, boundsOf, prlimitArgs } from './bounds.js'
import { type CgroupHome, findCgroupHome } from './cgroup.js'
import type { Plan } from './command.js'
import { runContained } from './contained-run.js'
import { DENO_NEEDS, type DenoJob, denoCommand } from './deno-command.js'
import { insideScript } from './gate.js'
import { checkJob, filesFor, runAll } from './job.js'
import { createJobFolder, folderBytes, handOver, writeFiles } from './job-folder.js'
import { canReadTrees } from './process-tree.js'
import { keepSnapshot, placeSnapshot, SNAPSHOT_BYTES, takeSnapshot } from './python-snapshot.js'
import { findProgram, pyodideVersion } from './runtimes.js'
import { createDenoStage, type DenoStage } from './stage.js'

const SNAPSHOT_LIMITS = { wallMs: 60_000, cpuMs: 60_000, memoryMib: 512, processes: 1, outputBytes: 65_536 }
/** Files and folders a program may leave; counting more takes too long. */
const DISK_ENTRIES = 4096

/**
 * The portable sandbox: a Deno process that may read and write its job's folder and nothing else, with
 * Pyodide inside it for Python. Needs no privileges.
 *
 * @returns what is missing, for a person, when this machine cannot have one
 * @see docs/decisions/sandbox.md
 */
export async function createDenoSandbox(
  { log }: { readonly log: Log },
  init: DenoSandboxInit = {},
): Promise<Sandbox | string> {
  if (!canReadTrees()) return 'nothing here tells what a process uses, so no bound could be kept'
  const stage = await createDenoStage()
  if (stage === undefined) return 'the npm package deno has no binary for this machine'
  return new DenoSandbox(log, { ...init, stage, cgroups: findCgroupHome(), launchers: findLaunchers() })
}

export interface DenoSandboxInit {
  /** Keeps the Python snapshot for the next start; a folder that only we may write to. */
  readonly cacheFolder?: string
}

/** What of the host goes into the walls, found once. */
interface Host extends DenoSandboxInit {
  readonly stage: DenoStage
  readonly cgroups: CgroupHome | undefined
  readonly launchers: Launchers | undefined
}

/** Programs of util-linux that set bounds and tie a process to its parent's life. */
interface Launchers {
  readonly prlimit: string
  readonly setpriv: string
}

function findLaunchers(): Launchers | undefined {
  const [prlimit, setpriv] = [findProgram('prlimit'), findProgram('setpriv')]
  return prlimit === undefined || setpriv === undefined ? undefined : { prlimit, setpriv }
}

class DenoSandbox implements Sandbox {
  readonly kind = 'deno'
  readonly languages: readonly Language[]
  readonly #log: Log
  readonly #host: Host
  readonly #closing = new AbortController()
  #snapshot: Promise<string> | undefined

  constructor(log: Log, host: Host) {
    this.#log = log
    this.#host = host
    const { pyodide } = host.stage
    this.languages = ['javascript', 'typescript', ...(pyodide === undefined ? [] : ['python' as const])]
  }

  async run(
    job: SandboxJob,
    signal: AbortSignal,
    onOutput?: (totalBytes: number) => void,
  ): Promise<SandboxReport | Refusal> {
    const plan = checkJob(job, this.languages)
    if (isRefusal(plan)) return plan
    const either = AbortSignal.any([signal, this.#closing.signal])
    const snapshot = plan.language === 'python' ? await this.#snapshotOnce(either) : ''
    const ending = await runAll(plan, job.limits, onOutput, async (run, limits, onBytes) => {
      const folder = await createJobFolder(['files', 'deno', 'empty'])
      try {
        const files = join(folder.path, 'files')
        await writeFiles(files, filesFor(plan, run, job.files))
        await handOver(folder.path)
        const bounds = boundsOf(limits, DENO_NEEDS[plan.language])
        const mark = randomUUID()
        const denoJob: DenoJob = { plan, run, mark, folder: files, permissions: 'own-folder' }
        const command = denoCommand(this.#host.stage, denoJob, bounds, snapshot)
        return await this.#contain(command, mark, folder.path, bounds, either, onBytes)
      } finally {
        await folder.remove()
      }
    })
    return { ...ending, sandbox: this.kind }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#snapshot?.catch(() => undefined)
    await this.#host.stage.remove()
  }

  #contain(
    command: readonly string[],
    mark: string,
    folder: string,
    bounds: Bounds,
    signal: AbortSignal,
    onOutput?: (totalBytes: number) => void,
  ) {
    return runContained(
      {
        argv: this.#walled(command, bounds),
        env: { DENO_DIR: join(folder, 'deno'), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' },
        // Deno reads some settings where it starts; no job may write here.
        cwd: join(folder, 'empty'),
        mark,
        bounds,
        cgroups: this.#host.cgroups,
        diskBytes: () => folderBytes(folder, bounds.diskBytes, DISK_ENTRIES),
      },
      signal,
      onOutput,
    )
  }

  /** On Linux both the shell and Deno die with their parent; elsewhere the shell sets what bounds it can. */
  #walled(command: readonly string[], bounds: Bounds): string[] {
    if (this.#host.launchers === undefined) {
      const prepare = `ulimit -t ${bounds.rlimits.cpu}; ulimit -c 0; ulimit -f ${bounds.rlimits.fsize / 512};`
      return ['/bin/sh', '-c', insideScript(prepare), 'sh', ...command]
    }
    const tied = [this.#host.launchers.setpriv, '--pdeathsig', 'KILL']
    // Not nproc: without a user namespace it would count all processes of this user.
    const limits = prlimitArgs(bounds, ['cpu', 'data', 'fsize', 'nofile', 'core'])
    const limited = [this.#host.launchers.prlimit, ...limits, ...tied, ...command]
    return [...tied, '/bin/sh', '-c', insideScript(), 'sh', ...limited]
  }

  /** Pyodide starts in 3 s, from a snapshot of itself in a fraction of that; made once, by our code alone. */
  async #snapshotOnce(signal: AbortSignal): Promise<string> {
    this.#snapshot ??= this.#makeSnapshot().catch((error: unknown) => {
      if (!this.#closing.signal.aborted) {
        this.#log.warn('pyodide-snapshot-failed', { error: error instanceof Error ? error : undefined })
      }
      return ''
    })
    const aborted = new Promise<never>((_, reject) => {
      const give = () => reject(new EdgeCoderError('cancelled', 'The sandbox run was given up.'))
      if (signal.aborted) give()
      signal.addEventListener('abort', give, { once: true })
    })
    return Promise.race([this.#snapshot, aborted])
  }

  async #makeSnapshot(): Promise<string> {
    const { stage, cacheFolder } = this.#host
    const shelf = cacheFolder && { folder: cacheFolder, version: pyodideVersion() }
    const kept = shelf ? await takeSnapshot(shelf) : undefined
    const content = kept ?? (await this.#freshSnapshot())
    if (kept === undefined && shelf) await keepSnapshot(shelf, content)
    return placeSnapshot(stage.folder, content)
  }

  async #freshSnapshot(): Promise<Uint8Array> {
    const folder = await createJobFolder(['files', 'deno', 'empty'])
    try {
      await handOver(folder.path)
      const files = join(folder.path, 'files')
      const made = join(files, 'snapshot.bin')
      const bounds = boundsOf(SNAPSHOT_LIMITS, DENO_NEEDS.python)
      const roomy = { ...bounds, rlimits: { ...bounds.rlimits, fsize: SNAPSHOT_BYTES } }
      const mark = randomUUID()
      const run = { mode: 'snapshot', entry: made, args: [] } as const
      const plan: Plan = { language: 'python', runs: [run] }
      const job: DenoJob = { plan, run, mark, folder: files, permissions: 'own-folder-writable' }
      const command = denoCommand(this.#host.stage, job, bounds)
      const ending = await this.#contain(command, mark, folder.path, roomy, this.#closing.signal)
      if (ending.verdict === 'passed') return await readFile(made)
      throw new EdgeCoderError('sandbox-failed', `The start of Python ended with ${ending.verdict}.`)
    } finally {
      await folder.remove()
    }
  }
}
