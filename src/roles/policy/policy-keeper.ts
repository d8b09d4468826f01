import { EdgeCoderError } from '../../core/errors.js'
import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Store } from '../../ports/store.js'
import { readPolicy } from '../../wire/policy/policy-message.js'
import { type ChainedPolicy, PolicyChain } from './policy-chain.js'

/** Digits of 2^53: places in keys sort as numbers. */
const DIGITS = 16

/** Two messages that were both signed for one place. */
export interface PolicyFork {
  /** The one that has the place here. */
  readonly first: Uint8Array
  readonly second: Uint8Array
}

/** What became of messages that were taken after one another. */
export interface KeptPolicy {
  /** How many the chain did not have before. */
  readonly added: number
  /** The last one that has its place now, whether it was new or not. */
  readonly last?: ChainedPolicy
  /** Why the first of them that was refused was; those after it were not looked at. */
  readonly refused?: Refusal
}

/**
 * A chain on a disk: what it says was durable before anybody could see it. Keys are
 * `policy|<network>|m|<place>`, and `policy|<network>|fork` for the message that contradicts the chain.
 */
export class PolicyKeeper {
  readonly chain: PolicyChain
  readonly #store: Store
  readonly #prefix: string
  readonly #listeners = new Set<() => void>()
  #loading = false
  #second: Uint8Array | undefined

  constructor(store: Store, networkId: string) {
    this.#store = store
    this.#prefix = `policy|${networkId}`
    this.chain = new PolicyChain(networkId, (outcome, policy) => this.#keep(outcome, policy))
  }

  /** Messages that are here. */
  get length(): number {
    return (this.chain.head?.sequence ?? -1) + 1
  }

  get fork(): PolicyFork | undefined {
    const place = this.chain.head?.forkedAt
    const first = place === undefined ? undefined : this.chain.at(place)?.bytes
    return first === undefined || this.#second === undefined ? undefined : { first, second: this.#second }
  }

  /** Takes what is on the disk. @throws EdgeCoderError `store-corrupt`, and those of the store */
  async load(): Promise<void> {
    this.#loading = true
    const range = { gte: `${this.#prefix}|m|`, lt: `${this.#prefix}|m}` }
    for await (const [key, bytes] of this.#store.range(range)) {
      const taken = await this.chain.take(bytes)
      if (!isRefusal(taken) && this.#key(taken.message.sequence) === key) continue
      const why = isRefusal(taken) ? taken.detail : `it is message ${taken.message.sequence}`
      throw new EdgeCoderError('store-corrupt', `The policy message under ${key} cannot be taken: ${why}`, {
        next: 'Restore the data folder from a backup.',
      })
    }
    const second = await this.#store.get(this.#forkKey)
    if (second !== undefined) await this.chain.take(second)
    this.#loading = false
  }

  /**
   * Takes messages in their order, until one is refused. What was added is on the disk when this resolves.
   *
   * @param freshAtMs refuses what has expired by then; for a message that is new to everybody
   * @throws EdgeCoderError of the store; those before the one that could not be written were taken
   */
  async take(messages: readonly Uint8Array[], freshAtMs?: number): Promise<KeptPolicy> {
    let added = 0
    let changed = false
    let last: { readonly last?: ChainedPolicy } = {}
    try {
      for (const bytes of messages) {
        const before = this.length
        const forked = this.#second
        const taken = await this.chain.take(bytes, freshAtMs)
        added += this.length - before
        changed ||= this.length > before || this.#second !== forked
        if (isRefusal(taken)) return { added, ...last, refused: taken }
        last = { last: taken }
      }
      return { added, ...last }
    } finally {
      if (changed) for (const listener of [...this.#listeners]) listener()
    }
  }

  /**
   * Takes two messages that somebody says prove a fork.
   *
   * @returns whether they do; undefined = the chain here does not reach to them
   */
  async judge({ first, second }: PolicyFork): Promise<boolean | undefined> {
    const read = readPolicy(first)
    if ('refused' in read) return false
    if (read.message.sequence >= this.length) return undefined
    for (const bytes of [first, second]) await this.take([bytes])
    return this.#second !== undefined
  }

  /** Called when there is more of the chain, or evidence of a fork, and it is durable. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async #keep(outcome: 'taken' | 'forked', { message, bytes }: ChainedPolicy): Promise<void> {
    const key = outcome === 'taken' ? this.#key(message.sequence) : this.#forkKey
    if (!this.#loading) await this.#store.commit([{ type: 'put', key, value: bytes }])
    if (outcome === 'forked') this.#second = bytes
  }

  get #forkKey(): string {
    return `${this.#prefix}|fork`
  }

  #key(sequence: number): string {
    return `${this.#prefix}|m|${String(sequence).padStart(DIGITS, '0')}`
  }
}
