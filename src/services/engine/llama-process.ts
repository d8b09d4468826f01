import { type ChildProcess, fork } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EdgeCoderError } from '../../core/errors.js'
import type { Log } from '../../ports/log.js'
import { cancelled } from './cancellation.js'
import { EventQueue } from './event-queue.js'
import type { LlamaCommand, LlamaReport, LlamaRequest, LlamaSettings } from './llama-messages.js'

/** One generation in the child. */
export interface LlamaRun {
  readonly queue: EventQueue
  /** Resolves when its sequence is free again, however it ended. */
  readonly over: Promise<void>
  /** Its queue fails with `cancelled` at once. Does nothing to a run that is over. */
  cancel(): void
}

/** A child process with one model. It can crash or be stopped, never started again. */
export interface LlamaProcess {
  /** Of the operating system, for the log. */
  readonly pid: number
  /** Rejects with `engine-unavailable` when the model cannot be loaded. */
  readonly loaded: Promise<void>
  /** Resolves when the process is gone; `crashed` when nobody stopped it. */
  readonly exited: Promise<{ readonly crashed: boolean }>
  start(request: LlamaRequest): LlamaRun
  /** Frees all its memory; runs under way fail with `engine-unavailable`. */
  stop(): Promise<void>
}

interface Run {
  readonly queue: EventQueue
  readonly free: () => void
}

/** Settings a native library may need; the worker's own secrets stay out. */
const PASSED_ENV =
  /^(PATH|HOME|TMPDIR|TMP|TEMP|SYSTEMROOT|WINDIR|(LD|DYLD)_LIBRARY_PATH|(CUDA|NVIDIA|GGML|VK|HIP|ROCR|OMP)_.*)$/i
const NEXT: Readonly<Record<string, { readonly next: string }>> = {
  'context-too-long': { next: 'Shorten the prompt or choose a model with a larger context window.' },
}
/** End of the child's stderr that is kept to explain a crash. */
const KEPT_STDERR_CHARS = 4096

export function startLlamaProcess(components: { readonly log: Log }, settings: LlamaSettings): LlamaProcess {
  const child = forkChild()
  const running = new LlamaChild(child, components.log)
  running.send({ type: 'load', settings })
  return running
}

/** From source the child runs under tsx, as its parent does; once built it is plain JavaScript. */
function forkChild(): ChildProcess {
  const fromSource = import.meta.url.endsWith('.ts')
  const entry = fileURLToPath(new URL(fromSource ? './llama-child.ts' : './llama-child.js', import.meta.url))
  return fork(entry, [], {
    cwd: dirname(entry),
    execArgv: fromSource ? ['--import', 'tsx'] : [],
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => PASSED_ENV.test(name))),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
}

class LlamaChild implements LlamaProcess {
  readonly loaded: Promise<void>
  readonly exited: Promise<{ readonly crashed: boolean }>
  readonly #child: ChildProcess
  readonly #log: Log
  readonly #runs = new Map<number, Run>()
  readonly #load = deferred<void>()
  readonly #exit = deferred<{ readonly crashed: boolean }>()
  #nextId = 1
  #stopping = false
  /** Set once the process is gone. */
  #end: EdgeCoderError | undefined
  #stderr = ''

  constructor(child: ChildProcess, log: Log) {
    this.#child = child
    this.#log = log
    this.loaded = this.#load.promise
    this.exited = this.#exit.promise
    // Whoever waits for the model hears of it; nobody need be waiting.
    this.loaded.catch(() => {})
    child.on('message', (report: LlamaReport) => this.#receive(report))
    child.on('error', (cause) => {
      if (child.pid === undefined) this.#gone(`it could not be started: ${cause.message}`)
    })
    child.on('exit', (code, signal) => this.#gone(signal ?? `exit code ${code}`))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-KEPT_STDERR_CHARS)
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  start(request: LlamaRequest): LlamaRun {
    const id = this.#nextId++
    const queue = new EventQueue()
    const over = deferred<void>()
    if (this.#end !== undefined) {
      queue.fail(this.#end)
      over.resolve()
    } else {
      this.#runs.set(id, { queue, free: over.resolve })
      this.send({ type: 'generate', id, request })
    }
    return { queue, over: over.promise, cancel: () => this.#cancel(id) }
  }

  async stop(): Promise<void> {
    this.#stopping = true
    this.#child.kill('SIGKILL')
    await this.exited
  }

  /** A message that can no longer arrive is answered by the exit. */
  send(command: LlamaCommand): void {
    this.#child.send(command, () => {})
  }

  #receive(report: LlamaReport): void {
    if (report.type === 'loaded') this.#load.resolve()
    else if (report.type === 'load-failed') this.#load.reject(cannotLoad(report.detail))
    else this.#receiveFor(report)
  }

  #receiveFor(report: Exclude<LlamaReport, { type: 'loaded' | 'load-failed' }>): void {
    const run = this.#runs.get(report.id)
    if (run === undefined) return
    if (report.type === 'text') {
      run.queue.text(report.text, report.tokens)
      return
    }
    this.#runs.delete(report.id)
    if (report.type === 'end') run.queue.end(report.end)
    else run.queue.fail(new EdgeCoderError(report.code, report.detail, NEXT[report.code]))
    run.free()
  }

  /** The reader hears of it at once; the sequence is free when the child says so. */
  #cancel(id: number): void {
    const run = this.#runs.get(id)
    if (run === undefined) return
    run.queue.fail(cancelled())
    this.send({ type: 'cancel', id })
  }

  #gone(how: string): void {
    if (!this.#stopping) {
      this.#log.error('engine-process-crashed', { how, lastWords: lastWords(this.#stderr) })
    }
    const reason = this.#stopping
      ? new EdgeCoderError('engine-unavailable', 'The engine was closed.')
      : new EdgeCoderError('engine-failed', `The llama.cpp process ended (${how}).`)
    this.#end = reason
    this.#load.reject(this.#stopping ? reason : cannotLoad(`the llama.cpp process ended (${how})`))
    for (const run of this.#runs.values()) {
      run.queue.fail(reason)
      run.free()
    }
    this.#runs.clear()
    this.#exit.resolve({ crashed: !this.#stopping })
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (reason: Error) => void
}

/** Node 20 has no Promise.withResolvers. */
function deferred<T>(): Deferred<T> {
  let resolve: Deferred<T>['resolve'] = () => {}
  let reject: Deferred<T>['reject'] = () => {}
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}

function cannotLoad(detail: string): EdgeCoderError {
  return new EdgeCoderError('engine-unavailable', `The model cannot be loaded: ${detail}.`, {
    next: 'Check the file and the free memory, or choose a smaller model.',
  })
}

/** Only lines of the native library itself, which hold no prompt. */
function lastWords(stderr: string): string {
  const lines = stderr
    .split('\n')
    .filter((line) => /^(GGML_|ggml|llama|terminate called|.*GGML_ASSERT)/.test(line))
  return lines.slice(-3).join(' | ').slice(0, 300)
}
