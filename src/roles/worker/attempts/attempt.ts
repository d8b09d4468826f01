import type { MessageInitShape } from '@bufbuild/protobuf'
import { EdgeCoderError } from '../../../core/errors.js'
import { type Refusal, refusal } from '../../../core/refusal.js'
import type { Clock } from '../../../ports/clock.js'
import type { Engine } from '../../../ports/engine.js'
import type { Sandbox } from '../../../ports/sandbox.js'
import type { ResultSchema } from '../../../wire/generated/edgecoder/task/v1/payload_pb.js'
import type { TaskHeader, UsageSchema } from '../../../wire/generated/edgecoder/task/v1/task_pb.js'
import type { MeasuredModel } from '../capabilities.js'
import type { Headway } from '../headway.js'
import type { Step } from '../output-log.js'
import type { WorkerLimits } from '../worker-limits.js'

/** What attempts run on. */
export interface AttemptComponents {
  readonly clock: Clock
  readonly limits: WorkerLimits
  readonly models: readonly MeasuredModel[]
  readonly engine?: Engine
  readonly sandbox?: Sandbox
  /** Most that a program in the sandbox may have; 0 = what its task asks for. */
  readonly mostMemoryMib: number
}

/** What one attempt is given. */
export interface AttemptContext {
  readonly header: TaskHeader
  /** Aborts when the attempt must stop; then every wait rejects with `cancelled`. */
  readonly signal: AbortSignal
  readonly headway: Headway
  readonly output: AttemptOutput
}

/** Where tokens and steps go while the attempt runs. */
interface AttemptOutput {
  push(text: string, tokens: number, step: Step): void
  /** @returns undefined when there is room for more now */
  room(): Promise<void> | undefined
}

/** A result with the usage that was measured here; a refusal is the task's own fault. */
export type AttemptResult = MessageInitShape<typeof ResultSchema> | Refusal

/** What one attempt has used so far; times in milliseconds. */
export interface UsageCount {
  promptTokens: number
  completionTokens: number
  engineMs: number
  sandboxMs: number
  iterations: number
}

export function noUsage(): UsageCount {
  return { promptTokens: 0, completionTokens: 0, engineMs: 0, sandboxMs: 0, iterations: 0 }
}

/** @param model the one that really ran; empty without one */
export function wireUsage(usage: UsageCount, model: string): MessageInitShape<typeof UsageSchema> {
  return {
    promptTokens: usage.promptTokens,
    completionTokens: usage.completionTokens,
    engineMs: Math.round(usage.engineMs),
    sandboxMs: Math.round(usage.sandboxMs),
    iterations: usage.iterations,
    model,
  }
}

/** @throws EdgeCoderError `no-engine` */
export function needEngine(components: AttemptComponents): Engine {
  if (components.engine !== undefined) return components.engine
  throw new EdgeCoderError('no-engine', 'this worker has no model engine')
}

/** @throws EdgeCoderError `no-sandbox` */
export function needSandbox(components: AttemptComponents): Sandbox {
  if (components.sandbox !== undefined) return components.sandbox
  throw new EdgeCoderError('no-sandbox', 'this worker has no sandbox; code never runs without one')
}

export function badRequest(detail: string): Refusal {
  return refusal('bad-request', detail)
}
