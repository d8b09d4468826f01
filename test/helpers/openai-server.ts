import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { EdgeCoderError } from '../../src/core/errors.js'
import type { ChatMessage, Engine, EngineModel, Generation, GenerationEvent } from '../../src/ports/engine.js'

/** Whose own interfaces and list of models the server shows besides the OpenAI ones. */
export type ServerFlavour = 'plain' | 'ollama' | 'llama.cpp' | 'vllm' | 'lm-studio'

/** What goes wrong with every chat answer until the fault is taken away. */
export type ServerFault =
  | { readonly type: 'status'; readonly status: number; readonly body?: string; readonly retryAfter?: string }
  /** The connection is cut after some text events. */
  | { readonly type: 'drop'; readonly afterEvents: number }
  /** Nothing more is sent, and the connection stays. */
  | { readonly type: 'silent'; readonly afterEvents: number }
  | { readonly type: 'slow'; readonly perEventMs: number }
  /** Each byte is written alone, so that characters and lines arrive in pieces. */
  | { readonly type: 'bytewise' }
  /** One event is this instead of a chunk. */
  | { readonly type: 'garbage'; readonly data: string }
  /** The answer ends in good order, but without finish reason, usage and [DONE]. */
  | { readonly type: 'no-end' }
  | { readonly type: 'no-usage' }

export interface OpenAiServer {
  /** Base URL without /v1. */
  readonly url: string
  fault: ServerFault | undefined
  /** Chat generations under way in the engine behind. */
  readonly generating: number
  /** Bodies of the chat requests so far, the last 100. */
  readonly requests: readonly ChatBody[]
  /** Connections accepted so far; keep-alive keeps it low. */
  readonly connections: number
  close(): Promise<void>
}

export interface OpenAiServerInit {
  readonly engine: Engine
  readonly flavour?: ServerFlavour
  /** Asked of every request when given. */
  readonly key?: string
  /** What an Ollama does when it is told to fetch a model: the lines of its answer. */
  readonly pull?: (name: string) => AsyncIterable<object>
  /** Default: any free one. */
  readonly port?: number
}

export interface ChatBody {
  readonly model: string
  readonly messages: readonly ChatMessage[]
  readonly max_tokens?: number
  readonly temperature?: number
  readonly top_p?: number
  readonly seed?: number
  readonly stop?: readonly string[]
  readonly stream?: boolean
  readonly stream_options?: { readonly include_usage?: boolean }
}

/** An OpenAI-compatible HTTP server on loopback over any engine: real HTTP, real SSE, and faults on demand. */
export async function startOpenAiServer(init: OpenAiServerInit): Promise<OpenAiServer> {
  const state = { fault: undefined as ServerFault | undefined, generating: 0, connections: 0 }
  const requests: ChatBody[] = []
  const server = createServer((request, response) => {
    void answer(request, response).catch(() => response.destroy())
  })
  server.on('connection', () => state.connections++)
  server.listen(init.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request)
    if (init.key !== undefined && request.headers.authorization !== `Bearer ${init.key}`) {
      return sendJson(response, 401, { error: { message: 'Incorrect API key', code: 'invalid_api_key' } })
    }
    if (request.url === '/v1/chat/completions') {
      const chat = JSON.parse(body) as ChatBody
      requests.push(chat)
      if (requests.length > 100) requests.shift()
      return answerChat(chat, response)
    }
    if (request.url === '/api/pull' && init.pull !== undefined) {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' })
      for await (const line of init.pull(JSON.parse(body).model)) response.write(`${JSON.stringify(line)}\n`)
      response.end()
      return
    }
    const models = await init.engine.models()
    const json = describe(init.flavour ?? 'plain', request.url ?? '', models, body)
    return sendJson(response, json === undefined ? 404 : 200, json ?? { error: 'no such path' })
  }

  async function answerChat(chat: ChatBody, response: ServerResponse): Promise<void> {
    const fault = state.fault
    if (fault?.type === 'status') {
      if (fault.retryAfter !== undefined) response.setHeader('retry-after', fault.retryAfter)
      response.writeHead(fault.status, { 'content-type': 'application/json' })
      response.end(fault.body ?? '{"error":{"message":"busy"}}')
      return
    }
    const gone = new AbortController()
    response.on('close', () => gone.abort())
    state.generating++
    try {
      await streamChat(init.engine, chat, response, gone.signal, fault)
    } catch (error) {
      if (response.headersSent) response.destroy()
      else sendError(response, error)
    } finally {
      state.generating--
    }
  }

  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    get fault() {
      return state.fault
    },
    set fault(fault) {
      state.fault = fault
    },
    get generating() {
      return state.generating
    },
    get connections() {
      return state.connections
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function streamChat(
  engine: Engine,
  chat: ChatBody,
  response: ServerResponse,
  signal: AbortSignal,
  fault: ServerFault | undefined,
): Promise<void> {
  const events = engine.generate(generationOf(chat), signal)[Symbol.asyncIterator]()
  // Errors before the first token become a status; headers go out with the first token.
  let next = await events.next()
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  if (fault?.type === 'garbage') await write(response, `data: ${fault.data}\n\n`, fault)
  for (let sent = 0; next.done !== true; sent++) {
    if (fault?.type === 'drop' && sent >= fault.afterEvents) return void response.destroy()
    if (fault?.type === 'silent' && sent >= fault.afterEvents) return new Promise(() => {})
    if (fault?.type === 'slow') await new Promise((resolve) => setTimeout(resolve, fault.perEventMs))
    for (const data of chunksOf(chat, next.value, fault)) {
      await write(response, `data: ${JSON.stringify(data)}\n\n`, fault)
    }
    next = await events.next()
  }
  if (fault?.type !== 'no-end') await write(response, 'data: [DONE]\n\n', fault)
  response.end()
}

/** A chunk for each token, as real servers send. */
function chunksOf(chat: ChatBody, event: GenerationEvent, fault: ServerFault | undefined): readonly object[] {
  const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: chat.model }
  if (event.type === 'text') {
    if (event.text === '') return []
    // The engine gathers fast tokens; one character is one token of the model these tests use.
    const pieces = event.tokens === event.text.length ? [...event.text] : [event.text]
    return pieces.map((content) => ({
      ...head,
      choices: [{ index: 0, delta: { content }, finish_reason: null }],
    }))
  }
  if (fault?.type === 'no-end') return []
  const finish = { ...head, choices: [{ index: 0, delta: {}, finish_reason: event.finishReason }] }
  if (fault?.type === 'no-usage' || chat.stream_options?.include_usage !== true) return [finish]
  const [prompt_tokens, completion_tokens] = [event.promptTokens, event.completionTokens]
  const usage = { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
  return [finish, { ...head, choices: [], usage }]
}

async function write(response: ServerResponse, text: string, fault: ServerFault | undefined): Promise<void> {
  const bytes = Buffer.from(text)
  const pieces = fault?.type === 'bytewise' ? Array.from(bytes, (byte) => Buffer.of(byte)) : [bytes]
  for (const piece of pieces) {
    if (response.destroyed) return
    // Waiting for the flush keeps the pieces apart on the wire; a write to a connection that closes is never flushed.
    await new Promise<void>((resolve) => {
      response.once('close', resolve)
      response.write(piece, () => {
        response.off('close', resolve)
        resolve()
      })
    })
    if (fault?.type === 'bytewise') await new Promise((resolve) => setImmediate(resolve))
  }
}

function generationOf(chat: ChatBody): Generation {
  return {
    model: chat.model,
    messages: chat.messages,
    maxOutputTokens: chat.max_tokens ?? 256,
    ...(chat.temperature === undefined ? {} : { temperature: chat.temperature }),
    ...(chat.top_p === undefined ? {} : { topP: chat.top_p }),
    ...(chat.seed === undefined ? {} : { seed: chat.seed }),
    ...(chat.stop === undefined ? {} : { stop: chat.stop }),
  }
}

function sendError(response: ServerResponse, error: unknown): void {
  const code = error instanceof EdgeCoderError ? error.code : 'internal'
  const message = error instanceof Error ? error.message : String(error)
  if (code === 'context-too-long') {
    sendJson(response, 400, { error: { message, code: 'context_length_exceeded' } })
  } else if (code === 'model-missing') {
    sendJson(response, 404, { error: { message: 'model not found', type: 'not_found_error' } })
  } else {
    sendJson(response, code === 'engine-unavailable' ? 503 : 500, { error: { message, code } })
  }
}

function describe(
  flavour: ServerFlavour,
  path: string,
  models: readonly EngineModel[],
  body: string,
): object | undefined {
  const owner = {
    plain: 'someone',
    ollama: 'library',
    'llama.cpp': 'llamacpp',
    vllm: 'vllm',
    'lm-studio': 'x',
  }
  if (path === '/v1/models') {
    const data = models.map(({ name, contextTokens }) => ({
      id: name,
      object: 'model',
      owned_by: owner[flavour],
      ...(flavour === 'vllm' ? { max_model_len: contextTokens } : {}),
    }))
    return { object: 'list', data }
  }
  if (flavour === 'llama.cpp' && path === '/props') {
    return { default_generation_settings: { n_ctx: models[0]?.contextTokens } }
  }
  if (flavour === 'ollama' && path === '/api/ps') {
    const loaded = models.filter((model) => model.warm)
    return { models: loaded.map(({ name, contextTokens }) => ({ name, context_length: contextTokens })) }
  }
  if (flavour === 'ollama' && path === '/api/tags') {
    return {
      models: models.map(({ name, digest }) => ({ name, ...(digest === undefined ? {} : { digest }) })),
    }
  }
  if (flavour === 'ollama' && path === '/api/show') {
    const asked = models.find(({ name }) => name === JSON.parse(body).model)
    return asked && { model_info: { 'llama.context_length': asked.contextTokens } }
  }
  if (flavour === 'lm-studio' && path === '/api/v0/models') {
    return {
      data: models.map(({ name, contextTokens, warm }) => ({
        id: name,
        state: warm ? 'loaded' : 'not-loaded',
        max_context_length: contextTokens,
      })),
    }
  }
  return undefined
}

function sendJson(response: ServerResponse, status: number, json: object): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(json))
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(Buffer.from(part))
  return Buffer.concat(parts).toString('utf8')
}
