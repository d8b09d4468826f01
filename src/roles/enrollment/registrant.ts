import { EdgeCoderError } from '../../core/errors.js'
import { fromWire, type Refusal, refusal } from '../../core/refusal.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Network, PeerAddress } from '../../ports/network.js'
import { frames, isMalformed } from '../../wire/frame.js'
import { NodeRole } from '../../wire/generated/edgecoder/control/v1/enrollment_pb.js'
import { ENROLLMENT_FRAME_BYTES } from '../../wire/limits.js'
import { protocolIds } from '../../wire/protocol-ids.js'
import { ASK_AGAIN_MS, ASK_MS, UNREACHED_AGAIN_MS } from './constants.js'

interface Components {
  readonly network: Network
  readonly clock: Clock
  readonly log: Log
  /** Does the policy, as far as it is here, admit this node in its role? */
  readonly isAdmitted: () => boolean
  /** @returns stops the calls */
  readonly onPolicy: (listener: () => void) => () => void
  /** Of the coordinator that made the token. */
  readonly issuer: () => PeerAddress
}

interface Init {
  readonly networkId: string
  readonly agent: string
  readonly role: 'coordinator' | 'gateway'
  readonly secret: Uint8Array
}

/** What an ask came to; undefined = the policy of who was asked admits this node. */
type Answer = Refusal | undefined

/**
 * Shows the registration token of a gateway or a coordinator to the coordinator that made it, until that has
 * it and an admin has approved. The policy alone says when that is so.
 */
export class Registrant {
  readonly #components: Components
  readonly #init: Init
  readonly #stopping = new AbortController()
  readonly #admitted = Promise.withResolvers<void>()
  #undo: (() => void) | undefined
  #timer: Timer | undefined
  #asking: Promise<void> | undefined
  #why: Refusal = refusal('starting', 'the registration token was not shown yet', { next: 'Wait a moment.' })
  #said = ''
  #misses = 0

  constructor(components: Components, init: Init) {
    this.#components = components
    this.#init = init
  }

  /** What this node waits for; undefined = it is admitted. */
  get why(): Refusal | undefined {
    return this.#components.isAdmitted() ? undefined : this.#why
  }

  /** Resolves once this node is admitted. @throws EdgeCoderError `shutting-down` when stopped before */
  async start(): Promise<void> {
    const { onPolicy, isAdmitted, log } = this.#components
    this.#asking = this.#ask()
    if (isAdmitted()) return
    this.#undo = onPolicy(() => {
      if (isAdmitted()) this.#admitted.resolve()
    })
    await this.#admitted.promise
    log.info('admitted', { role: this.#init.role })
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#undo?.()
    this.#timer?.cancel()
    this.#admitted.reject(new EdgeCoderError('shutting-down', 'Stopped before this node was admitted.'))
    // Nobody waits for it any more once it has started.
    await this.#admitted.promise.catch(() => {})
    await this.#asking
  }

  /** An admitted node shows its token as well, until it was taken: that is what a rotation asks for. */
  async #ask(): Promise<void> {
    const answer = await this.#once()
    if (this.#stopping.signal.aborted || answer === 'taken') return
    this.#why = answer
    if (this.#said !== answer.detail && !this.#components.isAdmitted())
      this.#components.log.warn(answer.code, { detail: answer.detail, next: answer.next })
    this.#said = answer.detail
    const againMs = answer.retryAfterMs ?? Math.min(UNREACHED_AGAIN_MS, ASK_AGAIN_MS * 2 ** this.#misses++)
    this.#timer = this.#components.clock.after(againMs, () => {
      this.#asking = this.#ask()
    })
  }

  async #once(): Promise<Refusal | 'taken'> {
    const { network, clock, issuer } = this.#components
    const { networkId } = this.#init
    const peer = issuer()
    const giveUp = new AbortController()
    const timer = clock.after(ASK_MS, () => giveUp.abort())
    const signal = AbortSignal.any([this.#stopping.signal, giveUp.signal])
    try {
      const link = await network.dial(peer, protocolIds(networkId).enrollment, {
        signal,
        maxFrameBytes: ENROLLMENT_FRAME_BYTES,
      })
      const answer = await new Promise<Answer>((resolve) => {
        signal.addEventListener('abort', () => link.abort('no answer in time'), { once: true })
        link.receive({ frame: (bytes) => resolve(read(bytes)), closed: (reason) => resolve(lost(reason)) })
        link.send(frames.enrollment.encode({ body: { case: 'ask', value: this.#saying } }))
      })
      void link.close()
      if (answer === undefined) return this.#components.isAdmitted() ? 'taken' : this.#behind()
      this.#misses = answer.code === 'link-closed' ? this.#misses : 0
      return { ...answer, detail: `coordinator ${peer.peerId}: ${answer.detail}` }
    } catch (cause) {
      if (!(cause instanceof EdgeCoderError)) throw cause
      return refusal(cause.code, `coordinator ${peer.peerId} made the registration token: ${cause.message}`, {
        next: cause.next ?? 'Check that it runs, and that "bootstrap" of the network file names it.',
      })
    } finally {
      timer.cancel()
    }
  }

  get #saying() {
    const { agent, role, secret } = this.#init
    const wanted = role === 'coordinator' ? NodeRole.COORDINATOR : NodeRole.GATEWAY
    return { agentId: agent, role: wanted, registrationSecret: secret }
  }

  #behind(): Refusal {
    return refusal('approval-pending', 'approved; the policy that says so is on its way here', {
      next: 'Wait a moment.',
      retryAfterMs: ASK_AGAIN_MS,
    })
  }
}

function read(bytes: Uint8Array): Answer {
  const message = frames.enrollment.decode(bytes)
  if (isMalformed(message)) return refusal('protocol-violation', message.detail)
  if (message.body.case !== 'answer') return refusal('protocol-violation', 'an answer was expected')
  const { why } = message.body.value
  return why === undefined ? undefined : fromWire(why)
}

function lost(reason: string): Refusal {
  return refusal('link-closed', `the link closed before it answered: ${reason}`, {
    next: 'Check that the coordinator runs, and that its network is this one.',
  })
}
