import type { MessageInitShape } from '@bufbuild/protobuf'
import { type Refusal, toWire } from '../../core/refusal.js'
import type { Link } from '../../ports/network.js'
import { frames, isMalformed } from '../../wire/frame.js'
import type { LeaseRef } from '../../wire/generated/edgecoder/control/v1/worker_pb.js'
import type {
  Chunk,
  Finish,
  GatewayToWorkerSchema,
  Open,
  Output,
} from '../../wire/generated/edgecoder/data/v1/data_pb.js'
import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import { CHUNK_BYTES } from '../../wire/limits.js'
import type { Lease, LeaseHolder, LiveTask } from './live-task.js'
import type { ResultIntake } from './result-intake.js'

/** One attempt that a worker has open on its link. */
export interface OpenAttempt extends LeaseHolder {
  readonly link: DataLink
  readonly task: LiveTask
  readonly lease: Lease
  readonly ref: LeaseRef
  readonly result: ResultIntake
  /** Its Finish is being checked and written. */
  finishing: boolean
  over: boolean
}

/** What the desk does with what a worker says. */
export interface DataDeskSide {
  open(link: DataLink, ref: LeaseRef, open: Open): void
  output(attempt: OpenAttempt, output: Output): void
  result(attempt: OpenAttempt, chunk: Chunk): void
  /** `attempt` is absent when the lease is not open on this link. */
  finish(link: DataLink, ref: LeaseRef, attempt: OpenAttempt | undefined, finish: Finish): void
  malformed(link: DataLink, why: string): void
  closed(link: DataLink): void
}

type Said = NonNullable<MessageInitShape<typeof GatewayToWorkerSchema>['body']>

/** The data stream of one worker: all its attempts for this gateway go over it, told apart by lease. */
export class DataLink {
  readonly worker: string
  readonly #link: Link
  readonly #desk: DataDeskSide
  readonly #attempts = new Map<string, OpenAttempt>()
  #opening = 0
  #used = false
  #closed = false

  constructor(link: Link, desk: DataDeskSide) {
    this.worker = link.peerId
    this.#link = link
    this.#desk = desk
  }

  listen(): void {
    this.#link.receive({
      frame: (bytes) => this.#frame(bytes),
      closed: () => this.#ended(),
    })
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Was anything ever opened on it? */
  get used(): boolean {
    return this.#used
  }

  /** Attempts open, and opens that are still being looked at. */
  get load(): number {
    return this.#attempts.size + this.#opening
  }

  /** Counts an open that is being looked at. @returns to be called when that is over */
  opening(): () => void {
    this.#opening++
    this.#used = true
    return () => {
      this.#opening--
    }
  }

  add(attempt: OpenAttempt): void {
    this.#attempts.set(nameOf(attempt.ref), attempt)
  }

  /** Forgets an attempt, and gives its memory back. @returns false when it was not open here any more */
  drop(attempt: OpenAttempt): boolean {
    const name = nameOf(attempt.ref)
    attempt.over = true
    attempt.result.drop()
    if (attempt.lease.holder === attempt) attempt.lease.holder = undefined
    return this.#attempts.get(name) === attempt && this.#attempts.delete(name)
  }

  get(ref: LeaseRef): OpenAttempt | undefined {
    return this.#attempts.get(nameOf(ref))
  }

  refuse(lease: LeaseRef, why: Refusal): void {
    this.#send({ case: 'refused', value: { lease, why: toWire(why) } })
  }

  resume(lease: LeaseRef, seenSeq: number): void {
    this.#send({ case: 'resume', value: { lease, seenSeq } })
  }

  accept(lease: LeaseRef, acceptance: Envelope): void {
    this.#send({ case: 'accepted', value: { lease, acceptance } })
  }

  /**
   * Sends a payload chunk by chunk, as fast as the worker reads.
   *
   * @returns false when the attempt was over before all was sent
   * @throws EdgeCoderError `link-closed`; `cancelled` when `stalled` gives up
   */
  async sendPayload(
    attempt: OpenAttempt,
    payload: Uint8Array,
    stalled: () => { readonly signal: AbortSignal; readonly done: () => void },
  ): Promise<boolean> {
    for (let offset = 0; offset < payload.length; offset += CHUNK_BYTES) {
      if (attempt.over || this.#closed) return false
      const bytes = new Uint8Array(payload.subarray(offset, offset + CHUNK_BYTES))
      const last = offset + bytes.length === payload.length
      if (this.#send({ case: 'payload', value: { lease: attempt.ref, offset, bytes, last } })) continue
      const { signal, done } = stalled()
      try {
        await this.#link.drained(signal)
      } finally {
        done()
      }
    }
    return true
  }

  abort(reason: string): void {
    this.#link.abort(reason)
    this.#ended()
  }

  async close(): Promise<void> {
    await this.#link.close()
  }

  #send(body: Said): boolean {
    return this.#closed ? false : this.#link.send(frames.gatewayToWorker.encode({ body }))
  }

  #frame(bytes: Uint8Array): void {
    if (this.#closed) return
    const message = frames.workerToGateway.decode(bytes)
    if (isMalformed(message)) {
      this.#desk.malformed(this, message.detail)
      return
    }
    const { body } = message
    const ref = body.value?.lease
    if (ref === undefined) return
    const attempt = this.#attempts.get(nameOf(ref))
    if (body.case === 'open') this.#desk.open(this, ref, body.value)
    else if (body.case === 'finish') this.#desk.finish(this, ref, attempt, body.value)
    // What was under way when the attempt was refused is no offence.
    else if (attempt === undefined || attempt.finishing) return
    else if (body.case === 'output') this.#desk.output(attempt, body.value)
    else if (body.case === 'result') this.#desk.result(attempt, body.value)
    else if (body.case === 'abandon') this.drop(attempt)
  }

  #ended(): void {
    if (this.#closed) return
    this.#closed = true
    for (const attempt of [...this.#attempts.values()]) this.drop(attempt)
    this.#desk.closed(this)
  }
}

function nameOf(ref: LeaseRef): string {
  return `${ref.taskId}#${ref.fence}`
}
