import assert from 'node:assert/strict'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { EdgeCoderError } from '../../core/errors.js'
import { fromWire, type Refusal, refusal, toWire } from '../../core/refusal.js'
import { clockAheadMs, type ToldTime, toldTime } from '../../core/told-time.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Link, Network, PeerAddress } from '../../ports/network.js'
import { frames, isMalformed } from '../../wire/frame.js'
import type {
  AllotAnswer,
  CancelAnswer,
  Capacity,
  CheckAsk,
  CoordinatorToGateway,
  DisputeAnswer,
  Explanation,
  GatewayToCoordinatorSchema,
  HistoryAnswer,
  PaymentAnswer,
  SubmitAnswer,
  SyncAnswer,
  TaskState,
  TransferAnswer,
  WalletAnswer,
} from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import { CONTROL_FRAME_BYTES } from '../../wire/limits.js'

/** What a coordinator says unasked. */
export interface CoordinatorSpeech {
  state(link: CoordinatorLink, state: TaskState): void
  capacity(link: CoordinatorLink, capacity: Capacity): void
  /** Somebody else is to run the tests of a result again. */
  check(link: CoordinatorLink, ask: CheckAsk): void
  /** Exactly once, after the link was attached. */
  closed(link: CoordinatorLink, reason: string): void
}

/** Why a coordinator should drop a task, as in the Cancel message. */
export interface CancelWord {
  readonly reason: string
  /** With `delivered`: of the lease that brought the result. */
  readonly fence?: bigint
  /** With `delivered`: what both ends signed, by which the coordinator pays. */
  readonly receipt?: Envelope
  readonly acceptance?: Envelope
}

interface Components {
  readonly network: Network
  readonly clock: Clock
  /** Is this coordinator still admitted? Asked at each heartbeat. */
  readonly admits: (peerId: string) => boolean
}

interface Init {
  readonly protocol: string
  readonly version: string
  readonly attachTimeoutMs: number
  readonly askTimeoutMs: number
}

type Body = CoordinatorToGateway['body']
type Said = NonNullable<MessageInitShape<typeof GatewayToCoordinatorSchema>['body']>
type Answer = Extract<
  Body,
  {
    case:
      | 'submitted'
      | 'cancelled'
      | 'synced'
      | 'explanation'
      | 'wallet'
      | 'history'
      | 'payment'
      | 'transfer'
      | 'allotted'
      | 'dispute'
  }
>

interface Ask {
  readonly expects: Answer['case']
  readonly resolve: (answer: Answer) => void
  readonly reject: (fault: EdgeCoderError) => void
  readonly timer: Timer
}

const ADDRESSES = 16
const ADDRESS_BYTES = 256
/** Heartbeats without a word from the coordinator before the link is taken for dead. */
const SILENT_BEATS = 3
const LEAST_HEARTBEAT_MS = 100
const MOST_HEARTBEAT_MS = 30_000

/**
 * One attached stream to a coordinator: asks by id, states as they come, a heartbeat that finds half-open
 * links.
 */
export class CoordinatorLink {
  readonly peerId: string
  readonly #components: Components
  readonly #init: Init
  readonly #link: Link
  readonly #speech: CoordinatorSpeech
  readonly #asks = new Map<number, Ask>()
  #lastAsk = 0
  #stage: 'greeting' | 'attached' | 'closed' = 'greeting'
  #greeted: ((refused: Refusal | undefined) => void) | undefined
  #heardMs: number
  #heartbeat: Timer | undefined
  #disputes = false
  #helloMs = 0
  #time: ToldTime | undefined

  private constructor(components: Components, init: Init, link: Link, speech: CoordinatorSpeech) {
    this.#components = components
    this.#init = init
    this.#link = link
    this.#speech = speech
    this.peerId = link.peerId
    this.#heardMs = components.clock.monotonicMs()
  }

  /**
   * Dials, says hello and waits for the welcome.
   *
   * @returns a refusal when the coordinator says no or nothing
   * @throws EdgeCoderError of the dial
   */
  static async attach(
    components: Components,
    init: Init,
    peer: PeerAddress,
    speech: CoordinatorSpeech,
    signal: AbortSignal,
  ): Promise<CoordinatorLink | Refusal> {
    const giveUp = new AbortController()
    const timer = components.clock.after(init.attachTimeoutMs, () => giveUp.abort())
    const both = AbortSignal.any([signal, giveUp.signal])
    try {
      const link = await components.network.dial(peer, init.protocol, {
        signal: both,
        maxFrameBytes: CONTROL_FRAME_BYTES,
      })
      const attached = new CoordinatorLink(components, init, link, speech)
      const refused = await attached.#greet(both)
      return refused ?? attached
    } finally {
      timer.cancel()
    }
  }

  get open(): boolean {
    return this.#stage === 'attached'
  }

  /** @see clockAheadMs @returns undefined when the coordinator told no time */
  get clockAheadMs(): number | undefined {
    const { clock } = this.#components
    return clockAheadMs(this.#time, clock.nowMs(), clock.monotonicMs())
  }

  /** The coordinator understands disputes. */
  get disputes(): boolean {
    return this.#disputes
  }

  async submit(order: Envelope): Promise<SubmitAnswer> {
    const answer = await this.#ask('submitted', (ask) => ({ case: 'submit', value: { ask, order } }))
    assert(answer.case === 'submitted')
    return answer.value
  }

  async cancel(taskId: string, word: CancelWord): Promise<CancelAnswer> {
    const value = { taskId, ...word }
    const answer = await this.#ask('cancelled', (ask) => ({ case: 'cancel', value: { ask, ...value } }))
    assert(answer.case === 'cancelled')
    return answer.value
  }

  /** @param taskIds at most 1024 */
  async sync(taskIds: string[]): Promise<SyncAnswer> {
    const answer = await this.#ask('synced', (ask) => ({ case: 'sync', value: { ask, taskIds } }))
    assert(answer.case === 'synced')
    return answer.value
  }

  async explain(taskId: string): Promise<Explanation> {
    const answer = await this.#ask('explanation', (ask) => ({ case: 'explain', value: { ask, taskId } }))
    assert(answer.case === 'explanation')
    return answer.value
  }

  async wallet(account: string): Promise<WalletAnswer> {
    const answer = await this.#ask('wallet', (ask) => ({ case: 'wallet', value: { ask, account } }))
    assert(answer.case === 'wallet')
    return answer.value
  }

  /** @param before 0 = from the newest on @param limit at most 200 */
  async history(account: string, before: bigint, limit: number): Promise<HistoryAnswer> {
    const value = { account, before, limit }
    const answer = await this.#ask('history', (ask) => ({ case: 'history', value: { ask, ...value } }))
    assert(answer.case === 'history')
    return answer.value
  }

  async payment(taskId: string): Promise<PaymentAnswer> {
    const answer = await this.#ask('payment', (ask) => ({ case: 'payment', value: { ask, taskId } }))
    assert(answer.case === 'payment')
    return answer.value
  }

  async transfer(transfer: Envelope): Promise<TransferAnswer> {
    const answer = await this.#ask('transfer', (ask) => ({ case: 'transfer', value: { ask, transfer } }))
    assert(answer.case === 'transfer')
    return answer.value
  }

  async allot(order: Envelope): Promise<AllotAnswer> {
    const answer = await this.#ask('allotted', (ask) => ({ case: 'allot', value: { ask, order } }))
    assert(answer.case === 'allotted')
    return answer.value
  }

  /** @param dispute left out = how does it stand? */
  async dispute(taskId: string, dispute?: Envelope): Promise<DisputeAnswer> {
    const value = { taskId, ...(dispute === undefined ? {} : { dispute }) }
    const answer = await this.#ask('dispute', (ask) => ({ case: 'dispute', value: { ask, ...value } }))
    assert(answer.case === 'dispute')
    return answer.value
  }

  /** No check is ordered under this id. */
  refuseCheck(checkId: string, why: Refusal): void {
    this.#send({ case: 'checkRefused', value: { checkId, why: toWire(why) } })
  }

  /** Sends what is queued, then closes. */
  async close(): Promise<void> {
    await this.#link.close()
  }

  abort(reason: string): void {
    this.#link.abort(reason)
    this.#ended(reason)
  }

  #greet(signal: AbortSignal): Promise<Refusal | undefined> {
    return new Promise((resolve) => {
      const giveUp = (): void => this.abort('no welcome in time')
      this.#greeted = (refused) => {
        signal.removeEventListener('abort', giveUp)
        this.#greeted = undefined
        resolve(refused)
      }
      signal.addEventListener('abort', giveUp)
      this.#link.receive({
        frame: (bytes) => this.#frame(bytes),
        closed: (reason) => this.#ended(reason),
      })
      const addresses = this.#components.network.addresses().filter((a) => a.length <= ADDRESS_BYTES)
      const { version } = this.#init
      this.#helloMs = this.#components.clock.monotonicMs()
      this.#send({
        case: 'hello',
        value: { addresses: addresses.slice(0, ADDRESSES), version, checks: true },
      })
    })
  }

  #frame(bytes: Uint8Array): void {
    if (this.#stage === 'closed') return
    const message = frames.coordinatorToGateway.decode(bytes)
    if (isMalformed(message)) {
      this.#offended('malformed-frame', message.detail)
      return
    }
    this.#heardMs = this.#components.clock.monotonicMs()
    if (this.#stage === 'greeting') this.#greeting(message.body)
    else this.#said(message.body)
  }

  #said(body: Body): void {
    if (body.case === 'state') this.#speech.state(this, body.value)
    else if (body.case === 'capacity') this.#speech.capacity(this, body.value)
    else if (body.case === 'check') this.#speech.check(this, body.value)
    else if (body.case === 'refused') this.abort(`refused: ${body.value.code}`)
    else if (body.case === 'welcome') this.#offended('protocol-violation', 'a second welcome')
    else if (body.case !== 'pong' && body.case !== undefined) this.#answer(body)
  }

  #greeting(body: Body): void {
    if (body.case === 'refused') {
      const refused = fromWire(body.value)
      this.#greeted?.(refused)
      this.abort(`refused: ${refused.code}`)
    } else if (body.case === 'welcome') {
      this.#stage = 'attached'
      this.#disputes = body.value.disputes
      this.#time = toldTime(body.value.timeMs, this.#helloMs, this.#heardMs)
      this.#beat(Math.min(MOST_HEARTBEAT_MS, Math.max(LEAST_HEARTBEAT_MS, body.value.heartbeatMs)))
      this.#greeted?.(undefined)
    } else this.#offended('protocol-violation', 'it spoke before its welcome')
  }

  #beat(heartbeatMs: number): void {
    const { clock, admits } = this.#components
    this.#heartbeat = clock.every(heartbeatMs, () => {
      if (clock.monotonicMs() - this.#heardMs > heartbeatMs * SILENT_BEATS) this.abort('silent')
      else if (!admits(this.peerId)) this.abort('no longer admitted')
      else this.#send({ case: 'ping', value: { ask: 0 } })
    })
  }

  #answer(body: Answer): void {
    const ask = this.#asks.get(body.value.ask)
    if (ask === undefined) return
    if (ask.expects !== body.case) {
      this.#offended('protocol-violation', `a ${body.case} to another ask`)
      return
    }
    this.#asks.delete(body.value.ask)
    ask.timer.cancel()
    ask.resolve(body)
  }

  #ask(expects: Answer['case'], body: (ask: number) => Said): Promise<Answer> {
    if (!this.open) return Promise.reject(this.#closedFault('it is closed'))
    this.#lastAsk = (this.#lastAsk % 0xffff_ffff) + 1
    const id = this.#lastAsk
    return new Promise<Answer>((resolve, reject) => {
      const late = (): void => this.abort(`nothing ${expects} in time`)
      const timer = this.#components.clock.after(this.#init.askTimeoutMs, late)
      this.#asks.set(id, { expects, resolve, reject, timer })
      this.#send(body(id))
    })
  }

  #send(body: Said): void {
    if (this.#stage !== 'closed') this.#link.send(frames.gatewayToCoordinator.encode({ body }))
  }

  #offended(offence: 'malformed-frame' | 'protocol-violation', why: string): void {
    this.#components.network.penalise(this.peerId, offence)
    this.abort(`${offence}: ${why}`)
  }

  #ended(reason: string): void {
    if (this.#stage === 'closed') return
    const before = this.#stage
    this.#stage = 'closed'
    this.#heartbeat?.cancel()
    const fault = this.#closedFault(reason)
    for (const ask of this.#asks.values()) {
      ask.timer.cancel()
      ask.reject(fault)
    }
    this.#asks.clear()
    if (before === 'greeting')
      this.#greeted?.(refusal('unreachable', `The coordinator gave no welcome: ${reason}.`))
    else this.#speech.closed(this, reason)
  }

  #closedFault(reason: string): EdgeCoderError {
    return new EdgeCoderError('link-closed', `The stream to coordinator ${this.peerId} ended: ${reason}.`)
  }
}
