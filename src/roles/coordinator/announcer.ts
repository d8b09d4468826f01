import { admits, type PolicyView } from '../../core/policy/policy-view.js'
import type { Scheduler } from '../../core/scheduler/scheduler.js'
import type { ClassView } from '../../core/scheduler/views.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { GossipMessage, GossipVerdict, Network } from '../../ports/network.js'
import type { Signer } from '../../ports/signer.js'
import type { Store } from '../../ports/store.js'
import { envelopeCodec, open, seal, statements } from '../../wire/envelope.js'
import { isMalformed } from '../../wire/frame.js'
import { SEQUENCE_BLOCK } from './constants.js'
import { wireKind } from './task-header.js'
import { SEQUENCE_KEY } from './task-record.js'

/** Classes named in one announcement; the wire allows as many. */
const CLASSES = 32
const ADDRESSES = 16
const ADDRESS_BYTES = 256

interface Components {
  readonly network: Network
  readonly store: Store
  readonly clock: Clock
  readonly signer: Signer
  readonly log: Log
  readonly policy: () => PolicyView
  readonly scheduler: Scheduler
}

/** Tells the mesh of work that no worker of this coordinator can take now, and passes on what others tell. */
export class Announcer {
  readonly #components: Components
  readonly #topic: string
  /** Largest sequence seen of each coordinator of the network. */
  readonly #seen = new Map<string, bigint>()
  #next = 0n
  #reserved = 0n
  #busy = false
  #unsubscribe: () => void = () => {}

  constructor(components: Components, topic: string) {
    this.#components = components
    this.#topic = topic
  }

  async start(): Promise<void> {
    const stored = await this.#components.store.get(SEQUENCE_KEY)
    this.#next = stored === undefined ? 1n : BigInt(`0x${Buffer.from(stored).toString('hex')}`)
    this.#reserved = this.#next
    this.#unsubscribe = this.#components.network.subscribe(this.#topic, (message) => this.#judge(message))
  }

  stop(): void {
    this.#unsubscribe()
  }

  /** Publishes what waits, if anything does. Call it once a second. */
  announce(): void {
    const starved = this.#components.scheduler.classes().filter((each) => each.starved)
    if (starved.length === 0 || this.#busy) return
    this.#busy = true
    this.#publish(starved)
      .catch((error: unknown) => {
        const cause = error instanceof Error ? error : new Error(String(error))
        this.#components.log.warn('announcement-failed', { error: cause })
      })
      .finally(() => {
        this.#busy = false
      })
  }

  async #publish(starved: readonly ClassView[]): Promise<void> {
    const { network, signer, clock, policy } = this.#components
    const sequence = await this.#sequence()
    const waiting = [...starved]
      .sort((a, b) => b.queued - a.queued)
      .slice(0, CLASSES)
      .map((each) => ({
        kind: wireKind(each.kind),
        model: each.model,
        contextTokens: each.contextTokens,
        languages: [...each.languages],
        tasks: each.queued,
        priceCapMicrocredits: each.priceCapMicrocredits,
      }))
    const addresses = network.addresses().filter((address) => address.length <= ADDRESS_BYTES)
    const envelope = seal(
      signer,
      policy().network,
      statements.announcement,
      { sequence, addresses: addresses.slice(0, ADDRESSES), waiting },
      clock.nowMs(),
    )
    await network.publish(this.#topic, envelopeCodec.encode(envelope))
  }

  /** The next number, larger than any used before, in this life or an earlier one. */
  async #sequence(): Promise<bigint> {
    if (this.#next >= this.#reserved) {
      const reserved = this.#next + SEQUENCE_BLOCK
      const value = Buffer.alloc(8)
      value.writeBigUInt64BE(reserved)
      await this.#components.store.commit([{ type: 'put', key: SEQUENCE_KEY, value }])
      this.#reserved = reserved
    }
    return this.#next++
  }

  /** Takes no work from others; only what is true and new is passed on. */
  async #judge({ bytes, from }: GossipMessage): Promise<GossipVerdict> {
    const { clock, policy } = this.#components
    const envelope = envelopeCodec.decode(bytes)
    if (isMalformed(envelope)) return 'reject'
    const opened = await open(envelope, policy().network, statements.announcement, clock.nowMs())
    if (isMalformed(opened)) return opened.code === 'stale-envelope' ? 'ignore' : 'reject'
    const { signer, value } = opened
    // As workers judge it: what one rejects and another passes on would be held against who passed it on.
    if (signer !== from) return 'reject'
    if (admits(policy(), { peerId: signer, role: 'coordinator' }) !== undefined) return 'ignore'
    if (value.sequence <= (this.#seen.get(signer) ?? 0n)) return 'ignore'
    this.#remember(signer, value.sequence)
    return 'accept'
  }

  /** Bounded by the coordinators of the network, or when admission is open by dropping the oldest. */
  #remember(signer: string, sequence: bigint): void {
    this.#seen.delete(signer)
    this.#seen.set(signer, sequence)
    if (this.#seen.size <= 1_024) return
    for (const oldest of this.#seen.keys()) {
      this.#seen.delete(oldest)
      return
    }
  }
}
