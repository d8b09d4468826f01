import type { Language } from '../../ports/sandbox.js'
import type { Bounds, RuntimeNeeds } from './bounds.js'
import type { Plan, Run } from './command.js'
import type { DenoStage } from './stage.js'

export interface DenoJob {
  readonly plan: Plan
  readonly run: Run
  readonly mark: string
  /** Folder of the submitted files, as the program sees it. */
  readonly folder: string
  /** `everything` only where another wall stands around Deno; `own-folder-writable` only for our own code. */
  readonly permissions: 'own-folder' | 'own-folder-writable' | 'everything'
}

export const DENO_NEEDS: Readonly<Record<Language, RuntimeNeeds>> = {
  javascript: { memoryMib: 64, reservedMib: 768, startCpuMs: 5_000 },
  typescript: { memoryMib: 64, reservedMib: 768, startCpuMs: 5_000 },
  python: { memoryMib: 320, reservedMib: 1024, startCpuMs: 30_000 },
}

/** No prompt, no network fetch of code, no settings or packages from the job's folder. */
const CLOSED = ['--no-prompt', '--no-remote', '--no-config', '--cached-only', '--no-npm', '--no-lock']

/**
 * The Deno command for one run of a plan. The entry is ours; the program's name comes as an argument.
 *
 * @returns program and arguments
 */
export function denoCommand(stage: DenoStage, job: DenoJob, bounds: Bounds, snapshot = ''): string[] {
  const { plan, run, mark, folder } = job
  const python = plan.language === 'python'
  const own = python
    ? [mark, stage.pyodide ?? '', snapshot, folder, run.mode, run.entry]
    : [mark, stage.nodeTest, folder, run.mode, run.entry]
  return [
    stage.deno,
    'run',
    ...CLOSED,
    '--unstable-detect-cjs',
    `--v8-flags=--max-old-space-size=${heapMib(bounds)}`,
    ...permissions(stage, job),
    python ? stage.python : stage.javascript,
    ...own,
    ...run.args,
  ]
}

/** A little under the bound, so that V8 collects garbage before it is killed for it. */
export function heapMib(bounds: Bounds): number {
  return Math.max(32, Math.floor((bounds.memoryBytes / 1024 / 1024) * 0.8))
}

function permissions(stage: DenoStage, { plan, folder, permissions }: DenoJob): string[] {
  if (permissions === 'everything') return ['--allow-all']
  // Python's own files live in memory: a program in it gets nothing to write.
  const writes = plan.language !== 'python' || permissions === 'own-folder-writable'
  const runtime = plan.language === 'python' && stage.pyodide !== undefined ? [stage.pyodide] : []
  // What lies outside does not exist, as in bubblewrap, instead of being forbidden.
  const reads = `--allow-read=${[folder, stage.folder, ...runtime].join(',')}`
  return ['--ignore-read', reads, ...(writes ? [`--allow-write=${folder}`] : [])]
}
