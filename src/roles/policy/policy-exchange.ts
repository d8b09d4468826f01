import { EdgeCoderError } from '../../core/errors.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Link, Network, PeerAddress } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import type { Ask, Fork } from '../../wire/generated/edgecoder/policy/v1/policy_pb.js'
import { POLICY_FRAME_BYTES } from '../../wire/limits.js'
import { protocolIds } from '../../wire/protocol-ids.js'
import {
  ANSWER_BYTES,
  ANSWER_MESSAGES,
  FRAMES_PER_SECOND,
  LOOK_MS,
  ROTATE_MS,
  STREAMS_PER_PEER,
} from './constants.js'
import { PolicyDialler } from './policy-dialler.js'
import { offenceOf, PolicyGossip } from './policy-gossip.js'
import type { KeptPolicy, PolicyKeeper } from './policy-keeper.js'
import { type PolicyClaim, type PolicyDesk, PolicyLink } from './policy-link.js'

interface Components {
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly keeper: PolicyKeeper
}

interface Init {
  readonly networkId: string
  /** Others may ask this peer. */
  readonly serves: boolean
  /** Peers to keep a stream to, of those that serve. */
  readonly links: number
  /** Peers that serve, this one among them or not. Asked again every second. */
  readonly servers: () => readonly PeerAddress[]
}

/** How far a peer's chain goes, by its own word. */
export interface PolicyPeer {
  readonly peerId: string
  readonly messages: number
}

/**
 * Keeps a chain level with those of other peers: what is new goes by gossip to all, and by streams to whoever
 * missed it. Nothing is kept or passed on that the chain did not take.
 */
export class PolicyExchange implements PolicyDesk {
  readonly #parts: Components
  readonly #init: Init
  readonly #gossip: PolicyGossip
  readonly #dialler: PolicyDialler
  readonly #links = new Set<PolicyLink>()
  #timers: Timer[] = []
  #undo: (() => void)[] = []
  #pulling = false
  #stopped = false
  #knowsNewer = false

  constructor(components: Components, init: Init) {
    const ids = protocolIds(init.networkId)
    this.#parts = components
    this.#init = init
    this.#gossip = new PolicyGossip(components, ids.policyMessages, components.keeper)
    this.#dialler = new PolicyDialler(components, ids.policy, (link) => this.#take(link, true))
  }

  /** Something is being asked for now. */
  get pulling(): boolean {
    return this.#pulling
  }

  /** Peers with a stream, and how far their chains go. */
  get peers(): readonly PolicyPeer[] {
    const peers = new Map<string, PolicyPeer>()
    for (const { peerId, claim } of this.#links) {
      if (claim !== undefined) peers.set(peerId, { peerId, messages: claim.messages })
    }
    return [...peers.values()]
  }

  start(): void {
    const { network, clock, keeper } = this.#parts
    const { networkId, serves } = this.#init
    this.#undo.push(keeper.onChange(() => this.#changed()))
    this.#gossip.start()
    if (serves) {
      const options = {
        maxFrameBytes: POLICY_FRAME_BYTES,
        streamsPerPeer: STREAMS_PER_PEER,
        framesPerSecond: FRAMES_PER_SECOND,
      }
      const { policy } = protocolIds(networkId)
      this.#undo.push(network.serve(policy, options, (link) => this.#take(link, false)))
    }
    this.#timers = [clock.every(LOOK_MS, () => this.#dial()), clock.every(ROTATE_MS, () => this.#rotate())]
    this.#dial()
  }

  stop(): void {
    this.#stopped = true
    for (const timer of this.#timers) timer.cancel()
    for (const undo of this.#undo) undo()
    this.#gossip.stop()
    this.#dialler.stop()
    for (const link of [...this.#links]) link.abort('shutting down')
  }

  /**
   * Takes a message that is new to everybody, and tells it to all.
   *
   * @throws EdgeCoderError of the store: it is not durable, and was told to nobody
   */
  async publish(bytes: Uint8Array): Promise<KeptPolicy> {
    const kept = await this.#parts.keeper.take([bytes], this.#parts.clock.nowMs())
    // One that is known may not have reached all: who says it again means it.
    if (kept.refused === undefined) await this.#gossip.publish(bytes)
    return kept
  }

  /** Tells everybody a message that the chain here has. */
  async spread(bytes: Uint8Array): Promise<void> {
    await this.#gossip.publish(bytes)
  }

  head(): PolicyClaim {
    const { chain, length } = this.#parts.keeper
    return {
      messages: length,
      digest: chain.head?.digest ?? new Uint8Array(),
      forked: chain.head?.forkedAt !== undefined,
    }
  }

  claimed(link: PolicyLink): void {
    this.#dialler.held(link.peerId)
    this.#accuse(link)
    void this.#pull()
  }

  asked(link: PolicyLink, { ask, from }: Ask): void {
    const { chain, length } = this.#parts.keeper
    const messages: Uint8Array[] = []
    let bytes = 0
    for (let at = Number(from); at < length && messages.length < ANSWER_MESSAGES; at++) {
      const next = chain.at(at)?.bytes
      if (next === undefined || (bytes > 0 && bytes + next.length > ANSWER_BYTES)) break
      messages.push(next)
      bytes += next.length
    }
    link.say({ case: 'messages', value: { ask, messages } })
  }

  accused(link: PolicyLink, fork: Fork): void {
    this.#guarded(async () => {
      const proven = await this.#parts.keeper.judge(fork)
      if (proven === false) link.offend('bad-signature', 'two messages that do not prove a fork')
    })
  }

  closed(link: PolicyLink, reason: string): void {
    this.#links.delete(link)
    if (this.#stopped) return
    this.#parts.log.debug('policy-peer-lost', { peer: link.peerId, reason })
    this.#dial()
  }

  #take(link: Link, dialled: boolean): void {
    const taken = new PolicyLink(this.#parts, link, this, dialled)
    this.#links.add(taken)
    taken.begin()
  }

  #changed(): void {
    const { fork } = this.#parts.keeper
    for (const link of this.#links) link.tell()
    if (fork === undefined) return
    for (const link of this.#links) this.#accuse(link)
    // Whichever of the two a peer has, the other one proves it.
    this.#guarded(async () => {
      await this.#gossip.publish(fork.first)
      await this.#gossip.publish(fork.second)
    })
  }

  #accuse(link: PolicyLink): void {
    const { fork, chain } = this.#parts.keeper
    const { claim } = link
    if (fork === undefined || claim === undefined || claim.forked) return
    if (claim.messages > (chain.head?.forkedAt ?? 0)) link.say({ case: 'fork', value: fork })
  }

  /** Asks one peer after the other that has more, or something else, until nobody has. */
  async #pull(): Promise<void> {
    if (this.#pulling) return
    this.#pulling = true
    try {
      for (let link = this.#next(); link !== undefined; link = this.#next()) await this.#pullFrom(link)
    } catch (cause) {
      this.#fault(cause)
    } finally {
      this.#pulling = false
    }
  }

  /** The peer with the longest chain of those that have what is not here. */
  #next(): PolicyLink | undefined {
    if (this.#stopped || this.#parts.keeper.chain.head?.forkedAt !== undefined) return undefined
    const { length } = this.#parts.keeper
    return [...this.#links]
      .filter(({ claim }) => claim !== undefined && (claim.messages > length || this.#differs(claim)))
      .toSorted((a, b) => (b.claim?.messages ?? 0) - (a.claim?.messages ?? 0))[0]
  }

  #differs({ messages, digest }: PolicyClaim): boolean {
    const here = this.#parts.keeper.chain.at(messages - 1)
    return here !== undefined && !sameBytes(here.digest, digest)
  }

  /** @returns when the peer has no more, or the link is over */
  async #pullFrom(link: PolicyLink): Promise<void> {
    const { keeper } = this.#parts
    const { claim } = link
    if (claim === undefined) return
    let compares = this.#differs(claim)
    let from = compares ? 0 : keeper.length
    while (from < claim.messages && !link.over) {
      const answer = await link.ask(from)
      if (isRefusal(answer)) return
      if (answer.length === 0) return link.offend('protocol-violation', 'it has fewer messages than it said')
      const { refused } = await keeper.take(answer)
      if (refused === undefined) {
        from += answer.length
        // It repeats what is known instead of going on.
        if (from > keeper.length) return link.offend('protocol-violation', 'messages out of their order')
      } else if (refused.code === 'policy-out-of-order' && !compares) {
        // Another branch: where it leaves this one, one of its messages proves a fork, or that it is forged.
        compares = true
        from = 0
      } else return this.#refused(link, refused)
    }
    if (!link.over && this.#differs(claim)) link.offend('protocol-violation', 'its head is not of its chain')
  }

  #refused(link: PolicyLink, refused: Refusal): void {
    const offence = offenceOf(refused.code)
    if (offence !== undefined) link.offend(offence, refused.detail)
    // Of a fork all is known; of anything else nothing can be had from this peer now.
    else if (refused.code !== 'policy-forked') link.abort(refused.detail)
    if (refused.code !== 'unknown-kind' || this.#knowsNewer) return
    this.#knowsNewer = true
    this.#parts.log.error('policy-too-new', {
      peer: link.peerId,
      reason: refused.detail,
      next: 'Update this node: the policy says something that this version does not know.',
    })
  }

  #dial(): void {
    if (this.#stopped) return
    const linked = new Set([...this.#links].map(({ peerId }) => peerId))
    linked.add(this.#parts.network.peerId)
    const others = this.#init.servers().filter(({ peerId }) => !linked.has(peerId))
    this.#dialler.dial(others, this.#init.links - this.#dialled().length)
  }

  #rotate(): void {
    const dialled = this.#dialled()
    if (dialled.length < this.#init.links) return
    const linked = new Set([...this.#links].map(({ peerId }) => peerId))
    if (!this.#init.servers().some(({ peerId }) => !linked.has(peerId))) return
    dialled[Math.floor(this.#parts.random.fraction() * dialled.length)]?.abort('another peer takes its turn')
  }

  #dialled(): readonly PolicyLink[] {
    return [...this.#links].filter(({ dialled }) => dialled)
  }

  #guarded(work: () => Promise<void>): void {
    work().catch((cause: unknown) => this.#fault(cause))
  }

  #fault(cause: unknown): void {
    if (!(cause instanceof EdgeCoderError)) throw cause
    this.#parts.log.error('policy-not-kept', { error: cause, next: cause.next })
  }
}
