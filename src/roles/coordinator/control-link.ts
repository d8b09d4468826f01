import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Link, Network, Offence } from '../../ports/network.js'
import { type Codec, isMalformed } from '../../wire/frame.js'
import { HELLO_MS, LINK_BACKLOG } from './constants.js'
import type { Journal } from './journal.js'
import { type Action, createOrderedInbox, type OrderedInbox } from './ordered-inbox.js'

/** One side of a conversation, after the first message was taken. */
interface Talk<Message> {
  /**
   * What to do about a message; done in the order in which messages came. Checks of signatures start at
   * once.
   *
   * @returns undefined = nothing comes of it
   */
  said(message: Message): Action | undefined
  closed(reason: string): void
}

/**
 * What the first message came to: a talk, or why there is none; a violation is scored. What has to be durable
 * before it is said comes as a promise, which never rejects.
 */
export type Greeting<Message> = Talk<Message> | Refusal | Promise<Refusal> | 'violation'

export interface ControlLinkComponents {
  readonly network: Network
  readonly clock: Clock
  readonly journal: Journal
  /** Something happened that may lead to new leases or writes. */
  readonly touch: () => void
}

interface ControlLinkInit<S extends DescMessage> {
  readonly link: Link
  readonly codec: Codec<S>
  greet(first: MessageShape<S>): Greeting<MessageShape<S>>
  /** Tells the peer why it is not taken. */
  refuse(why: Refusal): void
}

/**
 * Takes the messages of one control stream: in order, within bounds, scored when they are not what they
 * should be.
 */
export function listen<S extends DescMessage>(
  components: ControlLinkComponents,
  init: ControlLinkInit<S>,
): void {
  const control = new ControlLink(components, init)
  init.link.receive(control)
}

class ControlLink<S extends DescMessage> {
  readonly #components: ControlLinkComponents
  readonly #init: ControlLinkInit<S>
  readonly #inbox: OrderedInbox
  readonly #greeting: { cancel(): void }
  #talk: Talk<MessageShape<S>> | undefined
  #refused = false

  constructor(components: ControlLinkComponents, init: ControlLinkInit<S>) {
    this.#components = components
    this.#init = init
    this.#inbox = createOrderedInbox(LINK_BACKLOG, components.touch, () => components.journal.closed)
    this.#greeting = components.clock.after(HELLO_MS, () => {
      this.#refuse(refusal('timed-out', `no hello within ${HELLO_MS} ms`))
    })
  }

  frame(bytes: Uint8Array): void {
    if (this.#refused || this.#components.journal.closed) return
    const message = this.#init.codec.decode(bytes)
    if (isMalformed(message)) {
      this.#offend('malformed-frame', message.detail)
      return
    }
    if (this.#components.journal.overfull) {
      this.#init.link.abort('the store of this coordinator fails')
      return
    }
    if (this.#talk === undefined) this.#greet(message)
    else {
      const action = this.#talk.said(message)
      if (action === undefined) return
      if (!this.#inbox.push(action)) this.#offend('flood', 'too many signatures to check')
    }
    this.#components.touch()
  }

  closed(reason: string): void {
    this.#greeting.cancel()
    this.#inbox.close()
    this.#talk?.closed(reason)
    this.#components.touch()
  }

  #greet(first: MessageShape<S>): void {
    this.#greeting.cancel()
    const greeting = this.#init.greet(first)
    if (greeting === 'violation') this.#offend('protocol-violation', 'the first message was no hello')
    else if (greeting instanceof Promise) {
      this.#refused = true
      void greeting.then((why) => this.#refuse(why))
    } else if ('refused' in greeting) this.#refuse(greeting)
    else this.#talk = greeting
  }

  #refuse(why: Refusal): void {
    this.#refused = true
    this.#init.refuse(why)
    void this.#init.link.close()
  }

  #offend(offence: Offence, detail: string): void {
    const { link } = this.#init
    link.abort(`${offence}: ${detail}`)
    this.#components.network.penalise(link.peerId, offence)
  }
}
