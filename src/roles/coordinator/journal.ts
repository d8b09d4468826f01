import { EdgeCoderError } from '../../core/errors.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Histogram, Metrics } from '../../ports/metrics.js'
import type { Store, Write } from '../../ports/store.js'
import { HELD_ANSWERS, STORE_RETRY_MS } from './constants.js'
import { PROBE_KEY } from './task-record.js'

/**
 * Something whose present state is to be stored; read only when the commit starts, so that many steps cost
 * one write.
 */
export interface Recordable {
  readonly key: string
  /** The state as of now: one write, or several that belong together. */
  write(): Write | readonly Write[]
  /** What does not fit into one commit with the rest, and goes before it; undefined = all fits. */
  overflow?(): readonly Write[] | undefined
  /** What the last {@link write} or {@link overflow} said is on the disk. */
  durable?(): void
  /** It is not; it will be asked for again. */
  failed?(): void
}

/**
 * Writes of all steps that happen together, in one commit, and what may be said once they are on the disk.
 * While the store fails nothing is said: writes and words are kept and tried again.
 */
export interface Journal {
  /** Why the store refuses now; absent = it works. */
  readonly fault: EdgeCoderError | undefined
  /** Nothing is written any more, so nothing may be decided: this coordinator stops. */
  readonly closed: boolean
  /** More is held back than is sensible: drop links instead of answering. */
  readonly overfull: boolean
  /** Part of the next commit, once, however often it is called before that. */
  record(what: Recordable): void
  /** Takes a record back, when what it recorded never came to be. */
  strike(key: string): void
  /** Runs `say` when all recorded so far is durable, in order of these calls. */
  afterwards(say: () => void): void
  /** As {@link afterwards}, but a commit that fails is not tried again for it: `refuse` runs instead. */
  onlyIfDurable(say: () => void, refuse: (fault: EdgeCoderError) => void): void
  /** Starts the commit of what was recorded. */
  flush(): void
  /** Tries a last time to write what is recorded, then stops. */
  close(): Promise<void>
}

interface Held {
  readonly say: () => void
  readonly refuse?: (fault: EdgeCoderError) => void
}

interface Components {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

const PROBE: Recordable = {
  key: PROBE_KEY,
  write: () => ({ type: 'put', key: PROBE_KEY, value: Uint8Array.of(1) }),
}
const BATCH_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000]

export function createJournal({ store, clock, log, metrics }: Components): Journal {
  const sizes = metrics.histogram(
    'edgecoder_coordinator_commit_writes',
    'Records written in one commit.',
    BATCH_BUCKETS,
  )
  return new StoreJournal(store, clock, log, sizes)
}

class StoreJournal implements Journal {
  fault: EdgeCoderError | undefined
  readonly #store: Store
  readonly #clock: Clock
  readonly #log: Log
  readonly #sizes: Histogram
  #records = new Map<string, Recordable>()
  #held: Held[] = []
  #busy: Promise<void> | undefined
  #closed = false

  constructor(store: Store, clock: Clock, log: Log, sizes: Histogram) {
    this.#store = store
    this.#clock = clock
    this.#log = log
    this.#sizes = sizes
  }

  get closed(): boolean {
    return this.#closed
  }

  get overfull(): boolean {
    return this.#held.length > HELD_ANSWERS
  }

  record(what: Recordable): void {
    this.#records.set(what.key, what)
  }

  strike(key: string): void {
    this.#records.delete(key)
  }

  afterwards(say: () => void): void {
    this.#held.push({ say })
  }

  onlyIfDurable(say: () => void, refuse: (fault: EdgeCoderError) => void): void {
    this.#held.push({ say, refuse })
  }

  flush(): void {
    if (this.#busy !== undefined || this.fault !== undefined || this.#closed) return
    if (this.#records.size > 0) this.#busy = this.#commitAll()
    else sayAll(this.#takeHeld())
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#busy
    if (this.#records.size > 0) await this.#commitOnce()
  }

  /** One commit at a time: what happens meanwhile shares the next one. */
  async #commitAll(): Promise<void> {
    while (this.#records.size > 0 && (await this.#commitOnce()));
    this.#busy = undefined
    if (this.fault === undefined) sayAll(this.#takeHeld())
  }

  async #commitOnce(): Promise<boolean> {
    const records = this.#records
    const held = this.#takeHeld()
    this.#records = new Map()
    let writes: readonly Write[]
    try {
      await this.#commitOverflow(records)
      writes = writesOf(records)
      await this.#store.commit(writes)
    } catch (cause) {
      for (const each of records.values()) each.failed?.()
      this.#failed(records, held, cause)
      return false
    }
    if (this.fault !== undefined) this.#log.info('store-recovered')
    this.fault = undefined
    this.#sizes.observe(writes.length)
    for (const each of records.values()) each.durable?.()
    sayAll(held)
    return true
  }

  async #commitOverflow(records: ReadonlyMap<string, Recordable>): Promise<void> {
    for (const each of records.values()) {
      for (let more = each.overflow?.(); more !== undefined; more = each.overflow?.()) {
        await this.#store.commit(more)
        each.durable?.()
      }
    }
  }

  #failed(records: Map<string, Recordable>, held: readonly Held[], cause: unknown): void {
    const fault =
      cause instanceof EdgeCoderError
        ? cause
        : new EdgeCoderError('store-failed', 'The store failed for no known reason.', { cause })
    if (this.fault === undefined) this.#log.error('store-failing', { error: fault, next: fault.next })
    this.fault = fault
    for (const [key, record] of this.#records) records.set(key, record)
    this.#records = records
    const all = [...held, ...this.#held]
    this.#held = all.filter((each) => each.refuse === undefined)
    for (const each of all) each.refuse?.(fault)
    this.#clock.after(STORE_RETRY_MS, () => {
      if (this.#busy !== undefined || this.#closed) return
      // With nothing left to write, a write of no meaning tells whether the store works again.
      if (this.#records.size === 0) this.record(PROBE)
      this.#busy = this.#commitAll()
    })
  }

  #takeHeld(): readonly Held[] {
    const held = this.#held
    this.#held = []
    return held
  }
}

function writesOf(records: ReadonlyMap<string, Recordable>): readonly Write[] {
  const writes: Write[] = []
  for (const each of records.values()) {
    const write = each.write()
    if ('type' in write) writes.push(write)
    else writes.push(...write)
  }
  return writes
}

function sayAll(held: readonly Held[]): void {
  for (const each of held) each.say()
}
