/**
 * What libp2p 3 expects of Node 22, given to Node 20. Imported first in every entry point, worker thread and
 * test set-up, before anything of libp2p. @see docs/decisions/node-20.md
 */
import { WebSocket } from 'ws'

const promise: { withResolvers?: unknown } = Promise
if (promise.withResolvers === undefined) {
  promise.withResolvers = function withResolvers<T>(this: PromiseConstructor) {
    let resolve: (value: T | PromiseLike<T>) => void = () => {}
    let reject: (reason?: unknown) => void = () => {}
    const made = new this<T>((yes, no) => {
      resolve = yes
      reject = no
    })
    return { promise: made, resolve, reject }
  }
}

/** As that of Node 22, which ends no process over an error that nobody listens for. It closes itself after one. */
class WebSocketOfNode22 extends WebSocket {
  constructor(...given: ConstructorParameters<typeof WebSocket>) {
    super(...given)
    this.on('error', () => {})
  }
}

const scope = globalThis as { WebSocket?: unknown }
scope.WebSocket ??= WebSocketOfNode22
