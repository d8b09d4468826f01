import { type Blacklist, blacklisted, stands } from '../../core/policy/blacklist.js'
import type { PolicyReader } from '../../core/policy/policy-records.js'
import type { Refusal } from '../../core/refusal.js'
import { peerIdOf } from '../../wire/peer-id.js'
import { parseKeyText } from '../../wire/policy/key-text.js'

const KEY = 'key:'

/** Whom the signed policy keeps out now. Made anew when the policy has changed. */
export class ChainBlacklist implements Blacklist {
  readonly #state: PolicyReader
  readonly #nowMs: () => number
  /** Subjects that are keys, by the peer that has the key. */
  readonly #keys = new Map<string, string>()

  /** @param subjects of all entries, expired ones among them */
  constructor(state: PolicyReader, subjects: Iterable<string>, nowMs: () => number) {
    this.#state = state
    this.#nowMs = nowMs
    for (const subject of subjects) {
      const key = subject.startsWith(KEY) ? parseKeyText(subject.slice(KEY.length)) : undefined
      if (key !== undefined && !('refused' in key)) this.#keys.set(peerIdOf(key), subject)
    }
  }

  peer(peerId: string): Refusal | undefined {
    const account = this.#state.get('node', peerId)?.account
    const key = this.#keys.get(peerId)
    return (
      this.#bar(`peer:${peerId}`) ??
      (key === undefined ? undefined : this.#bar(key)) ??
      (account === undefined ? undefined : this.account(account))
    )
  }

  account(account: string): Refusal | undefined {
    return this.#bar(`account:${account}`)
  }

  #bar(subject: string): Refusal | undefined {
    const entry = this.#state.get('blacklist', subject)
    return stands(entry, this.#nowMs()) ? blacklisted(subject, entry) : undefined
  }
}
