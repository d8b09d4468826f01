import { createHash } from 'node:crypto'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { EdgeCoderError } from '../../core/errors.js'
import { fromWire, type Refusal, refusal, toWire } from '../../core/refusal.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Link } from '../../ports/network.js'
import { frames } from '../../wire/frame.js'
import { Fault } from '../../wire/generated/edgecoder/control/v1/worker_pb.js'
import type {
  Chunk,
  GatewayToWorker,
  WorkerToGatewaySchema,
} from '../../wire/generated/edgecoder/data/v1/data_pb.js'
import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import { CHUNK_BYTES } from '../../wire/limits.js'
import { failed, type LeaseRun } from './lease-run.js'
import { OutputLog, type Step } from './output-log.js'
import type { WorkerLimits } from './worker-limits.js'

export interface DeliveryComponents {
  readonly clock: Clock
  readonly limits: WorkerLimits
  /** Drops a data link that looks open and carries nothing. */
  readonly reset: (link: Link) => void
}

type Said = NonNullable<MessageInitShape<typeof WorkerToGatewaySchema>['body']>

interface Finished {
  readonly bytes: Uint8Array
  readonly receipt: Envelope
}

/** Links dropped for silence before the attempt is given up. */
const MAX_RESETS = 2

/**
 * One attempt's part of the data link: payload in, outputs and result out. Links may come and go under it;
 * what was sent is told by cursors, so that a new link goes on from what the gateway has seen.
 */
export class Delivery {
  readonly run: LeaseRun
  readonly #components: DeliveryComponents
  readonly #outputs: OutputLog
  #link: Link | undefined
  /** The gateway takes outputs: it has answered the open. */
  #ready = false
  #full = false
  #payload: Uint8Array
  #payloadBytes = 0
  #hasPayload = false
  #sentSeq = 0
  #flushed = false
  #flushTimer: Timer | undefined
  #finished: Finished | undefined
  #sentResultBytes = 0
  #sentFinish = false
  #resets = 0
  #watch: Timer | undefined
  #lost: Timer | undefined
  #reopen: Timer | undefined
  #refusedSinceMs: number | undefined
  #closed = false
  #gotPayload: (bytes: Uint8Array) => void = () => {}
  #gotAcceptance: (acceptance: Envelope) => void = () => {}
  #gotRoom: (() => void)[] = []

  constructor(components: DeliveryComponents, run: LeaseRun) {
    this.#components = components
    this.run = run
    this.#outputs = new OutputLog(components.limits.outputBytes)
    this.#payload = new Uint8Array(0)
  }

  /**
   * Waits for the whole payload, as the header's digest names it.
   *
   * @throws EdgeCoderError `cancelled` when stopped
   */
  payload(): Promise<Uint8Array> {
    return this.#orStopped((resolve) => {
      this.#gotPayload = resolve
    })
  }

  /**
   * Takes tokens or a step's text on their way. Await {@link Delivery.room} before making more, if it asks
   * so.
   */
  push(text: string, tokens: number, step: Step): void {
    this.#outputs.add(text, tokens, step)
    if (!this.#flushed || this.#outputs.gatheredTokens >= this.#components.limits.flushTokens) this.#flush()
    else
      this.#flushTimer ??= this.#components.clock.after(this.#components.limits.flushMs, () => this.#flush())
  }

  /** @returns undefined when there is room for more now */
  room(): Promise<void> | undefined {
    if (this.#hasRoom()) return undefined
    return this.#orStopped((resolve) => this.#gotRoom.push(resolve))
  }

  /**
   * Sends result and receipt.
   *
   * @returns the gateway's acceptance
   * @throws EdgeCoderError `cancelled` when stopped
   */
  finish(bytes: Uint8Array, receipt: Envelope): Promise<Envelope> {
    return this.#orStopped((resolve) => {
      this.#gotAcceptance = resolve
      this.#finished = { bytes, receipt }
      this.#flush()
    })
  }

  /** Tells the gateway, if it can be told now, that this attempt came to nothing. */
  abandon(why: Refusal): void {
    this.#send({ case: 'abandon', value: { lease: this.run.ref, why: toWire(why) } })
  }

  /** No link, frame or timer moves it any more. */
  close(): void {
    this.#closed = true
    this.#link = undefined
    for (const timer of [this.#flushTimer, this.#watch, this.#lost, this.#reopen]) timer?.cancel()
  }

  /** A link to the gateway is there. */
  attached(link: Link): void {
    this.#lost?.cancel()
    this.#lost = undefined
    this.#link = link
    this.#full = false
    this.#open()
  }

  /** The link is gone, or was never there. */
  detached(): void {
    const { clock, limits } = this.#components
    this.#link = undefined
    this.#ready = false
    this.#full = false
    this.#watch?.cancel()
    this.#reopen?.cancel()
    this.#wake()
    this.#lost ??= clock.after(limits.gatewayLostMs, () => this.#stillLost())
  }

  /** While the coordinator is away too, it is this worker that is cut off, and its lease says for how long. */
  #stillLost(): void {
    const { clock, limits } = this.#components
    if (this.run.isCutOff) this.#lost = clock.after(limits.gatewayLostMs, () => this.#stillLost())
    else this.#fail(`it could not be reached for ${Math.round(limits.gatewayLostMs / 1000)} s`)
  }

  /** The gateway can never be reached. */
  unreachable(why: Refusal): void {
    this.run.stop(failed(why, Fault.GATEWAY))
  }

  /** A frame of this attempt. @returns an offence against the protocol, if it is one */
  frame(body: GatewayToWorker['body']): string | undefined {
    if (this.#closed) return undefined
    this.#watch?.cancel()
    switch (body.case) {
      case 'payload':
        return this.#chunk(body.value)
      case 'resume':
        return this.#resume(body.value.seenSeq)
      case 'refused':
        if (body.value.why === undefined) return 'a refusal without a reason'
        this.#refused(fromWire(body.value.why))
        return undefined
      case 'accepted':
        if (!this.#sentFinish) return 'a result was accepted that was not sent'
        if (body.value.acceptance === undefined) return 'an acceptance without its statement'
        this.#gotAcceptance(body.value.acceptance)
        return undefined
      default:
        return 'nothing that a gateway says'
    }
  }

  #open(): void {
    this.#ready = false
    this.#payloadBytes = 0
    const { ref, coordinator } = this.run
    this.#send({ case: 'open', value: { lease: ref, coordinator, resumed: this.#hasPayload } })
    this.#expectAnswer()
  }

  #chunk(chunk: Chunk): string | undefined {
    const { header, headway } = this.run
    if (this.#hasPayload) return undefined // a repeat
    if (chunk.offset !== this.#payloadBytes) return 'a payload chunk came out of order'
    if (chunk.offset + chunk.bytes.length > header.payloadBytes)
      return 'the payload is longer than the header says'
    if (this.#payload.length === 0) this.#payload = new Uint8Array(header.payloadBytes)
    this.#payload.set(chunk.bytes, chunk.offset)
    this.#payloadBytes += chunk.bytes.length
    headway.add(chunk.bytes.length)
    this.#refusedSinceMs = undefined
    if (!chunk.last) {
      this.#expectAnswer()
      return undefined
    }
    const digest = createHash('sha256').update(this.#payload).digest()
    if (this.#payloadBytes !== header.payloadBytes || !digest.equals(header.payloadDigest)) {
      this.#fail('the payload it sent is not the one that the header names')
      return undefined
    }
    this.#hasPayload = true
    this.#ready = true
    const payload = this.#payload
    this.#payload = new Uint8Array(0)
    this.#gotPayload(payload)
    return undefined
  }

  #resume(seenSeq: number): string | undefined {
    if (!this.#hasPayload || seenSeq > this.#outputs.lastSeq) return 'it resumes what was never sent'
    if (seenSeq < this.#outputs.lastSeq && this.#outputs.at(seenSeq + 1) === undefined) {
      this.#fail('it lost output that is not kept here any more')
      return undefined
    }
    this.#sentSeq = seenSeq
    this.#sentResultBytes = 0
    this.#sentFinish = false
    this.#ready = true
    if (this.#finished === undefined) this.#refusedSinceMs = undefined
    this.#flush()
    return undefined
  }

  /**
   * A gateway that says when to try again may be behind its coordinator, or short of disk; else it means it.
   */
  #refused(why: Refusal): void {
    const { clock, limits } = this.#components
    const nowMs = clock.monotonicMs()
    this.#refusedSinceMs ??= nowMs
    const again = nowMs - this.#refusedSinceMs < limits.gatewayLostMs
    if (again && why.retryAfterMs !== undefined)
      this.#reopen = clock.after(why.retryAfterMs, () => this.#open())
    else this.run.stop(failed(why, Fault.GATEWAY))
  }

  #flush(): void {
    this.#flushTimer?.cancel()
    this.#flushTimer = undefined
    // While nothing can be sent, tokens go on gathering into fewer, larger pieces.
    if (this.#full || !this.#ready) return
    this.#flushed ||= this.#outputs.isGathering
    this.#outputs.seal()
    this.#pump()
  }

  /** Sends all that is due until the link is full: outputs, then the result, then the receipt. */
  #pump(): void {
    while (this.#ready && !this.#full) {
      const output = this.#outputs.at(this.#sentSeq + 1)
      if (output !== undefined) {
        this.#sentSeq++
        this.#send({ case: 'output', value: { lease: this.run.ref, ...output } })
      } else if (!this.#sendResult()) break
    }
    this.#outputs.trim(this.#sentSeq)
    this.#wake()
  }

  #wake(): void {
    if (this.#hasRoom()) for (const wake of this.#gotRoom.splice(0)) wake()
  }

  /** @returns false when nothing of the result is left to send */
  #sendResult(): boolean {
    if (this.#finished === undefined || this.#sentFinish) return false
    const { bytes, receipt } = this.#finished
    const lease = this.run.ref
    const offset = this.#sentResultBytes
    if (offset < bytes.length) {
      const piece = bytes.subarray(offset, offset + CHUNK_BYTES)
      this.#sentResultBytes += piece.length
      this.run.headway.add(piece.length)
      const last = this.#sentResultBytes === bytes.length
      this.#send({ case: 'result', value: { lease, offset, bytes: piece, last } })
      return true
    }
    this.#sentFinish = true
    this.#send({ case: 'finish', value: { lease, receipt } })
    this.#expectAnswer()
    return true
  }

  #send(body: Said): void {
    const link = this.#link
    if (link === undefined || link.send(frames.workerToGateway.encode({ body }))) return
    this.#full = true
    this.#expectAnswer()
    link.drained(this.run.signal).then(
      () => {
        if (this.#link !== link || this.#closed) return
        this.#full = false
        if (this.#ready && !this.#sentFinish) this.#watch?.cancel()
        this.#flush()
      },
      // The link is gone: whoever holds it says so by `detached`. Or the attempt was stopped.
      () => {},
    )
  }

  #hasRoom(): boolean {
    return !this.#full && this.#outputs.unitsAfter(this.#sentSeq) < this.#components.limits.outputBytes / 2
  }

  /** A link on which a due answer stays away is dropped; a new one may do better. */
  #expectAnswer(): void {
    const { clock, limits, reset } = this.#components
    this.#watch?.cancel()
    this.#watch = clock.after(limits.gatewayAnswerMs, () => {
      if (this.#link === undefined) return
      if (++this.#resets > MAX_RESETS) this.#fail('it does not answer')
      else reset(this.#link)
    })
  }

  #fail(detail: string): void {
    const why = refusal('gateway-unavailable', `the gateway ${this.run.header.gateway}: ${detail}`)
    this.run.stop(failed(why, Fault.GATEWAY))
  }

  #orStopped<T>(begin: (resolve: (value: T) => void) => void): Promise<T> {
    const { signal } = this.run
    return new Promise<T>((resolve, reject) => {
      const stop = (): void => reject(new EdgeCoderError('cancelled', 'the attempt was stopped'))
      if (signal.aborted) {
        stop()
        return
      }
      signal.addEventListener('abort', stop)
      begin((value) => {
        signal.removeEventListener('abort', stop)
        resolve(value)
      })
    })
  }
}
