import type { MessageInitShape } from '@bufbuild/protobuf'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Link, LinkReceiver, Network, Offence } from '../../ports/network.js'
import { frames, isMalformed } from '../../wire/frame.js'
import type {
  LedgerFrame,
  LedgerFrameSchema,
  LogHead,
  RangePiece,
} from '../../wire/generated/edgecoder/ledger/v1/replication_pb.js'
import { BEAT_MS, HELLO_MS, RANGE_MS, SILENT_MS } from './constants.js'
import { type Range, RangeIntake } from './range-intake.js'
import { type SnapshotAnswer, SnapshotCalls } from './snapshot-calls.js'

type Body = LedgerFrame['body']
/** What one coordinator may say to the other once both have said hello. */
export type Said = Exclude<
  Body,
  SnapshotAnswer | { case: 'hello' | 'beat' | 'rangePiece' | 'rangeRefused' | undefined }
>
type Saying = NonNullable<MessageInitShape<typeof LedgerFrameSchema>['body']>

/** Whoever acts on what is said; all of it returns at once. */
export interface LinkDesk {
  /** Both ends have said hello. */
  opened(link: CoordinatorLink, heads: readonly LogHead[]): void
  said(link: CoordinatorLink, what: Said): void
  closed(link: CoordinatorLink, reason: string): void
}

interface Components {
  readonly network: Pick<Network, 'penalise'>
  readonly clock: Clock
}

interface RangeCall {
  readonly intake: RangeIntake
  readonly done: (outcome: Range | Refusal) => void
  readonly begun: (size: number) => void
  timer: Timer
}

/**
 * The one stream between this coordinator and another one: hello, signs of life, and ranges as they come
 * in.
 */
export class CoordinatorLink implements LinkReceiver {
  /** Asks for snapshots; only where the other one knows them. */
  readonly snapshots: SnapshotCalls
  readonly #components: Components
  readonly #link: Link
  readonly #desk: LinkDesk
  readonly #calls = new Map<number, RangeCall>()
  readonly #startMs: number
  #heardMs: number
  #asks = 0
  #greeted = false
  #knowsSnapshots = false
  #over = false
  #beat: Timer | undefined

  constructor(components: Components, link: Link, desk: LinkDesk) {
    this.#components = components
    this.#link = link
    this.snapshots = new SnapshotCalls(components.clock, this)
    this.#desk = desk
    this.#startMs = components.clock.monotonicMs()
    this.#heardMs = this.#startMs
  }

  get peerId(): string {
    return this.#link.peerId
  }

  get knowsSnapshots(): boolean {
    return this.#knowsSnapshots
  }

  get ageMs(): number {
    return this.#components.clock.monotonicMs() - this.#startMs
  }

  /**
   * Says hello, and takes the stream over. In this order: a hello that has come already is answered within
   * `receive`, and what answers it may not be the first that the other end hears.
   */
  begin(heads: readonly Omit<LogHead, '$typeName'>[]): void {
    this.#beat = this.#components.clock.every(BEAT_MS, () => this.#pulse())
    this.say({ case: 'hello', value: { heads: { heads: [...heads] }, snapshots: true } })
    this.#link.receive(this)
  }

  /** @returns false when the link is over, or so full that more must wait: {@link CoordinatorLink.room} */
  say(body: Saying): boolean {
    return !this.#over && this.#link.send(frames.ledger.encode({ body }))
  }

  /** Resolves when there is room for more. @returns false when the link is over */
  async room(): Promise<boolean> {
    if (this.#over) return false
    try {
      await this.#link.drained()
      return !this.#over
    } catch {
      return false
    }
  }

  /** A number for an ask of this link. */
  nextAsk(): number {
    this.#asks = (this.#asks % 0xffff_ffff) + 1
    return this.#asks
  }

  /**
   * Asks for the entries of a log from an index on, up to the next checkpoint that the other one keeps.
   *
   * @param begun is told the size of that checkpoint when the first of them are here
   */
  range(origin: string, from: number, begun: (size: number) => void): Promise<Range | Refusal> {
    if (this.#over) return Promise.resolve(lost())
    const ask = this.nextAsk()
    return new Promise((resolve) => {
      const done = (outcome: Range | Refusal): void => {
        this.#calls.get(ask)?.timer.cancel()
        this.#calls.delete(ask)
        resolve(outcome)
      }
      const intake = new RangeIntake(origin, from)
      this.#calls.set(ask, { intake, done, begun, timer: this.#patience(ask) })
      this.say({ case: 'rangeAsk', value: { ask, origin, from: BigInt(from) } })
    })
  }

  frame(bytes: Uint8Array): void {
    if (this.#over) return
    this.#heardMs = this.#components.clock.monotonicMs()
    const message = frames.ledger.decode(bytes)
    if (isMalformed(message)) this.offend('malformed-frame', message.detail)
    else if ((message.body.case === 'hello') === this.#greeted) {
      this.offend('protocol-violation', this.#greeted ? 'a second hello' : 'the first message was no hello')
    } else this.#said(message.body)
  }

  closed(reason: string): void {
    if (this.#over) return
    this.#over = true
    this.#beat?.cancel()
    for (const call of [...this.#calls.values()]) call.done(lost())
    this.snapshots.end()
    this.#desk.closed(this, reason)
  }

  /** Ends the link over what the other one did. */
  offend(offence: Offence, detail: string): void {
    this.#components.network.penalise(this.peerId, offence)
    this.abort(`${offence}: ${detail}`)
  }

  abort(reason: string): void {
    this.#link.abort(reason)
    this.closed(reason)
  }

  /** Says what is queued, then closes. */
  async close(): Promise<void> {
    if (this.#over) return
    const closing = this.#link.close()
    this.closed('closed here')
    await closing
  }

  #said(body: Body): void {
    if (body.case === 'hello') {
      this.#greeted = true
      this.#knowsSnapshots = body.value.snapshots
      this.#desk.opened(this, body.value.heads?.heads ?? [])
    } else if (body.case === 'rangePiece') this.#piece(body.value)
    else if (body.case === 'rangeRefused') {
      const { code = 'internal', detail = '' } = body.value.why ?? {}
      const why = refusal('not-found', `${this.peerId} refused: ${code}: ${detail}`)
      this.#calls.get(body.value.ask)?.done(why)
    } else if (isSnapshotAnswer(body)) this.snapshots.answered(body)
    else if (body.case !== 'beat' && body.case !== undefined) this.#desk.said(this, body)
  }

  #piece(piece: RangePiece): void {
    const call = this.#calls.get(piece.ask)
    // Given up meanwhile.
    if (call === undefined) return
    call.timer.cancel()
    const isFirst = call.intake.size === undefined
    const taken = call.intake.take(piece)
    if (taken === 'more') call.timer = this.#patience(piece.ask)
    else call.done(taken)
    if (taken !== 'more' && isRefusal(taken)) this.offend('protocol-violation', taken.detail)
    else if (isFirst && call.intake.size !== undefined) call.begun(call.intake.size)
  }

  #patience(ask: number): Timer {
    return this.#components.clock.after(RANGE_MS, () => {
      this.#calls.get(ask)?.done(refusal('timed-out', `${this.peerId} sent no entries for ${RANGE_MS} ms`))
    })
  }

  #pulse(): void {
    const silentMs = this.#components.clock.monotonicMs() - this.#heardMs
    if (silentMs >= SILENT_MS || (!this.#greeted && silentMs >= HELLO_MS)) {
      this.abort(`nothing was heard for ${Math.round(silentMs)} ms`)
    } else this.say({ case: 'beat', value: {} })
  }
}

function isSnapshotAnswer(body: Body): body is SnapshotAnswer {
  const { case: kind } = body
  return kind === 'snapshotHead' || kind === 'snapshotPiece' || kind === 'snapshotRefused'
}

function lost(): Refusal {
  return refusal('link-closed', 'the link to the coordinator is closed')
}
