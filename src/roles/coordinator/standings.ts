import { isSuspect, NEW_RECORD, recordAfter } from '../../core/verification/worker-record.js'
import type { Store } from '../../ports/store.js'
import { readStanding, STANDINGS, type Standing, standingKey, standingWrite } from './case-record.js'
import { STANDING_CASES } from './constants.js'
import type { Journal } from './journal.js'

interface Components {
  readonly store: Store
  readonly journal: Journal
}

const NEW_STANDING: Standing = { ...NEW_RECORD, cases: [] }

/** How often each worker agreed with others; over restarts too. */
export class Standings {
  readonly #components: Components
  readonly #standings = new Map<string, Standing>()

  constructor(components: Components) {
    this.#components = components
  }

  /** @throws EdgeCoderError `store-corrupt`, `store-failed` */
  async load(): Promise<void> {
    for await (const [key, bytes] of this.#components.store.range(STANDINGS)) {
      const { worker, standing } = readStanding(key, bytes)
      this.#standings.set(worker, standing)
    }
  }

  get(worker: string): Standing {
    return this.#standings.get(worker) ?? NEW_STANDING
  }

  entries(): Iterable<readonly [worker: string, standing: Standing]> {
    return this.#standings
  }

  /** Workers that are to be suspended, and are not yet as far as is known here. */
  suspects(): readonly string[] {
    return [...this.#standings].flatMap(([worker, standing]) => (isSuspect(standing) ? [worker] : []))
  }

  /**
   * One more comparison counts. In the commit of what it came of.
   *
   * @param task that it was wrong about
   * @returns true when it is a suspect now
   */
  compared(worker: string, comparison: 'agreed' | 'wrong', task: string): boolean {
    const before = this.get(worker)
    const record = recordAfter(before, comparison)
    const cases = comparison === 'wrong' ? [...before.cases, task].slice(-STANDING_CASES) : before.cases
    this.#set(worker, { ...record, cases })
    return comparison === 'wrong' && isSuspect(record)
  }

  /** It is suspended: should it come back, its record begins anew. */
  renew(worker: string): void {
    this.#set(worker, NEW_STANDING)
  }

  #set(worker: string, standing: Standing): void {
    this.#standings.set(worker, standing)
    const write = standingWrite(worker, standing)
    this.#components.journal.record({ key: standingKey(worker), write: () => write })
  }
}
