import { admits, type PolicyView } from '../../core/policy/policy-view.js'
import { type Refusal, toWire } from '../../core/refusal.js'
import type { Audit } from '../../ports/audit.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Link, LinkReceiver, Network } from '../../ports/network.js'
import { frames, isMalformed } from '../../wire/frame.js'
import { type EnrollmentAsk, NodeRole } from '../../wire/generated/edgecoder/control/v1/enrollment_pb.js'
import { ENROLLMENT_FRAME_BYTES } from '../../wire/limits.js'
import { protocolIds } from '../../wire/protocol-ids.js'
import { ASK_MS, ASKS_PER_SECOND } from './constants.js'
import type { Enrollment, GuestHello } from './enrollment.js'

interface Components {
  readonly network: Network
  readonly clock: Clock
  readonly audit: Audit
  readonly policy: () => PolicyView
  readonly enrollment: Enrollment
}

/** No token helps who is refused for one of these. */
const BARRED: ReadonlySet<Refusal['code']> = new Set(['blacklisted', 'peer-isolated'])

/** Takes the registration tokens of gateways and coordinators, on streams of one ask and one answer. */
export class Registrar {
  readonly #components: Components
  readonly #protocol: string
  #undo: (() => void) | undefined

  constructor(components: Components, init: { readonly networkId: string }) {
    this.#components = components
    this.#protocol = protocolIds(init.networkId).enrollment
  }

  start(): void {
    const options = {
      maxFrameBytes: ENROLLMENT_FRAME_BYTES,
      streamsPerPeer: 1,
      framesPerSecond: ASKS_PER_SECOND,
    }
    this.#undo = this.#components.network.serve(this.#protocol, options, (link) => {
      link.receive(new Asked(this.#components, link, (ask) => this.#answer(link.peerId, ask)))
    })
  }

  stop(): void {
    this.#undo?.()
  }

  /** @returns undefined = policy admits it */
  async #answer(peer: string, ask: EnrollmentAsk): Promise<Refusal | undefined> {
    const { policy, enrollment, audit } = this.#components
    const role = ask.role === NodeRole.COORDINATOR ? 'coordinator' : 'gateway'
    const guest: GuestHello = { peer, agent: ask.agentId, role, secret: ask.registrationSecret }
    const stranger = admits(policy(), { peerId: peer, agentId: ask.agentId, role })
    if (stranger === undefined) {
      await enrollment.confirmed(guest)
      return undefined
    }
    const why = BARRED.has(stranger.code) ? stranger : await enrollment.answer(guest, stranger)
    // Who waits asks every few seconds, and has been noted as a request.
    if (why.code !== 'approval-pending') {
      const facts = { role, agent: ask.agentId, code: why.code }
      audit.note({ kind: 'admission-refused', by: 'node', of: peer, outcome: 'refused', facts })
    }
    return why
  }
}

/** The stream of one ask. */
class Asked implements LinkReceiver {
  readonly #components: Components
  readonly #link: Link
  readonly #answer: (ask: EnrollmentAsk) => Promise<Refusal | undefined>
  readonly #timer: Timer
  #asked = false

  constructor(
    components: Components,
    link: Link,
    answer: (ask: EnrollmentAsk) => Promise<Refusal | undefined>,
  ) {
    this.#components = components
    this.#link = link
    this.#answer = answer
    this.#timer = components.clock.after(ASK_MS, () => link.abort(`no ask within ${ASK_MS} ms`))
  }

  frame(bytes: Uint8Array): void {
    const message = frames.enrollment.decode(bytes)
    if (isMalformed(message)) this.#offend('malformed-frame', message.detail)
    else if (message.body.case !== 'ask' || this.#asked)
      this.#offend('protocol-violation', 'one ask was expected')
    else {
      this.#asked = true
      this.#timer.cancel()
      void this.#reply(message.body.value)
    }
  }

  closed(): void {
    this.#timer.cancel()
  }

  async #reply(ask: EnrollmentAsk): Promise<void> {
    const why = await this.#answer(ask)
    const value = why === undefined ? {} : { why: toWire(why) }
    this.#link.send(frames.enrollment.encode({ body: { case: 'answer', value } }))
    await this.#link.close()
  }

  #offend(offence: 'malformed-frame' | 'protocol-violation', detail: string): void {
    this.#link.abort(`${offence}: ${detail}`)
    this.#components.network.penalise(this.#link.peerId, offence)
  }
}
