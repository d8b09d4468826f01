import { EdgeCoderError } from '../../core/errors.js'
import type { Clock } from '../../ports/clock.js'
import type { Link, LinkReceiver } from '../../ports/network.js'
import { HIGH_WATER_BYTES, MAX_QUEUED_BYTES } from './bounds.js'
import { createLinkInbox, type LinkInbox } from './link-inbox.js'
import type { Quota } from './quota.js'

/** The path between two peers, as one end sees it. */
export interface MemoryPath {
  readonly clock: Clock
  delayMs(): number
  /** Frames stay where they are while it is true; {@link MemoryLink.resume} goes on. */
  held(): boolean
}

interface MemoryLinkInit {
  readonly peerId: string
  readonly protocol: string
  readonly remoteAddress: string
  /** Of frames that arrive here. */
  readonly maxFrameBytes: number
  /** Frames that may arrive here; absent = any number. */
  readonly quota?: Quota
  onOffence(offence: 'malformed-frame' | 'flood'): void
  onEnd(): void
}

interface InFlight {
  readonly atMs: number
  /** Text = the end of the stream, and why. */
  readonly what: Uint8Array | string
}

/** One end of a link between two peers of a memory mesh. */
export class MemoryLink implements Link {
  readonly #path: MemoryPath
  readonly #init: MemoryLinkInit
  readonly #inbox: LinkInbox = createLinkInbox(MAX_QUEUED_BYTES)
  #other: MemoryLink | undefined
  #inFlight: InFlight[] = []
  #inFlightBytes = 0
  #lastAtMs = 0
  #timerSet = false
  #closing = false
  #waiters: (() => void)[] = []

  constructor(path: MemoryPath, init: MemoryLinkInit) {
    this.#path = path
    this.#init = init
  }

  get peerId(): string {
    return this.#init.peerId
  }

  get protocol(): string {
    return this.#init.protocol
  }

  get remoteAddress(): string {
    return this.#init.remoteAddress
  }

  join(other: MemoryLink): void {
    this.#other = other
  }

  send(frame: Uint8Array): boolean {
    if (this.#inbox.ended || this.#closing) return false
    this.#inFlightBytes += frame.length
    if (this.#inFlightBytes > MAX_QUEUED_BYTES) {
      this.abort('the other end does not keep up')
      return false
    }
    // A copy: over a socket, too, what the sender does to its buffer afterwards is not seen.
    this.#post(frame.slice())
    return this.#inFlightBytes <= HIGH_WATER_BYTES
  }

  async drained(signal?: AbortSignal): Promise<void> {
    while (this.#inFlightBytes > HIGH_WATER_BYTES && !this.#inbox.ended) {
      if (signal?.aborted) throw new EdgeCoderError('cancelled', 'The wait for room on a link was given up.')
      await new Promise<void>((resolve) => {
        const done = (): void => {
          signal?.removeEventListener('abort', done)
          resolve()
        }
        this.#waiters.push(done)
        signal?.addEventListener('abort', done)
      })
    }
    if (this.#inbox.ended) throw new EdgeCoderError('link-closed', `The link to ${this.peerId} is closed.`)
  }

  receive(receiver: LinkReceiver): void {
    this.#inbox.receive(receiver)
  }

  async close(): Promise<void> {
    if (this.#inbox.ended) return
    if (!this.#closing) {
      this.#closing = true
      this.#post('closed by the other end')
    }
    while (!this.#inbox.ended) await new Promise<void>((resolve) => this.#waiters.push(resolve))
  }

  abort(reason: string): void {
    if (this.#inbox.ended) return
    this.#inFlight = []
    this.#inFlightBytes = 0
    this.#post('reset by the other end')
    this.end(reason)
  }

  /** Ends this end alone; what is under way to the other end still arrives. */
  end(reason: string): void {
    if (this.#inbox.ended) return
    this.#inbox.end(reason)
    this.#init.onEnd()
    this.#wake()
  }

  /** The path is open again, or gone for good. */
  resume(): void {
    this.#arm()
  }

  #post(what: Uint8Array | string): void {
    const atMs = Math.max(this.#lastAtMs, this.#path.clock.monotonicMs() + this.#path.delayMs())
    this.#lastAtMs = atMs
    this.#inFlight.push({ atMs, what })
    this.#arm()
  }

  #arm(): void {
    const next = this.#inFlight[0]
    if (next === undefined || this.#timerSet || this.#path.held()) return
    this.#timerSet = true
    this.#path.clock.after(next.atMs - this.#path.clock.monotonicMs(), this.#due)
  }

  readonly #due = (): void => {
    this.#timerSet = false
    if (this.#path.held()) return
    const nowMs = this.#path.clock.monotonicMs()
    for (let next = this.#inFlight[0]; next !== undefined && next.atMs <= nowMs; next = this.#inFlight[0]) {
      this.#inFlight.shift()
      this.#arrive(next.what)
    }
    if (this.#waiters.length > 0) this.#wake()
    this.#arm()
  }

  #arrive(what: Uint8Array | string): void {
    if (typeof what === 'string') {
      this.#other?.end(what)
      if (this.#closing) this.end('closed here')
      return
    }
    this.#inFlightBytes -= what.length
    this.#other?.take(what)
  }

  /** One frame arrives here. */
  take(frame: Uint8Array): void {
    if (this.#inbox.ended || this.#closing) return
    if (frame.length > this.#init.maxFrameBytes) {
      this.abort(`a frame of ${frame.length} bytes, at most ${this.#init.maxFrameBytes}`)
      this.#init.onOffence('malformed-frame')
    } else if (this.#init.quota?.take() === false) {
      this.abort('frames come faster than allowed')
      this.#init.onOffence('flood')
    } else if (!this.#inbox.frame(frame)) {
      this.abort('nobody receives')
    }
  }

  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const wake of waiters) wake()
  }
}
