import { EdgeCoderError } from '../core/errors.js'
import { effectOf, policyRequirements } from '../core/policy/apply-policy.js'
import { PolicyDraft } from '../core/policy/policy-draft.js'
import { countSigners } from '../core/policy/requirement.js'
import { isRefusal } from '../core/refusal.js'
import { type DsseSigner, signersOf } from '../wire/dsse.js'
import { keyText } from '../wire/policy/key-text.js'
import {
  type PolicyBody,
  type PolicyKind,
  type PolicyMessage,
  readPolicy,
} from '../wire/policy/policy-message.js'
import { draftPolicy, type PolicyChain, type PolicyTimes, signPolicy } from './admin-policy.js'

/** What a message is to say. */
export type PolicySaying = {
  readonly [Kind in PolicyKind]: { readonly kind: Kind; readonly body: PolicyBody<Kind> }
}[PolicyKind]

/** One message of a series. */
export interface SeriesMessage {
  readonly message: PolicyMessage
  readonly bytes: Uint8Array
  /** Signatures that it still needs. */
  readonly missing: number
  /** Keys as text of which such a signature may be. */
  readonly awaited: readonly string[]
}

/**
 * Messages that belong together, for the next places of a chain. Each is made for what those before it will
 * have done, so that all of them can be signed at once, by several people one after the other.
 */
export class PolicySeries {
  readonly #ahead: PolicyDraft
  #messages: readonly SeriesMessage[] = []

  /** @throws EdgeCoderError when one of them could not be taken even if everybody signed it */
  constructor(chain: PolicyChain, sayings: readonly PolicySaying[], times: PolicyTimes) {
    this.#ahead = new PolicyDraft(chain.state)
    for (const saying of sayings) this.#add(saying, times)
  }

  get messages(): readonly SeriesMessage[] {
    return this.#messages
  }

  /** All of them could be published. */
  get isComplete(): boolean {
    return this.#messages.every(({ missing }) => missing === 0)
  }

  /** Signs those for which a key counts. @throws EdgeCoderError `forbidden` when it counts for none */
  async sign(signer: DsseSigner): Promise<void> {
    const key = keyText(signer.publicKey)
    const state = { state: this.#ahead }
    if (!this.#messages.some(({ awaited }) => awaited.includes(key))) {
      throw new EdgeCoderError('forbidden', `${key} does not hold a power that any of these messages needs`, {
        next: 'edgecoder admin policy log shows, by its newest keys message, whose signatures count.',
      })
    }
    this.#messages = await Promise.all(
      this.#messages.map(async (each) => {
        if (!each.awaited.includes(key)) return each
        const signed = await signPolicy(each.bytes, state, signer)
        return this.#standing(each.message, signed, await this.#signers(each.message, signed))
      }),
    )
  }

  #add<Kind extends PolicyKind>(
    { kind, body }: { readonly kind: Kind; readonly body: PolicyBody<Kind> },
    times: PolicyTimes,
  ): void {
    const head = this.#ahead.get('chain', '')
    const bytes = draftPolicy({ head, state: this.#ahead }, kind, body, times)
    const read = readPolicy(bytes)
    if ('refused' in read) throw new EdgeCoderError(read.code, read.detail)
    const { message, digest } = read
    const effect = effectOf(this.#ahead, { message, digest, network: message.network })
    if (isRefusal(effect)) throw new EdgeCoderError(effect.code, effect.detail)
    for (const change of effect.changes) this.#ahead.set(change)
    this.#messages = [...this.#messages, this.#standing(message, bytes, [])]
  }

  async #signers(message: PolicyMessage, bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    const read = readPolicy(bytes)
    if ('refused' in read) throw new EdgeCoderError(read.code, read.detail)
    const demands = policyRequirements(this.#ahead, message)
    return signersOf(
      read.envelope,
      demands.flatMap(({ keys }) => keys),
    )
  }

  #standing(message: PolicyMessage, bytes: Uint8Array, signers: readonly Uint8Array[]): SeriesMessage {
    const signed = new Set(signers.map(keyText))
    const open = policyRequirements(this.#ahead, message).map((demand) => ({
      keys: demand.keys.map(keyText).filter((key) => !signed.has(key)),
      missing: Math.max(0, demand.threshold - countSigners(demand, signers)),
    }))
    return {
      message,
      bytes,
      missing: open.reduce((sum, demand) => sum + demand.missing, 0),
      awaited: [...new Set(open.flatMap(({ keys, missing }) => (missing === 0 ? [] : keys)))],
    }
  }
}
