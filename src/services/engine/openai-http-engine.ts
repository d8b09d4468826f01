import { EdgeCoderError } from '../../core/errors.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Engine, EngineModel, Generation, GenerationEvent, PullProgress } from '../../ports/engine.js'
import type { Log } from '../../ports/log.js'
import { cancelled } from './cancellation.js'
import { createChatStream } from './chat-stream.js'
import { pullByOllama } from './ollama-pull.js'
import { faultOfStatus } from './server-faults.js'
import { readText, request, type ServerAddress, serverRoot } from './server-http.js'
import { describeModels, listModels } from './server-models.js'
import { createSseReader } from './sse.js'

export interface OpenAiHttpInit {
  /** Base URL, with or without /v1. */
  readonly url: string
  readonly key?: string
  /** Window assumed of a model whose server tells none. Default 4096. */
  readonly defaultContextTokens?: number
  /** Longest wait for the first token: a server may load the model first. Default 5 minutes. */
  readonly firstTokenMs?: number
  /** Longest silence between tokens. Default 1 minute. */
  readonly silenceMs?: number
  /** Longest wait for one answer about models. Default 5 seconds. */
  readonly listMs?: number
}

const DEFAULT_CONTEXT_TOKENS = 4096
const DEFAULT_FIRST_TOKEN_MS = 5 * 60_000
const DEFAULT_SILENCE_MS = 60_000
const DEFAULT_LIST_MS = 5_000
/** No tokenizer gets more than this out of a token on average, so a prompt beyond it surely does not fit. */
const MOST_BYTES_PER_TOKEN = 16

/**
 * An engine behind HTTP: Ollama, llama.cpp's server, vLLM, LM Studio or another that speaks the OpenAI chat
 * interface.
 * Some of them cut a long prompt without a word; one that surely does not fit is refused here.
 *
 * @throws EdgeCoderError `bad-config` for a URL that cannot be one
 */
export function createOpenAiHttpEngine(
  components: { readonly clock: Clock; readonly log: Log },
  init: OpenAiHttpInit,
): Engine {
  const root = serverRoot(init.url)
  return new OpenAiHttpEngine(components, init, init.key === undefined ? { root } : { root, key: init.key })
}

class OpenAiHttpEngine implements Engine {
  readonly kind = 'openai-http'
  readonly #clock: Clock
  readonly #log: Log
  readonly #init: OpenAiHttpInit
  readonly #server: ServerAddress
  readonly #running = new Set<AbortController>()
  #known: readonly EngineModel[] = []
  #closed = false

  constructor(
    components: { readonly clock: Clock; readonly log: Log },
    init: OpenAiHttpInit,
    server: ServerAddress,
  ) {
    this.#clock = components.clock
    this.#log = components.log
    this.#init = init
    this.#server = server
  }

  async models(): Promise<readonly EngineModel[]> {
    if (this.#closed) throw closed()
    const timeoutMs = this.#init.listMs ?? DEFAULT_LIST_MS
    try {
      const listed = await listModels(this.#clock, this.#server, timeoutMs)
      if (listed === undefined) throw new Error('no list of models at /v1/models')
      const details = await describeModels(this.#clock, this.#server, listed, timeoutMs)
      this.#known = listed.map(({ id }) => this.#model(id, details.get(id)))
      return this.#known
    } catch (cause) {
      throw cause instanceof EdgeCoderError ? cause : unavailable(this.#server.root, cause)
    }
  }

  async *generate(generation: Generation, signal: AbortSignal): AsyncGenerator<GenerationEvent, void, void> {
    if (this.#closed) throw closed()
    if (signal.aborted) throw cancelled()
    const stop = new AbortController()
    const cancel = (): void => stop.abort(cancelled())
    signal.addEventListener('abort', cancel, { once: true })
    this.#running.add(stop)
    try {
      await this.#checkFits(generation)
      for await (const event of this.#stream(generation, stop)) {
        // What arrived together with the last event is not wanted any more.
        stop.signal.throwIfAborted()
        yield event
      }
    } catch (error) {
      // An aborted request fails in many ways; the reason it was aborted for is the one to tell.
      throw stop.signal.reason instanceof EdgeCoderError ? stop.signal.reason : error
    } finally {
      signal.removeEventListener('abort', cancel)
      this.#running.delete(stop)
      stop.abort()
    }
  }

  pull(name: string, signal: AbortSignal, onProgress: PullProgress): Promise<void> {
    return pullByOllama(this.#server, name, signal, onProgress)
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const stop of this.#running) stop.abort(closed())
  }

  /** @throws EdgeCoderError `model-missing`, `context-too-long` */
  async #checkFits(generation: Generation): Promise<void> {
    const isKnown = (): EngineModel | undefined =>
      this.#known.find((model) => model.name === generation.model)
    // A model that is gone since is noticed by the server's 404.
    if (isKnown() === undefined) await this.models()
    const model = isKnown()
    if (model === undefined) throw new EdgeCoderError('model-missing', 'The engine has no such model.')
    if (promptBytes(generation) > model.contextTokens * MOST_BYTES_PER_TOKEN) {
      throw new EdgeCoderError('context-too-long', `The model's window is ${model.contextTokens} tokens.`, {
        next: 'Shorten the prompt or choose a model with a larger context window.',
      })
    }
  }

  async *#stream(generation: Generation, stop: AbortController): AsyncGenerator<GenerationEvent, void, void> {
    const firstTokenMs = this.#init.firstTokenMs ?? DEFAULT_FIRST_TOKEN_MS
    const silenceMs = this.#init.silenceMs ?? DEFAULT_SILENCE_MS
    const watch = (ms: number): Timer => this.#clock.after(ms, () => stop.abort(silent(ms)))
    const timer = watch(firstTokenMs)
    const response = await this.#post(generation, stop.signal).finally(() => timer.cancel())
    const sse = createSseReader()
    const chat = createChatStream(promptBytes(generation))
    let waitMs = firstTokenMs
    for await (const bytes of watched(bodyOf(response), () => watch(waitMs))) {
      waitMs = silenceMs
      yield* textsOf(sse.push(bytes), chat.read)
    }
    yield* textsOf(sse.end(), chat.read)
    yield* chat.end()
  }

  async #post(generation: Generation, signal: AbortSignal): Promise<Response> {
    let response: Response
    try {
      response = await request(this.#server, '/v1/chat/completions', signal, chatRequest(generation))
    } catch (cause) {
      throw unavailable(this.#server.root, cause)
    }
    if (response.ok) return response
    const body = await readText(response).catch(() => '')
    throw faultOfStatus(response.status, body, response.headers.get('retry-after'), this.#clock.nowMs())
  }

  #model(name: string, detail: Partial<EngineModel> | undefined): EngineModel {
    const fallback = this.#init.defaultContextTokens ?? DEFAULT_CONTEXT_TOKENS
    if (detail?.contextTokens === undefined) {
      this.#log.debug('context-window-assumed', { model: name, tokens: fallback })
    }
    const digest = detail?.digest === undefined ? {} : { digest: detail.digest }
    return { name, contextTokens: detail?.contextTokens ?? fallback, warm: detail?.warm ?? false, ...digest }
  }
}

function chatRequest(generation: Generation): Readonly<Record<string, unknown>> {
  return {
    model: generation.model,
    messages: generation.messages,
    max_tokens: generation.maxOutputTokens,
    temperature: generation.temperature,
    top_p: generation.topP,
    seed: generation.seed,
    stop: generation.stop,
    stream: true,
    stream_options: { include_usage: true },
  }
}

/** @throws EdgeCoderError `engine-failed` when the connection breaks */
async function* bodyOf(response: Response): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* response.body ?? []
  } catch (cause) {
    throw new EdgeCoderError(
      'engine-failed',
      'The connection to the engine broke in the middle of an answer.',
      {
        cause,
      },
    )
  }
}

/** Watches the engine only while it is waited for: a reader may take its time. */
async function* watched(
  source: AsyncGenerator<Uint8Array, void, void>,
  watch: () => Timer,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    for (;;) {
      const timer = watch()
      const next = await source.next().finally(() => timer.cancel())
      if (next.done === true) return
      yield next.value
    }
  } finally {
    await source.return()
  }
}

function* textsOf(
  events: readonly string[],
  read: (data: string) => GenerationEvent | undefined,
): Generator<GenerationEvent, void, void> {
  for (const data of events) {
    const event = read(data)
    if (event !== undefined) yield event
  }
}

function promptBytes(generation: Generation): number {
  return generation.messages.reduce((sum, message) => sum + Buffer.byteLength(message.content), 0)
}

function unavailable(root: string, cause: unknown): EdgeCoderError {
  return new EdgeCoderError('engine-unavailable', `The engine at ${root} does not answer.`, {
    next: 'Start it, or set EDGE_ENGINE to another one.',
    cause,
  })
}

function silent(ms: number): EdgeCoderError {
  return new EdgeCoderError('engine-failed', `The engine gave no token for ${Math.round(ms / 1000)} s.`)
}

function closed(): EdgeCoderError {
  return new EdgeCoderError('engine-unavailable', 'The engine was closed.')
}
