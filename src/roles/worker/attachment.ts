import type { MessageInitShape } from '@bufbuild/protobuf'
import { fromWire, type Refusal, refusal } from '../../core/refusal.js'
import { clockAheadMs, type ToldTime, toldTime } from '../../core/told-time.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Link, Network, Offence, PeerAddress } from '../../ports/network.js'
import { frames, isMalformed } from '../../wire/frame.js'
import type {
  CancelLease,
  CoordinatorToWorker,
  DoneAck,
  Lease,
  ProgressSchema,
  Renewed,
  WhyIdle,
  WorkerHelloSchema,
  WorkerToCoordinatorSchema,
  WorkerWelcome,
} from '../../wire/generated/edgecoder/control/v1/worker_pb.js'
import { CONTROL_FRAME_BYTES } from '../../wire/limits.js'
import type { RegistrationToken } from '../../wire/registration-token.js'
import { refusalOf } from './fault.js'
import type { Offer } from './slot-book.js'
import { deadline } from './waiting.js'
import type { WorkerLimits } from './worker-limits.js'

/** Whoever takes the leases that come over attachments. */
export interface AttachmentOwner {
  /** What to say first; the coordinator may count on its `slots`. */
  hello(coordinator: string): MessageInitShape<typeof WorkerHelloSchema>
  /** Do attempts of this coordinator run here, or outcomes wait for it? If not, beats may be rarer. */
  isBoundTo(coordinator: string): boolean
  /** How this coordinator's attempts get on, for the next beat. */
  progress(coordinator: string): MessageInitShape<typeof ProgressSchema>[]
  welcomed(attachment: Attachment, welcome: WorkerWelcome): void
  leased(attachment: Attachment, lease: Lease): void
  renewed(coordinator: string, renewed: Renewed): void
  cancelled(coordinator: string, cancel: CancelLease): void
  acknowledged(coordinator: string, ack: DoneAck): void
  /** Exactly once, and only after `welcomed`. */
  left(attachment: Attachment): void
}

export interface AttachmentComponents {
  readonly network: Network
  readonly clock: Clock
  readonly limits: WorkerLimits
  readonly owner: AttachmentOwner
  /** Protocol id of the control stream. */
  readonly protocol: string
  /** Shown to the coordinator that made it, and to no other one. */
  readonly registration?: RegistrationToken | undefined
}

type Said = NonNullable<MessageInitShape<typeof WorkerToCoordinatorSchema>['body']>

/** A coordinator may set the pace within these bounds. */
const FASTEST_BEAT_MS = 20
const SLOWEST_BEAT_MS = 60_000
/** Says no more than that this worker is there. */
const EMPTY_BEAT = frames.workerToCoordinator.encode({ body: { case: 'beat', value: {} } })
/** Questions under way at once; further ones are answered with nothing. */
const MAX_QUESTIONS = 16

function within(heartbeatMs: number): number {
  return Math.min(SLOWEST_BEAT_MS, Math.max(FASTEST_BEAT_MS, heartbeatMs))
}

/**
 * Dials a coordinator and says hello.
 *
 * @returns the attachment once it is welcomed; else why not, as the coordinator or the network put it
 */
export async function attach(
  components: AttachmentComponents,
  coordinator: PeerAddress,
  signal: AbortSignal,
): Promise<Attachment | Refusal> {
  const { network, clock, limits, protocol } = components
  const limit = deadline(clock, limits.attachMs, signal)
  try {
    const link = await network.dial(coordinator, protocol, {
      signal: limit.signal,
      maxFrameBytes: CONTROL_FRAME_BYTES,
    })
    const attachment = new Attachment(components, coordinator, link)
    const why = await attachment.begin(limit.signal)
    return why ?? attachment
  } catch (error) {
    return refusalOf(error)
  } finally {
    limit.release()
  }
}

/** One control link to one coordinator, from hello to its end. */
export class Attachment {
  readonly coordinator: PeerAddress
  readonly sinceMs: number
  readonly #components: AttachmentComponents
  readonly #link: Link
  readonly #questions = new Map<number, (answer: WhyIdle | undefined) => void>()
  #lastQuestion = 0
  #told: Offer = { free: 0, reason: '' }
  #helloMs = 0
  #time: ToldTime | undefined
  #state: 'greeting' | 'open' | 'closed' = 'greeting'
  #heartbeatMs = 0
  #idleHeartbeatMs = 0
  /** When the first beat was sent that nothing came after. */
  #askedMs: number | undefined
  #paceMs = 0
  #beats: Timer | undefined
  #earlyBeat: Timer | undefined
  #ended: (why: Refusal) => void = () => {}
  #greeted: (why: Refusal | undefined) => void = () => {}
  /** Why it ended; never rejects. */
  readonly closed: Promise<Refusal>

  constructor(components: AttachmentComponents, coordinator: PeerAddress, link: Link) {
    this.coordinator = coordinator
    this.sinceMs = components.clock.nowMs()
    this.#components = components
    this.#link = link
    this.closed = new Promise((resolve) => {
      this.#ended = resolve
    })
  }

  get peerId(): string {
    return this.coordinator.peerId
  }

  /** Slots that the coordinator counts on. */
  get offered(): number {
    return this.#told.free
  }

  /** @see clockAheadMs @returns undefined when the coordinator told no time */
  get clockAheadMs(): number | undefined {
    const { clock } = this.#components
    return clockAheadMs(this.#time, clock.nowMs(), clock.monotonicMs())
  }

  /** How late the news of a renewal may come while the link is up. */
  get graceMs(): number {
    return 2 * this.#heartbeatMs
  }

  /** Says hello. @returns why it came to nothing, or undefined when welcomed */
  begin(signal: AbortSignal): Promise<Refusal | undefined> {
    return new Promise((resolve) => {
      const late = (): void => this.#end(refusal('timed-out', 'the coordinator did not answer the hello'))
      this.#greeted = (why) => {
        signal.removeEventListener('abort', late)
        resolve(why)
      }
      this.#link.receive({
        frame: (bytes) => this.#frame(bytes),
        closed: (reason) =>
          this.#end(refusal('link-closed', `the link to the coordinator closed: ${reason}`)),
      })
      if (signal.aborted) late()
      else signal.addEventListener('abort', late)
      const { owner, registration, clock } = this.#components
      const hello = owner.hello(this.peerId)
      this.#told = { free: hello.slots ?? 0, reason: '' }
      const secret = registration?.issuer === this.peerId ? { registrationSecret: registration.secret } : {}
      this.#helloMs = clock.monotonicMs()
      this.send({ case: 'hello', value: { ...hello, ...secret } })
    })
  }

  send(body: Said): void {
    if (this.#state !== 'closed') this.#link.send(frames.workerToCoordinator.encode({ body }))
  }

  /** Tells the offer if the coordinator counts on another one. */
  offer(now: Offer): void {
    if (this.#state !== 'open') return
    if (now.free === this.#told.free && (now.free > 0 || now.reason === this.#told.reason)) return
    this.#told = now
    this.send({ case: 'slots', value: now })
  }

  /** Notes the slots that go out inside another message, which has no room for a reason. */
  offerTold(free: number): number {
    this.#told = { free, reason: '' }
    return free
  }

  /** A stage moved: says so soon, without waiting for the next beat. */
  beatSoon(): void {
    if (this.#state !== 'open' || this.#earlyBeat !== undefined) return
    const { clock, limits } = this.#components
    this.#earlyBeat = clock.after(limits.earlyBeatMs, () => {
      this.#tick()
    })
  }

  /** @returns undefined when no answer came before `signal` aborted */
  whyIdle(signal: AbortSignal): Promise<WhyIdle | undefined> {
    if (this.#state !== 'open' || this.#questions.size >= MAX_QUESTIONS) return Promise.resolve(undefined)
    this.#lastQuestion = (this.#lastQuestion % 0xffff_ffff) + 1
    const id = this.#lastQuestion
    return new Promise((resolve) => {
      const done = (answer: WhyIdle | undefined): void => {
        this.#questions.delete(id)
        signal.removeEventListener('abort', giveUp)
        resolve(answer)
      }
      const giveUp = (): void => done(undefined)
      this.#questions.set(id, done)
      if (signal.aborted) giveUp()
      else signal.addEventListener('abort', giveUp)
      this.send({ case: 'whyIdle', value: { id } })
    })
  }

  /** Says goodbye, so that nobody waits for this worker to come back, then closes. */
  leave(): void {
    this.offer({ free: 0, reason: 'draining' })
    this.#end(refusal('shutting-down', 'this worker left the coordinator'), () => void this.#link.close())
  }

  #frame(bytes: Uint8Array): void {
    // What comes while we leave is nobody's offence.
    if (this.#state === 'closed') return
    const message = frames.coordinatorToWorker.decode(bytes)
    if (isMalformed(message)) {
      this.#offend('malformed-frame', message.detail)
      return
    }
    this.#askedMs = undefined
    if (message.body.case === 'refused') this.#end(fromWire(message.body.value))
    else if (this.#state === 'open') this.#take(message.body)
    else if (message.body.case === 'welcome') this.#open(message.body.value)
    else this.#offend('protocol-violation', `"${message.body.case}" came before the welcome`)
  }

  #open(welcome: WorkerWelcome): void {
    const { owner, clock } = this.#components
    this.#state = 'open'
    this.#time = toldTime(welcome.timeMs, this.#helloMs, clock.monotonicMs())
    this.#heartbeatMs = within(welcome.heartbeatMs)
    this.#idleHeartbeatMs = within(welcome.idleHeartbeatMs || welcome.heartbeatMs)
    this.#keepPace(true)
    owner.welcomed(this, welcome)
    this.#greeted(undefined)
  }

  #take(body: CoordinatorToWorker['body']): void {
    const { owner } = this.#components
    switch (body.case) {
      case 'lease':
        this.#told = { free: Math.max(0, this.#told.free - 1), reason: '' }
        owner.leased(this, body.value)
        break
      case 'beatAck':
        for (const renewed of body.value.renewed) owner.renewed(this.peerId, renewed)
        break
      case 'cancel':
        owner.cancelled(this.peerId, body.value)
        break
      case 'doneAck':
        owner.acknowledged(this.peerId, body.value)
        break
      case 'whyIdle':
        this.#questions.get(body.value.id)?.(body.value)
        break
      default:
        this.#offend('protocol-violation', `"${body.case}" came after the welcome`)
    }
  }

  /** Beats, unless what it said has not been answered for too long. */
  #tick(): void {
    const { clock, limits, network, owner } = this.#components
    this.#earlyBeat?.cancel()
    this.#earlyBeat = undefined
    const nowMs = clock.monotonicMs()
    const unanswered = this.#askedMs !== undefined
    this.#askedMs ??= nowMs
    const silentMs = nowMs - this.#askedMs
    if (silentMs < this.#heartbeatMs * limits.unansweredBeats) {
      const progress = owner.progress(this.peerId)
      if (progress.length > 0) this.send({ case: 'beat', value: { progress } })
      else this.#link.send(EMPTY_BEAT)
      this.#keepPace(unanswered)
      return
    }
    this.#end(refusal('link-closed', `the coordinator answered nothing for ${Math.round(silentMs)} ms`))
    // The connection under the link is as dead: the next dial must not use it again.
    void network.disconnect(this.peerId)
  }

  /** @param soon the coordinator may be gone, though nothing runs for it */
  #keepPace(soon: boolean): void {
    const { clock, owner } = this.#components
    const paceMs = soon || owner.isBoundTo(this.peerId) ? this.#heartbeatMs : this.#idleHeartbeatMs
    if (paceMs === this.#paceMs) return
    this.#paceMs = paceMs
    this.#beats?.cancel()
    this.#beats = clock.every(paceMs, () => this.#tick())
  }

  #offend(offence: Offence, detail: string): void {
    this.#components.network.penalise(this.peerId, offence)
    this.#end(
      refusal(offence === 'malformed-frame' ? 'malformed' : 'protocol-violation', detail, {
        next: 'the coordinator may run another version',
      }),
    )
  }

  #end(why: Refusal, drop = (): void => this.#link.abort(why.code)): void {
    if (this.#state === 'closed') return
    const wasOpen = this.#state === 'open'
    this.#state = 'closed'
    this.#beats?.cancel()
    this.#earlyBeat?.cancel()
    drop()
    for (const answer of [...this.#questions.values()]) answer(undefined)
    if (wasOpen) this.#components.owner.left(this)
    this.#greeted(why)
    this.#ended(why)
  }
}
