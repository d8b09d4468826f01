import { EdgeCoderError } from '../../src/core/errors.js'
import type { Refusal } from '../../src/core/refusal.js'
import type { Clock } from '../../src/ports/clock.js'
import type { Engine, Generation, GenerationEvent } from '../../src/ports/engine.js'
import type { Sandbox, SandboxJob, SandboxReport } from '../../src/ports/sandbox.js'

/** What a scripted model says to a prompt, token by token, each `tokenMs` after the last. */
export interface Script {
  readonly tokens: readonly string[]
  readonly tokenMs?: number
  readonly fault?: EdgeCoderError
}

export class ScriptedEngine implements Engine {
  readonly kind = 'llama-cpp'
  readonly asked: Generation[] = []
  aborted = 0
  readonly #clock: Clock
  readonly #script: (generation: Generation, count: number) => Script

  constructor(clock: Clock, script: (generation: Generation, count: number) => Script) {
    this.#clock = clock
    this.#script = script
  }

  async models(): Promise<[]> {
    return []
  }

  async *generate(generation: Generation, signal: AbortSignal): AsyncIterable<GenerationEvent> {
    this.asked.push(generation)
    const { tokens, tokenMs = 0, fault } = this.#script(generation, this.asked.length)
    for (const text of tokens) {
      if (tokenMs > 0) await waitOrAbort(this.#clock, tokenMs, signal)
      if (signal.aborted) {
        this.aborted++
        throw new EdgeCoderError('cancelled', 'the generation was stopped')
      }
      yield { type: 'text', text, tokens: 1 }
    }
    if (fault !== undefined) throw fault
    yield { type: 'end', finishReason: 'stop', promptTokens: 7, completionTokens: tokens.length }
  }

  async close(): Promise<void> {}
}

type Judge = (job: SandboxJob, count: number) => Partial<SandboxReport> | Refusal

export class ScriptedSandbox implements Sandbox {
  readonly kind = 'deno'
  readonly languages = ['javascript', 'python'] as const
  readonly jobs: SandboxJob[] = []
  aborted = 0
  readonly #clock: Clock
  readonly #judge: Judge
  readonly #runMs: number

  constructor(clock: Clock, judge: Judge = () => ({}), runMs = 50) {
    this.#clock = clock
    this.#judge = judge
    this.#runMs = runMs
  }

  async run(
    job: SandboxJob,
    signal: AbortSignal,
    onOutput?: (total: number) => void,
  ): Promise<SandboxReport | Refusal> {
    this.jobs.push(job)
    await waitOrAbort(this.#clock, this.#runMs, signal)
    if (signal.aborted) {
      this.aborted++
      throw new EdgeCoderError('cancelled', 'the run was stopped')
    }
    onOutput?.(10)
    const said = this.#judge(job, this.jobs.length)
    if ('refused' in said) return said
    return {
      verdict: 'passed',
      exitCode: 0,
      stdout: 'ok\n',
      stderr: '',
      truncated: false,
      durationMs: this.#runMs,
      cpuMs: 1,
      sandbox: this.kind,
      ...said,
    }
  }

  async close(): Promise<void> {}
}

function waitOrAbort(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.after(ms, done)
    signal.addEventListener('abort', done)
    if (signal.aborted) done()
  })
}
