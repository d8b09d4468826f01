import { hexOf } from '../../core/ledger/hex.js'
import type { Audit } from '../../ports/audit.js'
import type { Log } from '../../ports/log.js'
import type { Store } from '../../ports/store.js'
import { frames, isMalformed } from '../../wire/frame.js'
import { sha256 } from '../../wire/sha256.js'
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
  readonly #audit: Audit
  readonly #prefix: string
  readonly #frozen = new Map<string, FrozenLog>()
  readonly #readmitted = new Set<string>()

  constructor(
    { store, log, audit }: { readonly store: Store; readonly log: Log; readonly audit: Audit },
    prefix: string,
  ) {
    this.#store = store
    this.#audit = audit
    this.#log = log
    this.#prefix = prefix
  }

  async load(): Promise<void> {
    const range = { gte: `${this.#prefix}|`, lt: `${this.#prefix}}` }
    for await (const [key, evidence] of this.#store.range(range)) {
      const origin = Buffer.from(key.slice(this.#prefix.length + 1), 'hex').toString()
      if (evidence.length === 0) this.#readmitted.add(origin)
      else this.#frozen.set(origin, { origin, evidence })
    }
  }

  get all(): readonly FrozenLog[] {
    return [...this.#frozen.values()]
  }

  has(origin: string): boolean {
    return this.#frozen.has(origin)
  }

  /** Is it isolated for two histories? */
  forked(origin: string): boolean {
    const frozen = this.#frozen.get(origin)
    const evidence = frozen === undefined ? undefined : frames.evidence.decode(frozen.evidence)
    return evidence !== undefined && !isMalformed(evidence) && evidence.what.case === 'fork'
  }

  /** Was it taken again for good? Of a log that is sealed nothing further can be a lie. */
  readmitted(origin: string): boolean {
    return this.#readmitted.has(origin)
  }

  /**
   * Isolates a log, at once in memory and then on the disk.
   *
   * @param verdict what checking the evidence came to @returns false when it is isolated already
   */
  async freeze(verdict: Extract<Verdict, { verdict: 'guilty' }>, evidence: Uint8Array): Promise<boolean> {
    const { origin, what, detail } = verdict
    if (this.#frozen.has(origin) || this.#readmitted.has(origin)) return false
    this.#frozen.set(origin, { origin, evidence })
    this.#log.error('log-isolated', { origin, what, detail })
    const facts = { what, detail, evidence: hexOf(sha256(evidence)) }
    this.#audit.note({ kind: 'log-isolated', by: 'node', of: origin, outcome: 'done', facts })
    await this.#store.commit([{ type: 'put', key: this.#key(origin), value: evidence }])
    return true
  }

  /**
   * An admin has decided: the log is taken again. Its evidence is kept by whoever keeps it, not here.
   *
   * @param sealed its home was handed over: then for good, as what was found would be found again
   */
  async release(origin: string, sealed: boolean): Promise<void> {
    const key = this.#key(origin)
    await this.#store.commit([sealed ? { type: 'put', key, value: new Uint8Array() } : { type: 'del', key }])
    if (sealed) this.#readmitted.add(origin)
    this.#frozen.delete(origin)
    this.#log.warn('log-released', { origin })
  }

  #key(origin: string): string {
    return `${this.#prefix}|${Buffer.from(origin).toString('hex')}`
  }
}
