import type { StoreSnapshot } from '../../ports/store.js'
import type { LogKeys } from './log-keys.js'
import { StateDigest, type StateRecord } from './state-digest.js'

/** Head and state of one log as they were at one moment: they are written together, so one is of the other. */
export class LogSnapshot {
  readonly #snapshot: StoreSnapshot
  readonly #keys: LogKeys

  constructor(snapshot: StoreSnapshot, keys: LogKeys) {
    this.#snapshot = snapshot
    this.#keys = keys
  }

  /** The checkpoint note that the state is of; undefined = the log was empty. */
  async note(): Promise<Uint8Array | undefined> {
    const { head } = this.#keys
    for await (const [, note] of this.#snapshot.range({ gte: head, lt: `${head}\u0000` })) return note
    return undefined
  }

  /** All records in the order of their keys. @param after the key behind which to begin */
  async *records(after = ''): AsyncIterable<StateRecord> {
    const { gte, lt } = this.#keys.state
    const from = after === '' ? gte : `${gte}${after}\u0000`
    for await (const [key, value] of this.#snapshot.range({ gte: from, lt })) {
      yield { key: key.slice(gte.length), value }
    }
  }

  /** @returns 32 bytes over all records */
  async digest(): Promise<Uint8Array> {
    const digest = new StateDigest()
    for await (const record of this.records()) digest.add(record)
    return digest.end()
  }

  close(): Promise<void> {
    return this.#snapshot.close()
  }
}
