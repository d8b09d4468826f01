import type { Clock } from '../ports/clock.js'
import { KEEP_ALIVE } from './sse.js'

/**
 * An SSE answer that pulls: nothing is read from `events` before the client has taken what came before.
 *
 * @param events SSE text, whole events each; must end when the client's signal aborts, and throw nothing
 */
export function eventStream(
  events: AsyncIterable<string>,
  clock: Clock,
  options: { readonly keepAliveMs: number; readonly headers?: Readonly<Record<string, string>> },
): Response {
  const iterator = events[Symbol.asyncIterator]()
  const encoder = new TextEncoder()
  let beat = { cancel() {} }
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      beat = clock.every(options.keepAliveMs, () => {
        // A client that takes nothing gets no comments either, or they would pile up.
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(KEEP_ALIVE))
      })
    },
    async pull(controller) {
      const { done, value } = await iterator.next()
      if (done !== true) return controller.enqueue(encoder.encode(value))
      beat.cancel()
      controller.close()
    },
    async cancel() {
      beat.cancel()
      await iterator.return?.()
    },
  })
  return new Response(body, {
    headers: {
      ...options.headers,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // nginx would hold events back otherwise.
      'x-accel-buffering': 'no',
    },
  })
}
