import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Language, SandboxFile, SandboxJob, SandboxLimits } from '../../ports/sandbox.js'
import { refuseLimits } from './bounds.js'
import { type Plan, planCommand, type Run } from './command.js'
import type { Ending } from './contained-run.js'
import { refuseFiles } from './file-names.js'

/** Everything that can be known of a job before it runs. */
export function checkJob(job: SandboxJob, languages: readonly Language[]): Plan | Refusal {
  const refused = refuseFiles(job.files) ?? refuseLimits(job.limits)
  if (refused !== undefined) return refused
  const plan = planCommand(job)
  if (isRefusal(plan) || languages.includes(plan.language)) return plan
  return refusal(
    'language-missing',
    `This sandbox runs ${languages.join(', ')}; the job needs ${plan.language}.`,
  )
}

/**
 * The files as they are written. Under Deno our own code is the main module, so an entry that asks
 * `import.meta.main` would do nothing and pass: there the question is answered in its text, length kept.
 */
export function filesFor(plan: Plan, run: Run, files: readonly SandboxFile[]): readonly SandboxFile[] {
  if (plan.language !== 'typescript') return files
  return files.map((file) => (file.path === run.entry ? { ...file, content: asMain(file.content) } : file))
}

function asMain(content: Uint8Array): Uint8Array {
  const source = Buffer.from(content).toString('latin1')
  return Buffer.from(source.replaceAll('import.meta.main', '(true)          '), 'latin1')
}

/**
 * Carries out the runs of a plan one after another under one set of bounds, and reads them as one: the
 * first that ends by a bound ends all, else 1 when any failed.
 */
export async function runAll(
  plan: Plan,
  limits: SandboxLimits,
  onOutput: ((totalBytes: number) => void) | undefined,
  runOne: (run: Run, left: SandboxLimits, onBytes: (bytes: number) => void) => Promise<Ending>,
): Promise<Ending> {
  let sum: Ending | undefined
  for (const run of plan.runs) {
    const before = sum === undefined ? 0 : bytesOf(sum)
    const ending = await runOne(run, left(limits, sum, before), (bytes) => onOutput?.(before + bytes))
    sum = sum === undefined ? ending : add(sum, ending)
    if (sum.verdict !== 'passed' && sum.verdict !== 'failed') break
  }
  if (sum === undefined) throw new RangeError('a plan without runs')
  return sum
}

function add(a: Ending, b: Ending): Ending {
  const bad = b.verdict === 'passed' ? a : b
  return {
    verdict: bad.verdict,
    exitCode: bad.exitCode,
    stdout: a.stdout + b.stdout,
    stderr: a.stderr + b.stderr,
    truncated: a.truncated || b.truncated,
    durationMs: a.durationMs + b.durationMs,
    cpuMs: a.cpuMs + b.cpuMs,
  }
}

function left(limits: SandboxLimits, used: Ending | undefined, usedBytes: number): SandboxLimits {
  if (used === undefined) return limits
  return {
    ...limits,
    wallMs: Math.max(1, limits.wallMs - used.durationMs),
    cpuMs: Math.max(1, limits.cpuMs - used.cpuMs),
    outputBytes: Math.max(1, limits.outputBytes - usedBytes),
  }
}

function bytesOf(ending: Ending): number {
  return Buffer.byteLength(ending.stdout) + Buffer.byteLength(ending.stderr)
}
