import { randomUUID } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Language, Sandbox, SandboxJob, SandboxLimits, SandboxReport } from '../../ports/sandbox.js'
import { type Bounds, boundsOf, prlimitArgs, type RuntimeNeeds } from './bounds.js'
import { bubblewrapWalls, INSIDE } from './bubblewrap-walls.js'
import { type CgroupHome, findCgroupHome } from './cgroup.js'
import type { Plan, Run } from './command.js'
import { type Ending, runContained } from './contained-run.js'
import { DENO_NEEDS, denoCommand, heapMib } from './deno-command.js'
import { insideScript } from './gate.js'
import { checkJob, filesFor, runAll } from './job.js'
import { createJobFolder, handOver, type JobFolder, writeFiles } from './job-folder.js'
import { canReadTrees } from './process-tree.js'
import { findProgram, withinReach } from './runtimes.js'
import { seccompProgram } from './seccomp.js'
import { createDenoStage, type DenoStage, openFolder } from './stage.js'

const NEEDS: Readonly<Record<Language, RuntimeNeeds>> = {
  javascript: { memoryMib: 48, reservedMib: 512, startCpuMs: 1_000 },
  typescript: DENO_NEEDS.typescript,
  python: { memoryMib: 16, reservedMib: 256, startCpuMs: 1_000 },
}

/** What of the host goes into the walls, found once. */
interface Host {
  readonly bwrap: string
  readonly prlimit: string
  readonly node: string
  readonly python: string | undefined
  readonly stage: DenoStage | undefined
  /** Holds what must outlive a run. */
  readonly folder: JobFolder
  /** File of the seccomp filter. */
  readonly filter: string
  readonly cgroups: CgroupHome | undefined
}

/**
 * The Linux sandbox: bubblewrap with every namespace of its own, no network, a read-only /usr, files in a
 * bounded tmpfs, a seccomp filter; Node and Python of the host, Deno for TypeScript.
 *
 * @returns what is missing, for a person, when this machine cannot have one
 * @see docs/decisions/sandbox.md
 */
export async function createBubblewrapSandbox(): Promise<Sandbox | string> {
  const [bwrap, prlimit, filter] = [findProgram('bwrap'), findProgram('prlimit'), seccompProgram()]
  if (process.platform !== 'linux') return 'bubblewrap runs on Linux only'
  if (bwrap === undefined) return 'the program bwrap is missing (package bubblewrap)'
  if (prlimit === undefined) return 'the program prlimit is missing (package util-linux)'
  if (filter === undefined) return `there is no seccomp filter for ${process.arch}`
  if (!canReadTrees()) return 'the kernel does not list child processes (CONFIG_PROC_CHILDREN)'
  const folder = await createJobFolder([])
  try {
    const [filterFile, reach] = [join(folder.path, 'filter.bpf'), join(folder.path, 'runtimes')]
    for (const path of [folder.path, reach]) await openFolder(path)
    await writeFile(filterFile, filter, { flag: 'wx' })
    const node = await withinReach(realpathSync(process.execPath), reach)
    const [python, stage, cgroups] = [pythonOfSystem(), await createDenoStage(), findCgroupHome()]
    return new BubblewrapSandbox({ bwrap, prlimit, node, python, stage, folder, filter: filterFile, cgroups })
  } catch (error) {
    await folder.remove()
    throw error
  }
}

/** Only the system's own: others, such as pyenv's, lie outside /usr. */
function pythonOfSystem(): string | undefined {
  const found = findProgram('python3')
  return found !== undefined && realpathSync(found).startsWith('/usr/') ? found : undefined
}

class BubblewrapSandbox implements Sandbox {
  readonly kind = 'bubblewrap'
  readonly languages: readonly Language[]
  readonly #host: Host
  readonly #closing = new AbortController()

  constructor(host: Host) {
    this.#host = host
    this.languages = [
      'javascript',
      ...(host.stage === undefined ? [] : ['typescript' as const]),
      ...(host.python === undefined ? [] : ['python' as const]),
    ]
  }

  async run(
    job: SandboxJob,
    signal: AbortSignal,
    onOutput?: (totalBytes: number) => void,
  ): Promise<SandboxReport | Refusal> {
    const checked = checkJob(job, this.languages)
    if (isRefusal(checked)) return checked
    const plan = checked.language === 'javascript' ? inOneProcess(checked) : checked
    const either = AbortSignal.any([signal, this.#closing.signal])
    const ending = await runAll(plan, job.limits, onOutput, async (run, limits, onBytes) => {
      const folder = await createJobFolder(['files'])
      try {
        const files = join(folder.path, 'files')
        await writeFiles(files, filesFor(plan, run, job.files))
        await handOver(folder.path)
        return await this.#runOne({ plan, run, files, limits }, either, onBytes)
      } finally {
        await folder.remove()
      }
    })
    return { ...ending, sandbox: this.kind }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#host.stage?.remove()
    await this.#host.folder.remove()
  }

  async #runOne(
    { plan, run, files, limits }: { plan: Plan; run: Run; files: string; limits: SandboxLimits },
    signal: AbortSignal,
    onOutput: (totalBytes: number) => void,
  ): Promise<Ending> {
    const { bwrap, prlimit, stage, cgroups } = this.#host
    const bounds = boundsOf(limits, NEEDS[plan.language])
    const mark = randomUUID()
    const deno = plan.language === 'typescript'
    // Deno's runner says itself when the program starts.
    const begin = deno ? '' : `echo ${mark};`
    const argv = [
      ...[
        bwrap,
        ...bubblewrapWalls({ files, runtime: this.#runtime(plan), stage: deno ? stage?.folder : undefined }),
      ],
      ...['--', prlimit, ...prlimitArgs(bounds, ['cpu', 'data', 'fsize', 'nofile', 'core', 'nproc'])],
      ...['/bin/sh', '-c', insideScript(`cp -R ${INSIDE.submitted}/. . || exit 1; ${begin}`), 'sh'],
      ...this.#program(plan, run, bounds, mark),
    ]
    const filter = await open(this.#host.filter, 'r')
    try {
      // An empty environment: that of bwrap itself can be read inside as /proc/1/environ.
      const contained = { argv, env: {}, cwd: '/', mark, bounds, cgroups, fd4: filter.fd }
      return await runContained(contained, signal, onOutput)
    } finally {
      await filter.close()
    }
  }

  /** The runtime to bind in, when /usr does not hold it. */
  #runtime({ language }: Plan): string | undefined {
    if (language === 'typescript') return this.#host.stage?.deno
    return language === 'javascript' && !this.#host.node.startsWith('/usr/') ? this.#host.node : undefined
  }

  #program(plan: Plan, run: Run, bounds: Bounds, mark: string): string[] {
    const { python, stage } = this.#host
    if (plan.language === 'javascript') {
      const node = this.#runtime(plan) === undefined ? this.#host.node : INSIDE.runtime
      const heap = `--max-old-space-size=${heapMib(bounds)}`
      return [node, heap, ...(run.mode === 'test' ? ['--test'] : []), run.entry, ...run.args]
    }
    if (plan.language === 'python') {
      return [python ?? '', ...(run.mode === 'module' ? ['-m'] : []), run.entry, ...run.args]
    }
    if (stage === undefined) throw new RangeError('TypeScript without Deno')
    const seen = seenInside(stage)
    return denoCommand(seen, { plan, run, mark, folder: INSIDE.work, permissions: 'everything' }, bounds)
  }
}

/** Node runs its test files in processes of their own by itself. */
function inOneProcess(plan: Plan): Plan {
  const [first, ...more] = plan.runs
  if (first?.mode !== 'test') return plan
  return { ...plan, runs: [{ ...first, args: more.map((run) => run.entry) }] }
}

function seenInside(stage: DenoStage): DenoStage {
  const inside = (path: string) => path.replace(stage.folder, INSIDE.stage)
  const [javascript, nodeTest] = [inside(stage.javascript), inside(stage.nodeTest)]
  return { ...stage, deno: INSIDE.runtime, folder: INSIDE.stage, javascript, nodeTest }
}
