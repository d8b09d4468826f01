import type { MessageInitShape } from '@bufbuild/protobuf'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Link, LinkReceiver, Network, Offence } from '../../ports/network.js'
import { frames, isMalformed } from '../../wire/frame.js'
import type {
  Ask,
  Fork,
  Head,
  Messages,
  PolicyFrame,
  PolicyFrameSchema,
} from '../../wire/generated/edgecoder/policy/v1/policy_pb.js'
import { ANSWER_MS, HEAD_MS, SILENT_MS } from './constants.js'

type Saying = NonNullable<MessageInitShape<typeof PolicyFrameSchema>['body']>

/** How far the chain of a peer goes, as it says. */
export interface PolicyClaim {
  readonly messages: number
  /** Of the newest one; empty when there is none. */
  readonly digest: Uint8Array
  readonly forked: boolean
}

/** Whoever acts on what is said. */
export interface PolicyDesk {
  /** What is said of the chain here. */
  head(): PolicyClaim
  claimed(link: PolicyLink): void
  asked(link: PolicyLink, ask: Ask): void
  accused(link: PolicyLink, fork: Fork): void
  closed(link: PolicyLink, reason: string): void
}

interface Components {
  readonly network: Network
  readonly clock: Clock
}

interface Waiting {
  readonly ask: number
  readonly done: (outcome: readonly Uint8Array[] | Refusal) => void
  readonly timer: Timer
}

/** The stream with one peer on which messages of the policy travel: heads, and one ask at a time. */
export class PolicyLink implements LinkReceiver {
  /** This end dialled. */
  readonly dialled: boolean
  /** What the peer said last; undefined = nothing yet. */
  claim: PolicyClaim | undefined
  readonly #components: Components
  readonly #link: Link
  readonly #desk: PolicyDesk
  #heardMs: number
  #asks = 0
  #waiting: Waiting | undefined
  #beat: Timer | undefined
  #over = false

  constructor(components: Components, link: Link, desk: PolicyDesk, dialled: boolean) {
    this.#components = components
    this.#link = link
    this.#desk = desk
    this.dialled = dialled
    this.#heardMs = components.clock.monotonicMs()
  }

  get peerId(): string {
    return this.#link.peerId
  }

  get over(): boolean {
    return this.#over
  }

  begin(): void {
    this.#beat = this.#components.clock.every(HEAD_MS, () => this.#pulse())
    this.tell()
    this.#link.receive(this)
  }

  /** Says how far the chain here goes. */
  tell(): void {
    const { messages, digest, forked } = this.#desk.head()
    this.say({ case: 'head', value: { messages: BigInt(messages), digest, forked } })
  }

  say(body: Saying): void {
    if (!this.#over) this.#link.send(frames.policy.encode({ body }))
  }

  /** Asks for messages from a place on. @returns none when the peer has none there */
  ask(from: number): Promise<readonly Uint8Array[] | Refusal> {
    if (this.#over) return Promise.resolve(lost())
    const ask = (this.#asks % 0xffff_ffff) + 1
    this.#asks = ask
    return new Promise((resolve) => {
      const done = (outcome: readonly Uint8Array[] | Refusal): void => {
        this.#waiting?.timer.cancel()
        this.#waiting = undefined
        resolve(outcome)
      }
      const timer = this.#components.clock.after(ANSWER_MS, () =>
        this.abort(`no answer within ${ANSWER_MS} ms`),
      )
      this.#waiting = { ask, done, timer }
      this.say({ case: 'ask', value: { ask, from: BigInt(from) } })
    })
  }

  frame(bytes: Uint8Array): void {
    if (this.#over) return
    this.#heardMs = this.#components.clock.monotonicMs()
    const message = frames.policy.decode(bytes)
    if (isMalformed(message)) this.offend('malformed-frame', message.detail)
    else this.#said(message.body)
  }
  closed(reason: string): void {
    if (this.#over) return
    this.#over = true
    this.#beat?.cancel()
    this.#waiting?.done(lost())
    this.#desk.closed(this, reason)
  }

  /** Ends the link over what the peer did. */
  offend(offence: Offence, detail: string): void {
    this.#components.network.penalise(this.peerId, offence)
    this.abort(`${offence}: ${detail}`)
  }

  abort(reason: string): void {
    this.#link.abort(reason)
    this.closed(reason)
  }

  #said({ case: kind, value }: PolicyFrame['body']): void {
    if (kind === 'head') this.#head(value)
    else if (this.claim === undefined) this.offend('protocol-violation', 'the first message was no head')
    else if (kind === 'ask') this.#desk.asked(this, value)
    else if (kind === 'messages') this.#messages(value)
    else if (kind === 'fork') this.#desk.accused(this, value)
  }

  #head({ messages, digest, forked }: Head): void {
    if (digest.length === 0 && messages > 0n) this.offend('protocol-violation', 'a head without digest')
    else {
      this.claim = { messages: Number(messages), digest, forked }
      this.#desk.claimed(this)
    }
  }

  #messages({ ask, messages }: Messages): void {
    if (ask === this.#waiting?.ask) this.#waiting.done(messages)
    else this.offend('protocol-violation', 'an answer that was not asked for')
  }

  #pulse(): void {
    const silentMs = this.#components.clock.monotonicMs() - this.#heardMs
    if (silentMs >= SILENT_MS) this.abort(`nothing was heard for ${Math.round(silentMs)} ms`)
    else this.tell()
  }
}

function lost(): Refusal {
  return refusal('link-closed', 'the link to the peer is closed')
}
