import { type Refusal, refusal } from '../../core/refusal.js'
import { isSuspect, NEW_RECORD, recordAfter } from '../../core/verification/worker-record.js'
import type { Clock } from '../../ports/clock.js'
import type { Store } from '../../ports/store.js'
import { readStanding, STANDINGS, type Standing, standingKey, standingWrite } from './case-record.js'
import { STANDING_CASES } from './constants.js'
import type { Journal } from './journal.js'

interface Components {
  readonly store: Store
  readonly clock: Clock
  readonly journal: Journal
}

const NEW_STANDING: Standing = { ...NEW_RECORD, suspendedMs: 0, cases: [] }

/** How often each worker agreed with others, and who is suspended here for lies; over restarts too. */
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

  /** Why a worker gets nothing new; undefined = nothing speaks against it. */
  bar(worker: string): Refusal | undefined {
    const { suspendedMs, wrong } = this.get(worker)
    if (suspendedMs === 0) return undefined
    const since = new Date(suspendedMs).toISOString()
    return refusal('worker-suspended', `${wrong} of its results were refuted by others; since ${since}`, {
      next: 'An owner of the coordinator looks at the evidence: edgecoder coordinator evidence.',
    })
  }

  /**
   * One more comparison counts. In the commit of what it came of.
   *
   * @param task that it was wrong about
   * @returns true when it is suspended for it
   */
  compared(worker: string, comparison: 'agreed' | 'wrong', task: string): boolean {
    const before = this.get(worker)
    const record = recordAfter(before, comparison)
    const suspends = before.suspendedMs === 0 && isSuspect(record)
    const cases = comparison === 'wrong' ? [...before.cases, task].slice(-STANDING_CASES) : before.cases
    const suspendedMs = suspends ? this.#components.clock.nowMs() : before.suspendedMs
    this.#set(worker, { ...record, suspendedMs, cases })
    return suspends
  }

  /** Begins anew with a worker that is suspended. @returns `not-found` when it is not */
  forgive(worker: string): Refusal | undefined {
    if (this.get(worker).suspendedMs === 0) {
      return refusal('not-found', `worker ${worker} is not suspended here`)
    }
    this.#set(worker, { ...NEW_STANDING, cases: this.get(worker).cases })
    return undefined
  }

  #set(worker: string, standing: Standing): void {
    this.#standings.set(worker, standing)
    const write = standingWrite(worker, standing)
    this.#components.journal.record({ key: standingKey(worker), write: () => write })
  }
}
