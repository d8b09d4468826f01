import type { Blacklist } from '../../core/policy/blacklist.js'
import type { Refusal } from '../../core/refusal.js'
import type { PolicyChain } from './policy-chain.js'
import type { PolicyPeer } from './policy-exchange.js'
import type { KeptPolicy } from './policy-keeper.js'

/** The signed policy of a network as this node has it, and shares it. */
export interface PolicyService {
  readonly chain: PolicyChain
  /** How far the chains of peers go that this node has a stream with. */
  peers(): readonly PolicyPeer[]
  /** Whom it keeps out now; undefined = nobody ever was. */
  blacklist(): Blacklist | undefined
  /** Why it is not to be relied on now. */
  standing(): Refusal | undefined
  /**
   * Takes a message that is new to everybody, and tells it to all.
   *
   * @returns once it is durable here @throws EdgeCoderError of the store
   */
  publish(bytes: Uint8Array): Promise<KeptPolicy>
}
