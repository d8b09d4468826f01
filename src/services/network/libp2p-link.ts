import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { EdgeCoderError } from '../../core/errors.js'
import type { Clock } from '../../ports/clock.js'
import type { Link, LinkReceiver } from '../../ports/network.js'
import { BATCH_BYTES, CLOSE_TIMEOUT_MS, COPIED_BYTES, HIGH_WATER_BYTES, MAX_QUEUED_BYTES } from './bounds.js'
import { createFrameReader, type FrameReader, lengthPrefix, prefixBytes, writeFrames } from './framing.js'
import { createLinkInbox, type LinkInbox } from './link-inbox.js'
import type { Quota } from './quota.js'

interface Libp2pLinkInit {
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

/**
 * Frames over one libp2p stream.
 *
 * Each write to a stream costs a muxer frame, an encryption and a system call, whatever its size; so the
 * frames
 * sent within one turn of the event loop leave as one write.
 */
export class Libp2pLink implements Link {
  readonly #stream: Stream
  readonly #clock: Clock
  readonly #init: Libp2pLinkInit
  readonly #inbox: LinkInbox
  readonly #reader: FrameReader
  #queue: Uint8Array[] = []
  /** Of the queue, with length prefixes. */
  #queuedBytes = 0
  #flushing = false
  #closing = false
  #waiters: (() => void)[] = []

  constructor(stream: Stream, clock: Clock, init: Libp2pLinkInit) {
    this.#stream = stream
    this.#clock = clock
    this.#init = init
    this.#inbox = createLinkInbox(MAX_QUEUED_BYTES)
    this.#reader = createFrameReader(init.maxFrameBytes, (frame) => this.#take(frame))
  }

  /** Begins to listen to the stream; called once, right after construction. */
  open(): this {
    const stream = this.#stream
    stream.addEventListener('message', (event: StreamMessageEvent) => this.#read(event))
    stream.addEventListener('drain', () => this.#flush())
    stream.addEventListener('end', () => this.#ended())
    stream.addEventListener('close', (event: StreamCloseEvent) =>
      this.#end(event.error === undefined ? 'closed by the other end' : reasonOf(event)),
    )
    if (stream.readableEnded) this.#ended()
    else if (stream.status !== 'open') this.#end('connection closed')
    return this
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

  send(frame: Uint8Array): boolean {
    if (this.#inbox.ended || this.#closing) return false
    this.#queue.push(frame)
    this.#queuedBytes += frame.length + prefixBytes(frame.length)
    if (this.#waitingBytes() > MAX_QUEUED_BYTES) {
      this.abort('the other end does not keep up')
      return false
    }
    if (!this.#flushing) {
      this.#flushing = true
      // A tick asked for from a microtask runs after all microtasks: replies made by promises join the same
      // write.
      queueMicrotask(() => process.nextTick(() => this.#flush()))
    }
    return this.#waitingBytes() <= HIGH_WATER_BYTES
  }

  async drained(signal?: AbortSignal): Promise<void> {
    while (this.#waitingBytes() > HIGH_WATER_BYTES && !this.#inbox.ended) {
      if (signal?.aborted) throw new EdgeCoderError('cancelled', 'The wait for room on a link was given up.')
      await this.#wait(signal)
    }
    if (this.#inbox.ended) throw new EdgeCoderError('link-closed', `The link to ${this.peerId} is closed.`)
  }

  receive(receiver: LinkReceiver): void {
    this.#inbox.receive(receiver)
  }

  async close(): Promise<void> {
    if (this.#inbox.ended) return
    this.#closing = true
    const late = this.#clock.after(CLOSE_TIMEOUT_MS, () => this.abort('the other end does not read'))
    while (this.#queuedBytes > 0 && !this.#inbox.ended) {
      this.#flush()
      if (this.#queuedBytes > 0) await this.#wait()
    }
    late.cancel()
    if (this.#inbox.ended) return
    try {
      await this.#stream.close({ signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS) })
    } catch {
      this.#stream.abort(new Error('the other end does not read'))
    }
    this.#end('closed here')
    // The muxer keeps a half-closed stream until the other end closes too, which it may never do.
    this.#clock.after(CLOSE_TIMEOUT_MS, () => this.#stream.abort(new Error('never closed by the other end')))
  }

  abort(reason: string): void {
    this.#end(reason)
    this.#stream.abort(new Error(reason))
  }

  #waitingBytes(): number {
    return this.#queuedBytes + (this.#stream.writeBufferLength ?? 0)
  }

  #wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal?.removeEventListener('abort', done)
        resolve()
      }
      this.#waiters.push(done)
      signal?.addEventListener('abort', done)
    })
  }

  #flush(): void {
    this.#flushing = false
    while (this.#queue.length > 0 && !this.#inbox.ended && !this.#stream.writableNeedsDrain) {
      try {
        this.#write(this.#batch())
      } catch (cause) {
        this.abort(cause instanceof Error ? cause.message : 'cannot write')
      }
    }
    this.#wake()
  }

  #write(frames: readonly Uint8Array[]): void {
    const [first] = frames
    if (frames.length === 1 && first !== undefined && first.length > COPIED_BYTES) {
      this.#stream.send(lengthPrefix(first.length))
      this.#stream.send(first)
    } else {
      this.#stream.send(writeFrames(frames))
    }
  }

  /**
   * Takes what is to be written next off the queue: one large frame, or as many small ones as go together.
   */
  #batch(): readonly Uint8Array[] {
    let bytes = 0
    let count = 0
    for (const frame of this.#queue) {
      const large = frame.length > COPIED_BYTES
      if (count > 0 && (large || bytes >= BATCH_BYTES)) break
      bytes += prefixBytes(frame.length) + frame.length
      count++
      if (large) break
    }
    const frames = count === this.#queue.length ? this.#queue : this.#queue.slice(0, count)
    this.#queue = count === this.#queue.length ? [] : this.#queue.slice(count)
    this.#queuedBytes -= bytes
    return frames
  }

  #read({ data }: StreamMessageEvent): void {
    for (const chunk of data instanceof Uint8Array ? [data] : data) {
      if (this.#inbox.ended || this.#closing) return
      // Some chunks are Buffers, whose slice() would share memory where that of a Uint8Array copies.
      const broken = this.#reader.read(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length))
      if (broken === undefined) continue
      this.abort(broken)
      this.#init.onOffence('malformed-frame')
      return
    }
  }

  /** @returns false when no further frame may be read */
  #take(frame: Uint8Array): boolean {
    if (this.#init.quota?.take() === false) {
      this.abort('frames come faster than allowed')
      this.#init.onOffence('flood')
    } else if (!this.#inbox.frame(frame)) {
      this.abort('nobody receives')
    }
    return !this.#inbox.ended && !this.#closing
  }

  /** The other end has sent its last. */
  #ended(): void {
    if (this.#inbox.ended) return
    this.#end('closed by the other end')
    this.#stream.close({ signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS) }).catch((cause: unknown) => {
      this.#stream.abort(cause instanceof Error ? cause : new Error('cannot close'))
    })
  }

  #end(reason: string): void {
    if (this.#inbox.ended) return
    this.#queue = []
    this.#queuedBytes = 0
    this.#inbox.end(reason)
    this.#init.onEnd()
    this.#wake()
  }

  #wake(): void {
    if (this.#waiters.length === 0) return
    const waiters = this.#waiters
    this.#waiters = []
    for (const wake of waiters) wake()
  }
}

function reasonOf(event: StreamCloseEvent): string {
  if (event.error?.name === 'StreamResetError') return 'reset by the other end'
  return event.error?.message ?? 'connection closed'
}
