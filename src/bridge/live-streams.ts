import { type Refusal, refusal } from '../core/refusal.js'

/** A long answer under way: a stream, or a request that waits. */
export interface LiveStream {
  /** Aborts when the client goes away or this node stops. */
  readonly signal: AbortSignal
  /** Set once the node stops, so that the client is told instead of cut off. */
  readonly stopping: boolean
  /** Gives the slot back; safe to call twice. */
  end(): void
}

export interface LiveStreamLimits {
  readonly perKey: number
  readonly total: number
}

/** Counts long answers and ends them when the node stops. */
export class LiveStreams {
  readonly #limits: LiveStreamLimits
  readonly #byOwner = new Map<string, number>()
  readonly #live = new Set<Live>()
  #stopping = false

  constructor(limits: LiveStreamLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#live.size
  }

  get stopping(): boolean {
    return this.#stopping
  }

  /** Refusals: `rate-limited`, `shutting-down`. */
  open(owner: string, client: AbortSignal): LiveStream | Refusal {
    if (this.#stopping) return refusal('shutting-down', 'this node is stopping')
    const held = this.#byOwner.get(owner) ?? 0
    if (held >= this.#limits.perKey || this.#live.size >= this.#limits.total) {
      return refusal('rate-limited', `${held} streams of this key are open; ${this.#limits.perKey} may be`, {
        next: 'End one first.',
        retryAfterMs: 1_000,
      })
    }
    this.#byOwner.set(owner, held + 1)
    const live = new Live(client, (ended) => this.#ended(owner, ended))
    this.#live.add(live)
    return live
  }

  /** Ends all that run; further ones are refused. */
  stop(): void {
    this.#stopping = true
    for (const live of this.#live) live.stop()
  }

  #ended(owner: string, live: Live): void {
    this.#live.delete(live)
    const held = (this.#byOwner.get(owner) ?? 1) - 1
    if (held === 0) this.#byOwner.delete(owner)
    else this.#byOwner.set(owner, held)
  }
}

class Live implements LiveStream {
  readonly #controller = new AbortController()
  readonly #client: AbortSignal
  readonly #onEnd: (live: Live) => void
  readonly #onClientGone = () => this.#controller.abort()
  #stopping = false
  #ended = false

  constructor(client: AbortSignal, onEnd: (live: Live) => void) {
    this.#client = client
    this.#onEnd = onEnd
    client.addEventListener('abort', this.#onClientGone, { once: true })
    if (client.aborted) this.#controller.abort()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get stopping(): boolean {
    return this.#stopping
  }

  stop(): void {
    this.#stopping = true
    this.#controller.abort()
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#client.removeEventListener('abort', this.#onClientGone)
    this.#onEnd(this)
  }
}
