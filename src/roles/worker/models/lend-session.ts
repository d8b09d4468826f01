import type { MessageInitShape } from '@bufbuild/protobuf'
import { EdgeCoderError } from '../../../core/errors.js'
import { isRefusal, type Refusal, refusal, toWire } from '../../../core/refusal.js'
import type { Clock, Timer } from '../../../ports/clock.js'
import type { ModelFile, OpenModelFile } from '../../../ports/model-files.js'
import type { Link, LinkReceiver, Network } from '../../../ports/network.js'
import { frames, isMalformed } from '../../../wire/frame.js'
import type { ModelAnswerSchema, Span, Want } from '../../../wire/generated/edgecoder/model/v1/model_pb.js'
import { CHUNK_BYTES } from '../../../wire/limits.js'
import { pause } from '../waiting.js'
import { HEADWAY_BYTES, HEADWAY_MS, SPANS_AT_ONCE } from './constants.js'

type Saying = NonNullable<MessageInitShape<typeof ModelAnswerSchema>['body']>

/** Who decides what goes out. */
export interface LendDesk {
  /** @returns the file, or why this peer does not get it now */
  wanted(peerId: string, digest: string): ModelFile | Refusal
  /** The first part is asked for. @returns the file, an upload until {@link LendDesk.ended} */
  begin(session: LendSession, file: ModelFile): Promise<OpenModelFile | Refusal>
  /** May go on? @returns how long to wait before so many bytes may be sent, or why not */
  turn(session: LendSession, file: ModelFile, bytes: number): number | Refusal
  sent(bytes: number): void
  ended(session: LendSession): void
}

interface Components {
  readonly clock: Clock
  readonly network: Pick<Network, 'penalise'>
  readonly desk: LendDesk
}

/** One stream on which another worker takes a file of ours, part by part, as fast as it asks. */
export class LendSession implements LinkReceiver {
  readonly #components: Components
  readonly #link: Link
  readonly #spans: Span[] = []
  readonly #stop = new AbortController()
  #file: ModelFile | undefined
  #open: OpenModelFile | undefined
  #serving = false
  #headway: Timer | undefined
  #sentBytes = 0

  constructor(components: Components, link: Link) {
    this.#components = components
    this.#link = link
  }

  get peerId(): string {
    return this.#link.peerId
  }

  listen(): void {
    this.#headway = this.#components.clock.every(HEADWAY_MS, () => {
      if (this.#sentBytes < HEADWAY_BYTES) this.abort('it takes less than allowed')
      this.#sentBytes = 0
    })
    this.#link.receive(this)
  }

  frame(bytes: Uint8Array): void {
    if (this.#stop.signal.aborted) return
    const ask = frames.modelAsk.decode(bytes)
    if (isMalformed(ask)) this.#offend('malformed-frame', ask.detail)
    else if (ask.body.case === 'want') this.#wanted(ask.body.value)
    else if (ask.body.case === 'span') this.#asked(ask.body.value)
  }

  closed(): void {
    if (this.#stop.signal.aborted) return
    this.#stop.abort()
    this.#headway?.cancel()
    if (!this.#serving) this.#release()
    this.#components.desk.ended(this)
  }

  abort(reason: string): void {
    this.#link.abort(reason)
    this.closed()
  }

  /** Says why not, and ends it. */
  refuse(why: Refusal): void {
    if (this.#stop.signal.aborted) return
    // What to do next is for the owner of this worker.
    const { next: _next, ...told } = why
    this.#say({ case: 'refused', value: toWire(told) })
    void this.#link.close()
    this.closed()
  }

  #wanted({ digest }: Want): void {
    if (this.#file !== undefined) {
      this.#offend('protocol-violation', 'a second file is wanted')
      return
    }
    const file = this.#components.desk.wanted(this.peerId, Buffer.from(digest).toString('hex'))
    if (isRefusal(file)) this.refuse(file)
    else {
      this.#file = file
      this.#say({ case: 'have', value: { bytes: BigInt(file.bytes) } })
    }
  }

  #asked(span: Span): void {
    const file = this.#file
    if (file === undefined || Number(span.offset) + span.bytes > file.bytes)
      this.#offend('protocol-violation', 'a part is asked for that there is none of')
    else if (this.#spans.length >= SPANS_AT_ONCE)
      this.#offend('flood', `over ${SPANS_AT_ONCE} parts are asked for at once`)
    else {
      this.#spans.push(span)
      if (!this.#serving) this.#begin(file)
    }
  }

  #begin(file: ModelFile): void {
    this.#serving = true
    void this.#serve(file).finally(() => {
      this.#serving = false
      if (this.#stop.signal.aborted) this.#release()
    })
  }

  /** Never rejects. */
  async #serve(file: ModelFile): Promise<void> {
    try {
      this.#open ??= orThrow(await this.#components.desk.begin(this, file))
      for (let span = this.#spans[0]; span !== undefined; span = this.#spans[0]) {
        await this.#send(this.#open, Number(span.offset), span.bytes)
        this.#spans.shift()
        if (this.#stop.signal.aborted) return
      }
    } catch (cause) {
      this.refuse(cause instanceof Refused ? cause.why : unreadable(cause))
    }
  }

  async #send(file: OpenModelFile, from: number, bytes: number): Promise<void> {
    const { clock, desk } = this.#components
    const { signal } = this.#stop
    const end = from + bytes
    for (let offset = from; offset < end && !signal.aborted; offset += CHUNK_BYTES) {
      const size = Math.min(CHUNK_BYTES, end - offset)
      await pause(clock, orThrow(desk.turn(this, file, size)), signal)
      const piece = await file.read(offset, size)
      if (piece.length < size) throw new Refused(unreadable())
      if (signal.aborted) return
      const hasRoom = this.#say({ case: 'piece', value: { offset: BigInt(offset), bytes: piece } })
      this.#sentBytes += size
      desk.sent(size)
      if (!hasRoom) await this.#link.drained(signal)
    }
  }

  #say(body: Saying): boolean {
    return this.#link.send(frames.modelAnswer.encode({ body }))
  }

  #offend(offence: 'malformed-frame' | 'protocol-violation' | 'flood', detail: string): void {
    this.#components.network.penalise(this.peerId, offence)
    this.abort(`${offence}: ${detail}`)
  }

  #release(): void {
    this.#open?.close().catch(() => {})
    this.#open = undefined
  }
}

class Refused extends Error {
  readonly why: Refusal

  constructor(why: Refusal) {
    super(why.detail)
    this.why = why
  }
}

function orThrow<T>(value: T | Refusal): T {
  if (isRefusal(value)) throw new Refused(value)
  return value
}

/** What a disk says names a path, which is nobody's business. */
function unreadable(cause?: unknown): Refusal {
  const closed = cause instanceof EdgeCoderError && cause.code === 'link-closed'
  return refusal(closed ? 'link-closed' : 'model-missing', 'the file cannot be read any more')
}
