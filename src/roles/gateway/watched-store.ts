import { EdgeCoderError } from '../../core/errors.js'
import type { Range, Store, StoreSnapshot, Write } from '../../ports/store.js'
import { keys } from './task-record.js'

/**
 * A store that remembers why its last commit failed, so that nobody takes a gateway for ready that can take
 * nothing.
 */
export class WatchedStore implements Store {
  readonly #store: Store
  #fault: EdgeCoderError | undefined

  constructor(store: Store) {
    this.#store = store
  }

  /** Why nothing can be written now; undefined = it can. */
  get fault(): EdgeCoderError | undefined {
    return this.#fault
  }

  /** Looks whether a store that failed works again. */
  async probe(): Promise<void> {
    if (this.#fault === undefined) return
    await this.commit([{ type: 'put', key: keys.probe, value: Uint8Array.of(1) }]).catch(() => {})
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#store.get(key)
  }

  getNow(key: string): Uint8Array | undefined {
    return this.#store.getNow(key)
  }

  range(range: Range): AsyncIterable<readonly [key: string, value: Uint8Array]> {
    return this.#store.range(range)
  }

  snapshot(): StoreSnapshot {
    return this.#store.snapshot()
  }

  async commit(writes: readonly Write[]): Promise<void> {
    try {
      await this.#store.commit(writes)
      this.#fault = undefined
    } catch (cause) {
      if (cause instanceof EdgeCoderError) this.#fault = cause
      throw cause
    }
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}
