import type { ErrorCode } from '../../core/errors.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import type { Clock } from '../../ports/clock.js'
import type { GossipMessage, GossipVerdict, Network, Offence } from '../../ports/network.js'
import { LONG_STATEMENT_BYTES } from '../../wire/limits.js'
import { readPolicy } from '../../wire/policy/policy-message.js'
import { GOSSIP_CHECKS_BURST, GOSSIP_CHECKS_PER_SECOND } from './constants.js'
import type { PolicyKeeper } from './policy-keeper.js'

interface Components {
  readonly network: Network
  readonly clock: Clock
}

/** New messages of the policy, told to everybody, and passed on by whoever could check and keep them. */
export class PolicyGossip {
  readonly #components: Components
  readonly #topic: string
  readonly #keeper: PolicyKeeper
  #checksLeft = GOSSIP_CHECKS_BURST
  #countedMs = 0
  #unsubscribe = (): void => {}

  constructor(components: Components, topic: string, keeper: PolicyKeeper) {
    this.#components = components
    this.#topic = topic
    this.#keeper = keeper
  }

  start(): void {
    this.#unsubscribe = this.#components.network.subscribe(this.#topic, (message) => this.judge(message))
  }

  stop(): void {
    this.#unsubscribe()
  }

  /** @param bytes a message that was taken here, or one that proves a fork */
  async publish(bytes: Uint8Array): Promise<void> {
    await this.#components.network.publish(this.#topic, bytes)
  }

  /** Passed on: what was new here and is now kept. Rejected: what no honest peer could have taken. */
  async judge({ bytes }: GossipMessage): Promise<GossipVerdict> {
    if (bytes.length > LONG_STATEMENT_BYTES) return 'reject'
    const read = readPolicy(bytes)
    if ('refused' in read) return verdictOn(read.code)
    const { sequence, previous } = read.message
    const { chain, length } = this.#keeper
    if (chain.find(read.digest) !== undefined) return 'ignore'
    // What others could take and this node cannot, or not yet, is no offence; it comes by a link.
    if (sequence > length || (sequence === length && !followsHead(chain.head?.digest, previous)))
      return 'ignore'
    if (chain.head?.forkedAt !== undefined || !this.#mayCheck()) return 'ignore'
    const forkBefore = this.#keeper.fork
    const { added, refused } = await this.#keeper.take([bytes])
    if (added > 0 || this.#keeper.fork !== forkBefore) return 'accept'
    // It was taken meanwhile from elsewhere.
    return refused === undefined ? 'ignore' : verdictOn(refused.code)
  }

  #mayCheck(): boolean {
    const nowMs = this.#components.clock.monotonicMs()
    const more = ((nowMs - this.#countedMs) * GOSSIP_CHECKS_PER_SECOND) / 1_000
    this.#checksLeft = Math.min(GOSSIP_CHECKS_BURST, this.#checksLeft + more)
    this.#countedMs = nowMs
    if (this.#checksLeft < 1) return false
    this.#checksLeft--
    return true
  }
}

/** What a peer did that sends a message which is refused so; undefined = an honest one may. */
export function offenceOf(code: ErrorCode): Offence | undefined {
  // The peer is of a newer version, or the chain here has forked.
  if (code === 'unknown-kind' || code === 'policy-forked' || code === 'policy-expired') return undefined
  if (code === 'wrong-network') return 'wrong-network'
  if (code === 'policy-unsigned' || code === 'policy-out-of-order') return 'bad-signature'
  const known = code === 'policy-conflict' || code === 'incident-closed'
  return known ? 'protocol-violation' : 'malformed-frame'
}

function verdictOn(code: ErrorCode): GossipVerdict {
  return offenceOf(code) === undefined ? 'ignore' : 'reject'
}

function followsHead(head: Uint8Array | undefined, previous: Uint8Array): boolean {
  return head === undefined ? previous.length === 0 : sameBytes(head, previous)
}
