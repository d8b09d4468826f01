import type { MessageInitShape } from '@bufbuild/protobuf'
import { fromWire, type Refusal, refusal } from '../../../core/refusal.js'
import type { Clock } from '../../../ports/clock.js'
import type { PartialFile } from '../../../ports/model-files.js'
import type { Link, LinkReceiver, Network, Offence } from '../../../ports/network.js'
import { frames, isMalformed } from '../../../wire/frame.js'
import type { ModelAskSchema, Piece } from '../../../wire/generated/edgecoder/model/v1/model_pb.js'
import { SPAN_BYTES } from '../../../wire/limits.js'
import { ANSWER_MS, HEADWAY_BYTES, HEADWAY_MS, SPANS_AT_ONCE } from './constants.js'

type Asking = NonNullable<MessageInitShape<typeof ModelAskSchema>['body']>

interface Components {
  readonly clock: Clock
  readonly network: Pick<Network, 'penalise'>
}

/** The stream on which one peer lends us one file. Nothing is believed before all of it was checked. */
export class LenderLink implements LinkReceiver {
  readonly #components: Components
  readonly #link: Link
  readonly #pieces: Uint8Array[] = []
  /** Why nothing more comes. */
  #why: Refusal | undefined
  #bytes: number | undefined
  /** Where the next piece begins, and where what was asked for ends. */
  #nextOffset = 0
  #askedOffset = 0
  #wake = (): void => {}

  constructor(components: Components, link: Link) {
    this.#components = components
    this.#link = link
    link.receive(this)
  }

  /** Asks for a file, once. @returns how long it is, as the peer says */
  async want(digest: string, signal: AbortSignal): Promise<number | Refusal> {
    const late = this.#components.clock.after(ANSWER_MS, () => this.#fail('timed-out', 'no answer came'))
    this.#ask({ case: 'want', value: { digest: Buffer.from(digest, 'hex') } })
    const stop = this.#stopWith(signal)
    while (this.#bytes === undefined && this.#why === undefined) await this.#change()
    stop()
    late.cancel()
    return this.#why ?? this.#bytes ?? 0
  }

  /**
   * Takes what the file lacks, in order, no faster than it is written.
   *
   * @returns why it did not all come
   * @throws EdgeCoderError as {@link PartialFile.append}
   */
  async take(
    part: PartialFile,
    signal: AbortSignal,
    took: (bytes: number) => void,
  ): Promise<Refusal | undefined> {
    const ofBytes = this.#bytes ?? 0
    this.#nextOffset = part.bytes
    this.#askedOffset = part.bytes
    let lateBytes = part.bytes
    const headway = this.#components.clock.every(HEADWAY_MS, () => {
      const movedBytes = part.bytes - lateBytes
      lateBytes = part.bytes
      if (movedBytes < HEADWAY_BYTES)
        this.#fail('timed-out', `${movedBytes} bytes came in ${HEADWAY_MS / 1000} s`)
    })
    const stop = this.#stopWith(signal)
    try {
      while (part.bytes < ofBytes) {
        this.#askOn(part.bytes, ofBytes)
        const piece = this.#pieces.shift()
        if (piece !== undefined) {
          await part.append(piece)
          took(piece.length)
        } else if (this.#why !== undefined) return this.#why
        else await this.#change()
      }
      return undefined
    } finally {
      stop()
      headway.cancel()
    }
  }

  /** Lets go of the peer. */
  end(): void {
    this.#why ??= refusal('link-closed', 'it was let go')
    void this.#link.close()
  }

  frame(bytes: Uint8Array): void {
    if (this.#why !== undefined) return
    const answer = frames.modelAnswer.decode(bytes)
    if (isMalformed(answer)) this.#offend('malformed-frame', answer.detail)
    else if (answer.body.case === 'refused') this.#end(fromWire(answer.body.value))
    else if (answer.body.case === 'piece') this.#piece(answer.body.value)
    else if (answer.body.case === 'have' && this.#bytes === undefined) {
      this.#bytes = Number(answer.body.value.bytes)
      this.#wake()
    } else this.#offend('protocol-violation', 'it says twice that it has the file')
  }

  closed(reason: string): void {
    this.#end(refusal('link-closed', reason))
  }

  /** Keeps so many parts on the way that what comes is never more than that. */
  #askOn(hereBytes: number, ofBytes: number): void {
    while (
      this.#why === undefined &&
      this.#askedOffset < ofBytes &&
      this.#askedOffset - hereBytes <= (SPANS_AT_ONCE - 1) * SPAN_BYTES
    ) {
      const bytes = Math.min(SPAN_BYTES, ofBytes - this.#askedOffset)
      this.#ask({ case: 'span', value: { offset: BigInt(this.#askedOffset), bytes } })
      this.#askedOffset += bytes
    }
  }

  #piece({ offset, bytes }: Piece): void {
    if (Number(offset) !== this.#nextOffset || this.#nextOffset + bytes.length > this.#askedOffset) {
      this.#offend('protocol-violation', 'a part came that was not asked for')
      return
    }
    this.#nextOffset += bytes.length
    this.#pieces.push(bytes)
    this.#wake()
  }

  #ask(body: Asking): void {
    this.#link.send(frames.modelAsk.encode({ body }))
  }

  /** Resolves at the next piece, answer or end. */
  #change(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    return promise
  }

  #stopWith(signal: AbortSignal): () => void {
    const stop = (): void => this.#fail('cancelled', 'the fetch was called off')
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop)
    return () => signal.removeEventListener('abort', stop)
  }

  #offend(offence: Offence, detail: string): void {
    this.#components.network.penalise(this.#link.peerId, offence)
    this.#fail('protocol-violation', detail)
  }

  #fail(code: 'timed-out' | 'cancelled' | 'protocol-violation', detail: string): void {
    this.#link.abort(detail)
    this.#end(refusal(code, detail))
  }

  #end(why: Refusal): void {
    this.#why ??= why
    this.#wake()
  }
}
