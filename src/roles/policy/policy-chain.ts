import type { EconomyTerms } from '../../core/economy/terms.js'
import { hexOf } from '../../core/ledger/hex.js'
import {
  applyPolicy,
  keysAt,
  type PolicyFacts,
  policyRequirements,
  standingOf,
} from '../../core/policy/apply-policy.js'
import { type HomeEpoch, PolicyBook } from '../../core/policy/policy-book.js'
import type { ChainRecord, IncidentRecord, KeyTable, PolicyReader } from '../../core/policy/policy-records.js'
import type { PolicyView } from '../../core/policy/policy-view.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import { Turns } from '../../core/turns.js'
import { signersOf } from '../../wire/dsse.js'
import { reportHolds } from '../../wire/policy/blacklist-report.js'
import { keyText } from '../../wire/policy/key-text.js'
import {
  networkIdOf,
  type PolicyMessage,
  type ReadPolicy,
  readPolicy,
} from '../../wire/policy/policy-message.js'

/** A message that has its place in the chain. */
export interface ChainedPolicy {
  readonly message: PolicyMessage
  readonly digest: Uint8Array
  /** As it came, signatures and all. */
  readonly bytes: Uint8Array
}

/** Makes a message durable before it counts: one that was `taken`, or one that `forked` the chain. */
export type KeepPolicy = (outcome: 'taken' | 'forked', policy: ChainedPolicy) => Promise<void>

/**
 * The signed policy of one network: takes messages as bytes, from wherever they come, and says what holds.
 * Whoever keeps it on a disk keeps the bytes, and takes them again at the next start.
 */
export class PolicyChain {
  readonly #network: string | undefined
  readonly #keep: KeepPolicy | undefined
  readonly #book = new PolicyBook()
  readonly #messages: ChainedPolicy[] = []
  readonly #turns = new Turns()

  /**
   * @param network the id that its genesis must have; left out = that of the first one taken
   * @param keep when it fails, the message was not taken
   */
  constructor(network?: string, keep?: KeepPolicy) {
    this.#network = network
    this.#keep = keep
  }

  get state(): PolicyReader {
    return this.#book
  }

  get head(): ChainRecord | undefined {
    return this.#book.get('chain', '')
  }

  /** Who is in the network; goes with the chain. */
  get view(): PolicyView | undefined {
    return this.#book.view
  }

  /** Subjects of the blacklist, those whose time is over among them. */
  get blacklisted(): ReadonlySet<string> {
    return this.#book.blacklisted
  }

  /** Every epoch of every home that there ever was: each has a log of its own. */
  get logs(): readonly HomeEpoch[] {
    return this.#book.logs
  }

  /** Coordinators that were admitted, and not cut off, right after a message; their word makes credits final. */
  coordinatorsAt(sequence: number): ReadonlySet<string> {
    return this.#book.coordinatorsAt(sequence)
  }

  /** What an incident closes. @param sequence right after that message; left out = the newest */
  incident(sequence = this.head?.sequence ?? -1): IncidentRecord | undefined {
    return this.#book.incidentAt(sequence)
  }

  /** Who was a coordinator at some time. */
  get everCoordinators(): ReadonlySet<string> {
    return this.#book.everCoordinators
  }

  /** The economy's parameters after a message. @param sequence left out = the newest */
  terms(sequence?: number): EconomyTerms | undefined {
    return this.#book.termsAt(sequence)
  }

  /** Who may sign what. @param sequence of the message that they judge; left out = the next one */
  keys(sequence = (this.head?.sequence ?? -1) + 1): KeyTable | undefined {
    return keysAt(this.#book, sequence)
  }

  /** Why it is not to be relied on now. What it says holds on all the same: it is the last that is known. */
  standing(nowMs: number): Refusal | undefined {
    return standingOf(this.#book, nowMs)
  }

  at(sequence: number): ChainedPolicy | undefined {
    return this.#messages[sequence]
  }

  /** Whose signatures on a message of the chain count, as text. */
  async signersOf({ bytes }: Pick<ChainedPolicy, 'bytes'>): Promise<readonly string[]> {
    const read = readPolicy(bytes)
    return 'refused' in read ? [] : (await policyFacts(this.#book, read)).signers.map(keyText)
  }

  find(digest: Uint8Array): ChainedPolicy | undefined {
    const sequence = this.#book.get('place', hexOf(digest))
    return sequence === undefined ? undefined : this.#messages[sequence]
  }

  /**
   * Why a message is not to be taken though enough may have signed it: two for one place stop a chain for
   * good. Whoever drafts from an old copy, or while somebody else publishes, would do that without meaning
   * to.
   *
   * @returns undefined = no other message has its place, or the chain has forked already
   */
  rivalOf(bytes: Uint8Array): Refusal | undefined {
    const { head } = this
    const read = readPolicy(bytes)
    if (head === undefined || head.forkedAt !== undefined) return undefined
    if ('refused' in read || read.message.network !== head.network) return undefined
    const { sequence } = read.message
    if (this.at(sequence) === undefined || this.find(read.digest) !== undefined) return undefined
    const detail = `this network has another message ${sequence}: nothing was published`
    return refusal('policy-out-of-order', detail, {
      next:
        'Destroy this one: both together would stop the policy for good. Bring your copy up to date ' +
        '(edgecoder admin policy pull), and draft it anew.',
    })
  }

  /**
   * Takes a message, if it is the next; one that is there already is taken as such. One at a time: what is
   * checked is what it is applied to.
   *
   * @param freshAtMs refuses what has expired by then. Left out for what others follow: of messages that come
   *   together only the newest need be fresh
   * @throws what keeping it throws
   */
  take(bytes: Uint8Array, freshAtMs?: number): Promise<ChainedPolicy | Refusal> {
    return this.#turns.next(() => this.#take(bytes, freshAtMs))
  }

  async #take(bytes: Uint8Array, freshAtMs: number | undefined): Promise<ChainedPolicy | Refusal> {
    const read = readPolicy(bytes)
    if ('refused' in read) return read
    // Most that comes is there already; its signatures need not be checked again.
    const there = this.find(read.digest)
    if (there !== undefined) return there
    const facts = await policyFacts(this.#book, read)
    const outcome = applyPolicy(this.#book, facts, {
      ...(this.#network === undefined ? {} : { network: this.#network }),
      ...(freshAtMs === undefined ? {} : { freshAtMs }),
    })
    if (isRefusal(outcome)) return outcome
    const { message, digest } = facts
    const chained = { message, digest, bytes }
    if (outcome.outcome === 'known') return chained
    await this.#keep?.(outcome.outcome, chained)
    this.#book.absorb(outcome.changes)
    if (outcome.outcome === 'forked') return outcome.why
    this.#messages.push(chained)
    return chained
  }
}

/** Checks the signatures of those who may sign a message at its place; no others are looked at. */
export async function policyFacts(state: PolicyReader, read: ReadPolicy): Promise<PolicyFacts> {
  const { envelope, message, digest } = read
  const asked = policyRequirements(state, message).flatMap(({ keys }) => keys)
  const network = message.kind === 'genesis' ? networkIdOf(digest) : message.network
  const facts = { message, digest, network, signers: await signersOf(envelope, asked) }
  if (message.kind !== 'blacklist') return facts
  return { ...facts, reportHolds: await reportHolds(network, message.body) }
}
