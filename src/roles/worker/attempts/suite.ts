import type { MessageInitShape } from '@bufbuild/protobuf'
import { EdgeCoderError } from '../../../core/errors.js'
import { isRefusal, type Refusal } from '../../../core/refusal.js'
import type { Language, SandboxFile, SandboxJob, SandboxReport } from '../../../ports/sandbox.js'
import type { Suite, TestReportSchema } from '../../../wire/generated/edgecoder/task/v1/payload_pb.js'
import type { Step } from '../output-log.js'
import {
  type AttemptComponents,
  type AttemptContext,
  badRequest,
  needSandbox,
  type UsageCount,
} from './attempt.js'

const LANGUAGES: ReadonlySet<string> = new Set(['javascript', 'typescript', 'python'])
/** The sandbox ends a run itself; this much later it no longer counts as headway. */
const PAST_WALL_MS = 5_000
/** UTF-8 bytes of each stream in a report, as the wire bounds it. */
const MAX_STREAM_BYTES = 4 * 1024 * 1024

/**
 * What the wire says is to be run, as the sandbox takes it.
 *
 * @returns `bad-request` for what no sandbox could mean
 */
export function sandboxJob(suite: Suite | undefined): SandboxJob | Refusal {
  const limits = suite?.limits
  if (suite === undefined || limits === undefined) return badRequest('the payload holds no suite')
  if (!isLanguage(suite.language)) return badRequest('the language is none of javascript, typescript, python')
  const { wallMs, cpuMs, memoryMib, processes, outputBytes } = limits
  return {
    files: suite.files.map(({ path, content }) => ({ path, content })),
    command: suite.command,
    language: suite.language,
    limits: { wallMs, cpuMs, memoryMib, processes, outputBytes },
  }
}

/**
 * Runs a job in the sandbox and tells of it as one step.
 *
 * @param over files laid over those of the job
 * @returns the sandbox's refusal when the files or the command cannot be run: the task's fault
 * @throws EdgeCoderError `no-sandbox`, `over-terms`, `sandbox-failed`, `cancelled`
 */
export async function runSuite(
  components: AttemptComponents,
  context: AttemptContext,
  job: SandboxJob,
  over: readonly SandboxFile[],
  step: Step,
  usage: UsageCount,
): Promise<SandboxReport | Refusal> {
  const { headway, output, signal } = context
  const sandbox = needSandbox(components)
  const { mostMemoryMib } = components
  const { memoryMib } = job.limits
  // Less than it asks for would make its failure look like its own.
  if (mostMemoryMib > 0 && memoryMib > mostMemoryMib) {
    const detail = `the task asks for ${memoryMib} MiB, this machine lends ${mostMemoryMib}`
    throw new EdgeCoderError('over-terms', detail)
  }
  const startMs = components.clock.monotonicMs()
  headway.enter('testing', job.limits.wallMs + PAST_WALL_MS)
  const replaced = new Set(over.map((file) => file.path))
  const files = [...job.files.filter((file) => !replaced.has(file.path)), ...over]
  let seenBytes = 0
  const report = await sandbox.run({ ...job, files }, signal, (totalBytes) => {
    headway.add(Math.max(0, totalBytes - seenBytes))
    seenBytes = totalBytes
  })
  usage.sandboxMs += components.clock.monotonicMs() - startMs
  if (isRefusal(report)) return report
  headway.add(1)
  output.push(summary(report), 0, step)
  return report
}

export function wireReport(report: SandboxReport): MessageInitShape<typeof TestReportSchema> {
  const stdout = clip(report.stdout)
  const stderr = clip(report.stderr)
  return {
    verdict: report.verdict,
    exitCode: report.exitCode,
    stdout,
    stderr,
    truncated: report.truncated || stdout !== report.stdout || stderr !== report.stderr,
    durationMs: Math.round(report.durationMs),
    sandbox: report.sandbox,
  }
}

function summary(report: SandboxReport): string {
  return `${report.verdict}, exit code ${report.exitCode}, ${Math.round(report.durationMs)} ms\n`
}

/** Replacement characters can make a stream longer than the bytes it was read from. */
function clip(text: string): string {
  if (text.length * 3 <= MAX_STREAM_BYTES || Buffer.byteLength(text) <= MAX_STREAM_BYTES) return text
  return text.slice(0, Math.floor(MAX_STREAM_BYTES / 3))
}

function isLanguage(name: string): name is Language {
  return LANGUAGES.has(name)
}
