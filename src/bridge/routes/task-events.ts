import { refusal } from '../../core/refusal.js'
import type { Log } from '../../ports/log.js'
import type { Gateway, TaskView } from '../../roles/gateway/gateway.js'
import type { LiveStream } from '../live-streams.js'
import { faultRefusal, restProblem } from '../problem.js'
import { progressJson } from '../schemas/task.js'
import { sseText } from '../sse.js'
import { END_EVENT, ERROR_EVENT } from './task-routes.js'

const RECONNECT_MS = 1_000

/** The events of one task as SSE text. Throws nothing; gives the stream's slot back. */
export async function* taskEvents(
  components: { readonly gateway: Gateway; readonly log: Log },
  task: TaskView,
  after: number | undefined,
  stream: LiveStream,
): AsyncGenerator<string> {
  const { gateway, log } = components
  try {
    yield `retry: ${RECONNECT_MS}\n\n`
    const options = { signal: stream.signal, ...(after === undefined ? {} : { after }) }
    for await (const progress of gateway.events(task.account, task.id, options)) {
      const data = JSON.stringify(progressJson(progress))
      yield sseText({ id: progress.seq, name: progress.type, data })
    }
    if (!stream.signal.aborted) yield sseText({ name: END_EVENT, data: '{}' })
  } catch (thrown) {
    if (!stream.signal.aborted) {
      const why = faultRefusal(thrown, log, task.id)
      yield sseText({ name: ERROR_EVENT, data: JSON.stringify(restProblem(why)) })
    }
  } finally {
    stream.end()
  }
  if (stream.stopping) {
    const why = refusal('shutting-down', 'this node is stopping', { retryAfterMs: RECONNECT_MS })
    yield sseText({ name: ERROR_EVENT, data: JSON.stringify(restProblem(why)) })
  }
}
