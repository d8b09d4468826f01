import type { MessageInitShape } from '@bufbuild/protobuf'
import { isRefusal, type Refusal } from '../../../core/refusal.js'
import {
  type Ask,
  beginSolve,
  type Finish,
  onAnswer,
  onReport,
  type SolveTask,
  type SolveTurn,
} from '../../../core/solve/solve.js'
import type { SourceFile } from '../../../core/solve/source-file.js'
import type { Generation } from '../../../ports/engine.js'
import type { SandboxFile, SandboxJob, SandboxReport } from '../../../ports/sandbox.js'
import type { ResultSchema, SolvePayload } from '../../../wire/generated/edgecoder/task/v1/payload_pb.js'
import { chooseModel, type MeasuredModel } from '../capabilities.js'
import { answer } from './answer.js'
import {
  type AttemptComponents,
  type AttemptContext,
  type AttemptResult,
  needEngine,
  needSandbox,
  noUsage,
  type UsageCount,
  wireUsage,
} from './attempt.js'
import { runSuite, sandboxJob, wireReport } from './suite.js'

/** Share of the run time after which no further question is asked: a last test run must still fit. */
const ASKING_SHARE = 0.8
/** UTF-8 bytes of the patch; the files are in the result whole, so a longer one is left out. */
const MAX_PATCH_BYTES = 4 * 1024 * 1024

/**
 * Instructions, files and a test command in; a patch, files and a report out: plan, code, test, mend.
 * Tests that do not pass in the end are a result, not a failure.
 *
 * @throws EdgeCoderError `no-engine`, `no-sandbox`, `model-missing`, and as engine and sandbox do
 */
export async function runSolve(
  components: AttemptComponents,
  context: AttemptContext,
  payload: SolvePayload,
): Promise<AttemptResult> {
  needSandbox(components)
  const model = chooseModel(components.models, context.header)
  const job = sandboxJob(payload.suite)
  if (isRefusal(job)) return job
  const task = solveTask(payload, job, model, context.header.maxRunMs)
  const usage = noUsage()
  const end = await solve(components, context, payload, job, task, model, usage)
  if (isRefusal(end)) return end
  return solveResult(end, usage, model)
}

async function solve(
  components: AttemptComponents,
  context: AttemptContext,
  payload: SolvePayload,
  job: SandboxJob,
  task: SolveTask,
  model: MeasuredModel,
  usage: UsageCount,
): Promise<Finish<SandboxReport> | Refusal> {
  const engine = needEngine(components)
  const startMs = components.clock.monotonicMs()
  const elapsedMs = (): number => components.clock.monotonicMs() - startMs
  const first = beginSolve<SandboxReport>(task)
  if (isRefusal(first)) return first
  let turn: SolveTurn<SandboxReport> = first
  if (turn.plan !== undefined) context.output.push(`${turn.plan}\n`, 0, { stage: 'plan', iteration: 0 })
  for (;;) {
    const { state, step } = turn
    if (step.type === 'finish') return step
    if (step.type === 'ask') {
      const at = { stage: step.stage, iteration: step.iteration }
      const said = await answer(components, context, question(step, payload, model), at, usage, engine)
      usage.iterations = step.iteration
      turn = onAnswer(state, { text: said.text, tokens: said.completionTokens }, elapsedMs())
    } else {
      const at = { stage: 'test', iteration: step.iteration } as const
      const report = await runSuite(components, context, job, bytesOf(step.written), at, usage)
      if (isRefusal(report)) return report
      turn = onReport(state, report, elapsedMs())
    }
  }
}

function solveTask(
  payload: SolvePayload,
  job: SandboxJob,
  model: MeasuredModel,
  maxRunMs: number,
): SolveTask {
  const files: SourceFile[] = []
  const binaryPaths: string[] = []
  for (const { path, content } of job.files) {
    const text = textOf(content)
    if (text === undefined) binaryPaths.push(path)
    else files.push({ path, text })
  }
  const { instructions, target, maxIterations, maxOutputTokens } = payload
  const temperatureMilli = payload.sampling?.temperatureMilli
  return {
    suite: { files, command: job.command, language: job.language, instructions, target },
    binaryPaths,
    maxIterations,
    maxOutputTokens,
    contextTokens: model.contextTokens,
    budgetMs: maxRunMs * ASKING_SHARE,
    seed: payload.sampling?.seed ?? 0,
    ...(temperatureMilli === undefined ? {} : { temperature: temperatureMilli / 1000 }),
  }
}

function question(ask: Ask, payload: SolvePayload, model: MeasuredModel): Generation {
  const { messages, maxOutputTokens, temperature, seed } = ask
  const topPMilli = payload.sampling?.topPMilli
  const stop = payload.sampling?.stop ?? []
  return {
    model: model.name,
    messages,
    maxOutputTokens,
    temperature,
    seed,
    ...(topPMilli === undefined ? {} : { topP: topPMilli / 1000 }),
    ...(stop.length === 0 ? {} : { stop }),
  }
}

function solveResult(
  end: Finish<SandboxReport>,
  usage: UsageCount,
  model: MeasuredModel,
): MessageInitShape<typeof ResultSchema> {
  const { solved, patch, written, report, iterations } = end
  return {
    body: {
      case: 'solve',
      value: {
        solved,
        patch: Buffer.byteLength(patch) <= MAX_PATCH_BYTES ? patch : '',
        files: [...bytesOf(written)],
        report: wireReport(report),
        iterations,
      },
    },
    usage: wireUsage(usage, model.name),
  }
}

function bytesOf(files: readonly SourceFile[]): readonly SandboxFile[] {
  return files.map(({ path, text }) => ({ path, content: new TextEncoder().encode(text) }))
}

/** @returns undefined when the bytes are no UTF-8 text */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
