import { fromWire, type Refusal } from '../../core/refusal.js'
import type { TaskStateName } from '../../core/task/task.js'
import { Standing } from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { Result, TestReport } from '../../wire/generated/edgecoder/task/v1/payload_pb.js'
import {
  TaskKind,
  type Usage,
  type Refusal as WireRefusal,
} from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { namesBroken } from './file-name.js'
import type { TaskResult, TaskView, TestReportView, UsageView } from './gateway.js'

/** Wire values as users see them. */
export const KIND_NAMES = {
  [TaskKind.UNSPECIFIED]: 'test',
  [TaskKind.CHAT]: 'chat',
  [TaskKind.SOLVE]: 'solve',
  [TaskKind.TEST]: 'test',
} as const

export type Ended = 'done' | 'failed' | 'cancelled' | 'expired'

const STATE_NAMES: Readonly<Partial<Record<Standing, TaskStateName>>> = {
  [Standing.QUEUED]: 'queued',
  [Standing.LEASED]: 'leased',
  [Standing.RUNNING]: 'running',
  [Standing.DONE]: 'done',
  [Standing.FAILED]: 'failed',
  [Standing.CANCELLED]: 'cancelled',
  [Standing.EXPIRED]: 'expired',
}

/** @returns undefined when the standing is none that a task can have (unknown there) */
export function stateName(standing: Standing): TaskStateName | undefined {
  return STATE_NAMES[standing]
}

export const STANDINGS: Readonly<Record<Ended, Standing>> = {
  done: Standing.DONE,
  failed: Standing.FAILED,
  cancelled: Standing.CANCELLED,
  expired: Standing.EXPIRED,
}

export function isEnded(state: TaskView['state']): state is Ended {
  return Object.hasOwn(STANDINGS, state)
}

export function usageView(usage: Usage): UsageView {
  const { promptTokens, completionTokens, engineMs, sandboxMs, model, iterations } = usage
  return { promptTokens, completionTokens, engineMs, sandboxMs, model, iterations }
}

export function whyView(why: WireRefusal | undefined): Refusal | undefined {
  return why === undefined ? undefined : fromWire(why)
}

/** @returns what makes a result not one of this kind of task, or undefined */
export function resultBroken(kind: TaskKind, result: Result): string | undefined {
  const { body } = result
  if (body.case !== KIND_NAMES[kind])
    return `it is the result of a ${body.case}, not of a ${KIND_NAMES[kind]}`
  if (body.case === 'chat' && body.value.finishReason !== 'stop' && body.value.finishReason !== 'length')
    return 'its finish reason is neither "stop" nor "length"'
  if (body.case !== 'solve') return undefined
  if (body.value.solved !== (body.value.report?.verdict === 'passed'))
    return 'it says else of the tests than its own report'
  const named = namesBroken(body.value.files)
  return named === undefined ? undefined : `the name of its file ${named.index} ${named.why}`
}

/**
 * @param result one that {@link resultBroken} found nothing wrong with @returns undefined when it has no body
 */
export function resultView(task: TaskView, usage: UsageView, result: Result): TaskResult | undefined {
  const { body } = result
  if (body.case === 'chat') {
    const finishReason = body.value.finishReason === 'length' ? 'length' : 'stop'
    return { task, usage, kind: 'chat', text: body.value.text, finishReason }
  }
  if (body.case === 'test') return { task, usage, kind: 'test', report: reportView(body.value) }
  if (body.case !== 'solve' || body.value.report === undefined) return undefined
  const { solved, patch, files, report, iterations } = body.value
  return {
    task,
    usage,
    kind: 'solve',
    solved,
    patch,
    files: files.map(({ path, content }) => ({ path, content })),
    report: reportView(report),
    iterations,
  }
}

function reportView(report: TestReport): TestReportView {
  const { verdict, exitCode, stdout, stderr, truncated, durationMs, sandbox } = report
  return { verdict, exitCode, stdout, stderr, truncated, durationMs, sandbox }
}
