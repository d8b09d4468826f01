import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { ChatRequest, Gateway, TaskResult, TaskView } from '../../roles/gateway/gateway.js'
import { eventStream } from '../event-stream.js'
import type { LiveStream, LiveStreams } from '../live-streams.js'
import { mount, type Surface } from '../mount.js'
import { problemResponse } from '../problem.js'
import { idempotencyKey } from '../routes/idempotency.js'
import { chatChunks } from './chat-stream.js'
import { type CompletionHead, usageJson } from './completion.js'
import { openaiProblem } from './envelope.js'
import { noSuchModel } from './models.js'
import { OPENAI_ROUTES } from './openai-routes.js'
import { chatRequest } from './request.js'

export interface ChatComponents {
  readonly gateway: Gateway
  readonly streams: LiveStreams
  readonly clock: Clock
  readonly log: Log
}

const KEEP_ALIVE_MS = 15_000
const NOT_READY_RETRY_MS = 2_000

/** Serves chat completions: each is a chat task, cancelled when its client goes away. */
export function mountChat(surface: Surface, components: ChatComponents): void {
  const { gateway, streams } = components
  mount(surface, OPENAI_ROUTES.chat, async ({ caller, body, signal, http }) => {
    const request = chatRequest(body)
    if ('why' in request) return problemResponse(request.why, openaiProblem(request.why, request.field))
    const id = idempotencyKey(http.req.header('idempotency-key'), undefined)
    if (isRefusal(id)) return id
    const unserved = unservable(gateway, request.model)
    if (unserved !== undefined) return unserved
    const stream = streams.open(caller.keyId, signal)
    if (isRefusal(stream)) return stream
    const started = await start(gateway, stream, {
      ...request,
      account: caller.account,
      ...(id === undefined ? {} : { id }),
    })
    if (isRefusal(started)) return started
    const chat = chatOf(components, started.task, stream, !started.existed)
    if (body.stream !== true) return whole(gateway, chat)
    const includeUsage = body.stream_options?.include_usage === true
    return eventStream(chatChunks(components, { ...chat, includeUsage }), components.clock, {
      keepAliveMs: KEEP_ALIVE_MS,
      headers: { 'x-edgecoder-task': started.task.id },
    })
  })
}

/** A client that waits is better told at once than queued for a model or a mesh that is not there. */
function unservable(gateway: Gateway, model: string): Refusal | undefined {
  const { notReady } = gateway.status()
  if (notReady !== undefined) return { retryAfterMs: NOT_READY_RETRY_MS, ...notReady }
  const { models } = gateway.capacity()
  return models.some((one) => one.name === model) ? undefined : noSuchModel(model, models)
}

async function start(gateway: Gateway, stream: LiveStream, request: ChatRequest) {
  try {
    const submission = await gateway.submit(request)
    if (isRefusal(submission)) stream.end()
    return submission
  } catch (error) {
    stream.end()
    throw error
  }
}

interface Chat {
  readonly task: TaskView
  readonly head: CompletionHead
  readonly stream: LiveStream
  readonly onClientGone: () => Promise<void>
  readonly onContradiction: () => Promise<void>
}

/** @param own made by this request: one that existed already is not ours to cancel */
function chatOf(components: ChatComponents, task: TaskView, stream: LiveStream, own: boolean): Chat {
  const { gateway, log } = components
  const cancel = async () => {
    try {
      if (own) await gateway.cancel(task.account, task.id, 'client-gone')
    } catch (error) {
      log.warn('cancel-failed', { task: task.id, error: error instanceof Error ? error : undefined })
    }
  }
  const created = Math.floor(task.submittedMs / 1000)
  const head = { id: `chatcmpl-${task.id}`, created, model: task.model }
  return { task, head, stream, onClientGone: cancel, onContradiction: cancel }
}

async function whole(gateway: Gateway, chat: Chat): Promise<Response | Refusal> {
  const { task, stream } = chat
  try {
    for await (const _ of gateway.events(task.account, task.id, { signal: stream.signal })) {
      // The whole answer is read from the result.
    }
  } catch (error) {
    if (!stream.signal.aborted) throw error
  } finally {
    stream.end()
  }
  if (stream.stopping) return refusal('shutting-down', 'this node is stopping')
  if (stream.signal.aborted) {
    await chat.onClientGone()
    return refusal('cancelled', 'the client went away')
  }
  const result = await gateway.result(task.account, task.id)
  return isRefusal(result) ? result : completionResponse(chat, result)
}

function completionResponse(chat: Chat, result: TaskResult): Response | Refusal {
  if (result.kind !== 'chat') {
    return refusal('task-conflict', `task ${chat.task.id} is a ${result.kind} task`)
  }
  const { id, created, model } = chat.head
  const completion = {
    id,
    object: 'chat.completion',
    created,
    model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: result.text, refusal: null },
        logprobs: null,
        finish_reason: result.finishReason,
      },
    ],
    usage: usageJson(result.usage),
  }
  const headers = { 'content-type': 'application/json; charset=utf-8', 'x-edgecoder-task': chat.task.id }
  return new Response(JSON.stringify(completion), { headers })
}
