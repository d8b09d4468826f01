import { z } from 'zod'
import type { Explanation, TaskProgress, TaskResult, TaskView } from '../../roles/gateway/gateway.js'
import { FileJson, fileJson } from './file.js'
import { ProblemJson, problemJson } from './problem.js'

export const TASK_STATES = ['queued', 'leased', 'running', 'done', 'failed', 'cancelled', 'expired'] as const

const UsageJson = z
  .object({
    promptTokens: z.number(),
    completionTokens: z.number(),
    engineMs: z.number(),
    sandboxMs: z.number(),
    model: z.string().meta({ description: 'The model that really ran.' }),
    iterations: z.number(),
  })
  .meta({ id: 'Usage' })

export const TaskJson = z
  .object({
    id: z.string(),
    account: z.string(),
    kind: z.enum(['chat', 'solve', 'test']),
    model: z.string(),
    state: z.enum([...TASK_STATES, 'submitting']).meta({
      description: '`submitting` = durable at the gateway, not yet at a coordinator.',
    }),
    submittedMs: z.number(),
    endedMs: z.number().optional(),
    attempt: z.number(),
    maxAttempts: z.number(),
    worker: z.object({ peerId: z.string(), agentId: z.string() }).optional(),
    coordinator: z.string().optional(),
    position: z.number().optional().meta({ description: 'While queued: tasks ahead in its class.' }),
    why: ProblemJson.optional().meta({ description: 'Why it waits, was put back, or ended so.' }),
    usage: UsageJson.optional(),
    hidden: z
      .object({ verdict: z.string() })
      .optional()
      .meta({ description: 'What hidden tests came to: a verdict, `pending`, or `untried`.' }),
    steps: z
      .array(z.object({ name: z.string(), atMs: z.number() }))
      .readonly()
      .meta({ description: 'When each step happened, wall clock.' }),
  })
  .meta({ id: 'Task' })

export type TaskJson = z.output<typeof TaskJson>

export const TaskPageJson = z
  .object({ tasks: z.array(TaskJson).readonly(), next: z.string().optional() })
  .meta({ id: 'TaskPage' })

const ReportJson = z
  .object({
    verdict: z.string().meta({ description: '`passed`, `failed`, or the bound that ended the run.' }),
    exitCode: z.number(),
    stdout: z.string(),
    stderr: z.string(),
    truncated: z.boolean(),
    durationMs: z.number(),
    sandbox: z.string(),
  })
  .meta({ id: 'TestReport' })

const resultBase = { task: TaskJson, usage: UsageJson }

export const ResultJson = z
  .discriminatedUnion('kind', [
    z
      .object({
        ...resultBase,
        kind: z.literal('chat'),
        text: z.string(),
        finishReason: z.enum(['stop', 'length']),
      })
      .meta({ id: 'ChatResult' }),
    z
      .object({
        ...resultBase,
        kind: z.literal('solve'),
        solved: z.boolean(),
        patch: z.string().meta({ description: 'Unified diff against the files as submitted.' }),
        files: z.array(FileJson).readonly(),
        report: ReportJson,
        iterations: z.number(),
      })
      .meta({ id: 'SolveResult' }),
    z.object({ ...resultBase, kind: z.literal('test'), report: ReportJson }).meta({ id: 'TestResult' }),
  ])
  .meta({ id: 'Result' })

export type ResultJson = z.output<typeof ResultJson>

export const ExplanationJson = z
  .object({
    task: TaskJson,
    summary: z.string(),
    workers: z.number(),
    candidates: z
      .array(
        z.object({
          worker: z.string(),
          agentId: z.string(),
          eligible: z.boolean(),
          reasons: z.array(ProblemJson).readonly(),
        }),
      )
      .readonly(),
  })
  .meta({ id: 'Explanation' })

export type ExplanationJson = z.output<typeof ExplanationJson>

const progressBase = { seq: z.number().meta({ description: 'Grows by task; also the SSE event id.' }) }

/** One server-sent event of a task; the SSE event name is its `type`. */
export const ProgressJson = z
  .discriminatedUnion('type', [
    z.object({ ...progressBase, type: z.literal('state'), task: TaskJson }),
    z.object({ ...progressBase, type: z.literal('text'), attempt: z.number(), text: z.string() }),
    z.object({
      ...progressBase,
      type: z.literal('stage'),
      attempt: z.number(),
      stage: z.string(),
      iteration: z.number(),
      text: z.string(),
    }),
    z.object({ ...progressBase, type: z.literal('reset'), attempt: z.number() }),
  ])
  .meta({ id: 'Progress' })

export type ProgressJson = z.output<typeof ProgressJson>

export function taskJson({ why, ...view }: TaskView): TaskJson {
  return { ...view, ...(why === undefined ? {} : { why: problemJson(why) }) }
}

export function resultJson(result: TaskResult): ResultJson {
  const task = taskJson(result.task)
  return result.kind === 'solve'
    ? { ...result, task, files: result.files.map(fileJson) }
    : { ...result, task }
}

export function explanationJson(from: Explanation): ExplanationJson {
  const candidates = from.candidates.map((one) => ({ ...one, reasons: one.reasons.map(problemJson) }))
  return { ...from, task: taskJson(from.task), candidates }
}

export function progressJson(from: TaskProgress): ProgressJson {
  return from.type === 'state' ? { ...from, task: taskJson(from.task) } : from
}
