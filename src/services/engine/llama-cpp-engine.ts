import { availableParallelism } from 'node:os'
import { EdgeCoderError } from '../../core/errors.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Engine, EngineModel, Generation, GenerationEvent, HashedFile } from '../../ports/engine.js'
import type { Log } from '../../ports/log.js'
import { orCancelled, pause } from './cancellation.js'
import { hashFile } from './file-digest.js'
import { readGgufHeader } from './gguf-header.js'
import type { LlamaSettings } from './llama-messages.js'
import { type LlamaProcess, type LlamaRun, startLlamaProcess } from './llama-process.js'
import { createSlots, type Slots } from './slots.js'

export interface LlamaCppInit {
  /** Path of a GGUF file. */
  readonly modelPath: string
  /** Name the model is asked for by. */
  readonly modelName: string
  /** Generations at the same time; each has a window of its own in memory. Default 1. */
  readonly sequences?: number
  /** Default: one less than the cores, so that the node itself keeps one. */
  readonly threads?: number
  /** Window in tokens, at most what the model was trained on. Default: that, or 8192 when it is more. */
  readonly contextTokens?: number
  /** Default false: the processor alone. */
  readonly gpu?: 'auto' | false
  /** The model leaves memory after this long without a generation; 0 = never. Default 10 minutes. */
  readonly idleUnloadMs?: number
}

const DEFAULT_CONTEXT_TOKENS = 8192
const DEFAULT_IDLE_UNLOAD_MS = 10 * 60_000
/** Generations that may wait for a sequence; more are turned away. */
const MOST_WAITING = 64
/** After crashes in a row: 0.25, 1, 4, 16, 60, 60 … seconds before the next start. */
const FIRST_BACKOFF_MS = 250
const LONGEST_BACKOFF_MS = 60_000
/** A start that is due sooner is waited for; later ones are refused with the time to come again. */
const WAITED_BACKOFF_MS = 1_000

/**
 * An engine that runs one GGUF model by llama.cpp in a child process, so that a native crash, a slow load and
 * the
 * model's memory stay out of the node. Nothing native is loaded before the first generation.
 *
 * @throws EdgeCoderError `model-missing`, `bad-config` when the file is no GGUF model
 * @see docs/decisions/engines.md
 */
export async function createLlamaCppEngine(
  components: { readonly clock: Clock; readonly log: Log },
  init: LlamaCppInit,
): Promise<Engine> {
  const header = await readGgufHeader(init.modelPath)
  const settings = (): LlamaSettings => ({
    modelPath: init.modelPath,
    contextTokens: Math.min(header.contextTokens, init.contextTokens ?? DEFAULT_CONTEXT_TOKENS),
    sequences: init.sequences ?? 1,
    threads: init.threads ?? Math.max(1, availableParallelism() - 1),
    gpu: init.gpu ?? false,
  })
  const engine = new LlamaCppEngine(components, init, settings)
  engine.hash(init.modelPath)
  return engine
}

class LlamaCppEngine implements Engine {
  readonly kind = 'llama-cpp'
  readonly #clock: Clock
  readonly #log: Log
  readonly #modelName: string
  readonly #idleUnloadMs: number
  /** Of the next load: the share of the cores that this node has may change. */
  readonly #settings: () => LlamaSettings
  readonly #slots: Slots
  #process: LlamaProcess | undefined
  #warm = false
  #idle: Timer | undefined
  #crashes = 0
  #startableMs = 0
  #closed = false
  /** As it was when the engine was made; it takes a while for a large one. */
  #file: HashedFile | undefined
  readonly #hashing = new AbortController()

  constructor(
    components: { readonly clock: Clock; readonly log: Log },
    init: LlamaCppInit,
    settings: () => LlamaSettings,
  ) {
    this.#clock = components.clock
    this.#log = components.log.child({ model: init.modelName })
    this.#modelName = init.modelName
    this.#idleUnloadMs = init.idleUnloadMs ?? DEFAULT_IDLE_UNLOAD_MS
    this.#settings = settings
    this.#slots = createSlots({ count: settings().sequences, mostWaiting: MOST_WAITING })
  }

  /** Begins to read the file; until that is done its digest is not told. */
  hash(path: string): void {
    hashFile(path, this.#hashing.signal).then(
      (file) => {
        this.#file = file
      },
      (error: unknown) => {
        if (!this.#closed) this.#log.warn('model-not-hashed', { why: String(error) })
      },
    )
  }

  async models(): Promise<readonly EngineModel[]> {
    if (this.#closed) throw closed()
    const digest = this.#file === undefined ? {} : { digest: this.#file.digest }
    const { contextTokens } = this.#settings()
    return [{ name: this.#modelName, contextTokens, warm: this.#warm, ...digest }]
  }

  files(): readonly HashedFile[] {
    return this.#file === undefined ? [] : [this.#file]
  }

  async *generate(generation: Generation, signal: AbortSignal): AsyncGenerator<GenerationEvent, void, void> {
    const { model, ...request } = generation
    if (model !== this.#modelName) {
      throw new EdgeCoderError('model-missing', `This engine runs ${this.#modelName} only.`)
    }
    const release = await this.#slots.take(signal)
    this.#idle?.cancel()
    let run: LlamaRun | undefined
    const cancel = (): void => run?.cancel()
    try {
      run = (await this.#ready(signal)).start(request)
      signal.addEventListener('abort', cancel, { once: true })
      if (signal.aborted) cancel()
      yield* run.queue.events()
      this.#crashes = 0
    } finally {
      signal.removeEventListener('abort', cancel)
      // For a reader that stopped before the end.
      cancel()
      void (run?.over ?? Promise.resolve()).then(() => this.#released(release))
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#hashing.abort()
    this.#idle?.cancel()
    this.#slots.close(closed())
    await this.#process?.stop()
  }

  #released(release: () => void): void {
    release()
    if (this.#slots.busy > 0 || this.#closed || this.#idleUnloadMs === 0) return
    this.#idle?.cancel()
    this.#idle = this.#clock.after(this.#idleUnloadMs, () => void this.#unload())
  }

  async #unload(): Promise<void> {
    const process = this.#process
    if (process === undefined || this.#slots.busy > 0) return
    this.#forget(process)
    this.#log.info('model-unloaded', { idleMs: this.#idleUnloadMs })
    await process.stop()
  }

  /** The process with the model loaded, started when there is none. */
  async #ready(signal: AbortSignal): Promise<LlamaProcess> {
    await this.#waitOutBackoff(signal)
    if (this.#closed) throw closed()
    this.#process ??= this.#start()
    const process = this.#process
    await orCancelled(process.loaded, signal)
    return process
  }

  async #waitOutBackoff(signal: AbortSignal): Promise<void> {
    const waitMs = this.#startableMs - this.#clock.monotonicMs()
    if (this.#process !== undefined || waitMs <= 0) return
    if (waitMs <= WAITED_BACKOFF_MS) {
      await pause(this.#clock, waitMs, signal)
      return
    }
    throw new EdgeCoderError('engine-unavailable', `llama.cpp failed ${this.#crashes} times in a row.`, {
      next: 'See engine-process-crashed in the log; a smaller model or context window may help.',
      retryAfterMs: Math.ceil(waitMs),
    })
  }

  #start(): LlamaProcess {
    const startedMs = this.#clock.monotonicMs()
    const settings = this.#settings()
    const process = startLlamaProcess({ log: this.#log }, settings)
    process.loaded.then(
      () => {
        this.#warm = this.#process === process
        const loadMs = Math.round(this.#clock.monotonicMs() - startedMs)
        this.#log.info('model-loaded', { loadMs, threads: settings.threads, pid: process.pid })
      },
      () => {
        this.#failed(process)
        void process.stop()
      },
    )
    void process.exited.then(({ crashed }) => {
      if (crashed) this.#failed(process)
    })
    return process
  }

  /** Once for each process, whether it crashed or could not load. */
  #failed(process: LlamaProcess): void {
    if (this.#process !== process || this.#closed) return
    this.#forget(process)
    const backoffMs = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 4 ** this.#crashes)
    this.#crashes++
    this.#startableMs = this.#clock.monotonicMs() + backoffMs
    this.#log.warn('engine-restart-later', { crashes: this.#crashes, backoffMs })
  }

  #forget(process: LlamaProcess): void {
    if (this.#process !== process) return
    this.#process = undefined
    this.#warm = false
  }
}

function closed(): EdgeCoderError {
  return new EdgeCoderError('engine-unavailable', 'The engine was closed.')
}
