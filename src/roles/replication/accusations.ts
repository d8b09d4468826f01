import type { Log } from '../../ports/log.js'
import type { Store } from '../../ports/store.js'
import type { Verdict } from './evidence-check.js'

/** A log that is isolated: nothing of it is taken or cosigned until an admin decides. */
export interface FrozenLog {
  readonly origin: string
  /** The evidence, as a file that anybody checks. */
  readonly evidence: Uint8Array
}

/** Evidence that was found or came and held, kept on the disk; one for each log is enough. */
export class Accusations {
  readonly #store: Store
  readonly #log: Log
  readonly #prefix: string
  readonly #frozen = new Map<string, FrozenLog>()

  constructor({ store, log }: { readonly store: Store; readonly log: Log }, prefix: string) {
    this.#store = store
    this.#log = log
    this.#prefix = prefix
  }

  async load(): Promise<void> {
    const range = { gte: `${this.#prefix}|`, lt: `${this.#prefix}}` }
    for await (const [key, evidence] of this.#store.range(range)) {
      const origin = Buffer.from(key.slice(this.#prefix.length + 1), 'hex').toString()
      this.#frozen.set(origin, { origin, evidence })
    }
  }

  get all(): readonly FrozenLog[] {
    return [...this.#frozen.values()]
  }

  has(origin: string): boolean {
    return this.#frozen.has(origin)
  }

  /**
   * Isolates a log, at once in memory and then on the disk.
   *
   * @param verdict what checking the evidence came to @returns false when it is isolated already
   */
  async freeze(verdict: Extract<Verdict, { verdict: 'guilty' }>, evidence: Uint8Array): Promise<boolean> {
    const { origin, what, detail } = verdict
    if (this.#frozen.has(origin)) return false
    this.#frozen.set(origin, { origin, evidence })
    this.#log.error('log-isolated', { origin, what, detail })
    await this.#store.commit([{ type: 'put', key: this.#key(origin), value: evidence }])
    return true
  }

  /** An admin has decided: the log is taken again. Its evidence is kept by whoever keeps it, not here. */
  async release(origin: string): Promise<void> {
    await this.#store.commit([{ type: 'del', key: this.#key(origin) }])
    this.#frozen.delete(origin)
    this.#log.warn('log-released', { origin })
  }

  #key(origin: string): string {
    return `${this.#prefix}|${Buffer.from(origin).toString('hex')}`
  }
}
