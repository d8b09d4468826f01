import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Log } from '../../ports/log.js'
import type { Gateway, TaskProgress, TaskView } from '../../roles/gateway/gateway.js'
import type { LiveStream } from '../live-streams.js'
import { faultRefusal } from '../problem.js'
import { sseText } from '../sse.js'
import { type CompletionHead, chunkJson, usageChunkJson } from './completion.js'
import { openaiProblem } from './envelope.js'
import { Replay } from './replay.js'

export interface ChatStream {
  readonly task: TaskView
  readonly head: CompletionHead
  readonly includeUsage: boolean
  readonly stream: LiveStream
  /** Called once, when the client went away before the end. Throws nothing. */
  readonly onClientGone: () => Promise<void>
  /** Called once, when a later attempt contradicts the text already sent. Throws nothing. */
  readonly onContradiction: () => Promise<void>
}

const DONE = 'data: [DONE]\n\n'

/** A chat task as chunks of a completion, in SSE text. Throws nothing; gives the stream's slot back. */
export async function* chatChunks(
  components: { readonly gateway: Gateway; readonly log: Log },
  chat: ChatStream,
): AsyncGenerator<string> {
  const { task, stream } = chat
  let told = false
  try {
    for await (const chunk of completion(components.gateway, chat)) yield text(chunk)
    if (!stream.signal.aborted) {
      told = true
      yield DONE
    }
  } catch (thrown) {
    if (!stream.signal.aborted) {
      told = true
      const why = thrown instanceof Broken ? thrown.why : faultRefusal(thrown, components.log, task.id)
      yield text(openaiProblem(why))
    }
  } finally {
    stream.end()
    if (!told && !stream.stopping) await chat.onClientGone()
  }
  if (stream.stopping) yield text(openaiProblem(refusal('shutting-down', 'this node is stopping')))
}

/** Ends a stream that has begun: the only way left to say no. */
class Broken extends Error {
  readonly why: Refusal

  constructor(why: Refusal) {
    super(why.detail)
    this.why = why
  }
}

async function* completion(gateway: Gateway, chat: ChatStream): AsyncGenerator<object> {
  const { task, head, includeUsage, stream } = chat
  yield chunkJson(head, { delta: { role: 'assistant', content: '' } }, includeUsage)
  const replay = new Replay()
  for await (const progress of gateway.events(task.account, task.id, { signal: stream.signal })) {
    const fresh = freshText(replay, progress)
    if (fresh === undefined) {
      await chat.onContradiction()
      throw new Broken(contradiction())
    }
    if (fresh !== '') yield chunkJson(head, { delta: { content: fresh } }, includeUsage)
  }
  if (stream.signal.aborted) return
  const result = await gateway.result(task.account, task.id)
  if (isRefusal(result)) throw new Broken(result)
  if (result.kind !== 'chat' || !replay.caughtUp) throw new Broken(contradiction())
  yield chunkJson(head, { finishReason: result.finishReason }, includeUsage)
  if (includeUsage) yield usageChunkJson(head, result.usage)
}

/** What to send of one event: '' for nothing, undefined when the new attempt contradicts what was sent. */
function freshText(replay: Replay, progress: TaskProgress): string | undefined {
  if (progress.type === 'reset') replay.reset()
  return progress.type === 'text' ? replay.next(progress.text) : ''
}

function contradiction(): Refusal {
  return refusal(
    'attempts-exhausted',
    'the worker was lost after it had begun to answer, and the next one answers differently',
    { next: 'Ask again, or without stream: true.' },
  )
}

function text(chunk: object): string {
  return sseText({ data: JSON.stringify(chunk) })
}
