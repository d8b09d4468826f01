import {
  type EnrollmentRequest,
  type RegistrationRecord,
  registrationState,
} from '../../core/enrollment/registration.js'
import type { Store, Write } from '../../ports/store.js'
import { DEAD_TOKEN_MS, TOKENS_KEPT } from './constants.js'
import {
  REQUESTS,
  readRequest,
  readToken,
  requestKey,
  requestWrite,
  TOKENS,
  tokenKey,
  tokenWrite,
} from './enrollment-record.js'

/** What changes together: all of it is durable, or nothing. */
export interface EnrollmentChange {
  readonly records?: readonly RegistrationRecord[]
  readonly requests?: readonly EnrollmentRequest[]
  /** Hashes of tokens, and peers of requests, to be forgotten. */
  readonly dropRecords?: readonly string[]
  readonly dropRequests?: readonly string[]
}

/** Registration tokens and who spent them, on a disk. What is read here was durable before. */
export class EnrollmentBook {
  readonly #store: Store
  readonly #records = new Map<string, RegistrationRecord>()
  readonly #requests = new Map<string, EnrollmentRequest>()

  constructor(store: Store) {
    this.#store = store
  }

  /** @throws EdgeCoderError `store-corrupt`, and those of the store */
  async load(): Promise<void> {
    for await (const [key, value] of this.#store.range(TOKENS)) {
      const record = readToken(key, value)
      this.#records.set(record.hash, record)
    }
    for await (const [key, value] of this.#store.range(REQUESTS)) {
      const request = readRequest(key, value)
      this.#requests.set(request.peer, request)
    }
  }

  record(hash: string): RegistrationRecord | undefined {
    return this.#records.get(hash)
  }

  request(peer: string): EnrollmentRequest | undefined {
    return this.#requests.get(peer)
  }

  get records(): readonly RegistrationRecord[] {
    return [...this.#records.values()]
  }

  get requests(): readonly EnrollmentRequest[] {
    return [...this.#requests.values()]
  }

  /** @throws EdgeCoderError of the store; nothing has changed then */
  async commit(change: EnrollmentChange): Promise<void> {
    const { records = [], requests = [], dropRecords = [], dropRequests = [] } = change
    const writes: readonly Write[] = [
      ...records.map(tokenWrite),
      ...requests.map(requestWrite),
      ...dropRecords.map((hash) => ({ type: 'del', key: tokenKey(hash) }) as const),
      ...dropRequests.map((peer) => ({ type: 'del', key: requestKey(peer) }) as const),
    ]
    if (writes.length === 0) return
    await this.#store.commit(writes)
    for (const record of records) this.#records.set(record.hash, record)
    for (const request of requests) this.#requests.set(request.peer, request)
    for (const hash of dropRecords) this.#records.delete(hash)
    for (const peer of dropRequests) this.#requests.delete(peer)
  }

  /** Tokens that nobody misses: dead for long, or the oldest dead ones where there is no room for one more. */
  superfluous(nowMs: number): readonly string[] {
    const dead = this.records
      .filter((record) => this.#isOver(record, nowMs))
      .toSorted((a, b) => a.createdMs - b.createdMs)
    const tooMany = Math.max(0, this.#records.size + 1 - TOKENS_KEPT)
    return dead
      .filter((record, at) => at < tooMany || record.expiresMs + DEAD_TOKEN_MS <= nowMs)
      .map(({ hash }) => hash)
  }

  /** Neither open nor of a request that still waits. */
  #isOver(record: RegistrationRecord, nowMs: number): boolean {
    if (registrationState(record, nowMs) === 'open') return false
    return this.#requests.get(record.spent?.peer ?? '')?.token !== record.hash
  }
}
