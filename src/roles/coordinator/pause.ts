import { EdgeCoderError } from '../../core/errors.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { TaskHeader } from '../../core/task/task.js'
import { Turns } from '../../core/turns.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Metrics } from '../../ports/metrics.js'
import type { Store } from '../../ports/store.js'
import { codec, isMalformed } from '../../wire/frame.js'
import { StoredPauseSchema } from '../../wire/generated/edgecoder/store/v1/coordinator_pb.js'
import { PAUSE_KEY } from './task-record.js'

/** What an owner asks for. */
export interface PauseOrder {
  /** For whoever asks why nothing goes on; 1 to 256 characters. */
  readonly reason: string
  /** New tasks are refused meanwhile; else they wait in the queue. */
  readonly refusesSubmits: boolean
}

export interface PauseView extends PauseOrder {
  /** Wall clock. */
  readonly sinceMs: number
}

interface Components {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** Tasks may be given out again. */
  readonly touch: () => void
  /** Why nothing is given out though there is no pause. */
  readonly held: () => Refusal | undefined
}

/** When a gateway tries again what it has promised to a user already. */
const RETRY_MS = 15_000
const pauses = codec(StoredPauseSchema, 2_048)

/**
 * While it is on, this coordinator gives out no lease. Leases that are out go on and are renewed, results are
 * taken. It lasts until it is ended, over restarts too.
 */
export class Pause {
  readonly #components: Components
  readonly #gauge: { set(value: number): void }
  #view: PauseView | undefined
  /** Orders are carried out one after another, and after what the disk says was read. */
  readonly #turns = new Turns()

  constructor(components: Components) {
    this.#components = components
    this.#gauge = components.metrics.gauge('edgecoder_coordinator_paused', '1 while no lease is given out.')
  }

  get view(): PauseView | undefined {
    return this.#view
  }

  /** Why nothing is given out; undefined = it is. */
  get why(): Refusal | undefined {
    return this.#view === undefined ? this.#components.held() : pausedRefusal(this.#view)
  }

  /** Reads what was said before a restart. @throws EdgeCoderError `store-corrupt`, `store-failed` */
  load(): Promise<void> {
    return this.#turns.next(async () => {
      const bytes = await this.#components.store.get(PAUSE_KEY)
      if (bytes !== undefined) this.#show(pauseOf(bytes))
    })
  }

  /**
   * No lease is decided on after this resolves. Another order takes the place of the one before, and keeps
   * its time.
   *
   * @throws EdgeCoderError `store-full`, `store-failed`: nothing changed
   */
  begin(order: PauseOrder): Promise<void> {
    return this.#turns.next(async () => {
      const { store, clock, log } = this.#components
      const view = { ...order, sinceMs: this.#view?.sinceMs ?? clock.nowMs() }
      const { reason, refusesSubmits } = view
      const value = pauses.encode({ reason, refusesSubmits, sinceMs: BigInt(view.sinceMs) })
      await store.commit([{ type: 'put', key: PAUSE_KEY, value }])
      this.#show(view)
      log.warn('coordinator-paused', { reason, refusesSubmits })
    })
  }

  /** Does nothing while there is no pause. @throws as {@link begin} */
  end(): Promise<void> {
    return this.#turns.next(async () => {
      const { store, clock, log, touch } = this.#components
      if (this.#view === undefined) return
      const { reason, sinceMs } = this.#view
      await store.commit([{ type: 'del', key: PAUSE_KEY }])
      this.#show(undefined)
      log.warn('coordinator-resumed', { reason, pausedMs: clock.nowMs() - sinceMs })
      touch()
    })
  }

  /** Why a new task is not taken. One that was held elsewhere before was promised to its user: it is taken. */
  submitFault({ fenceFloor }: TaskHeader): Refusal | undefined {
    if (this.#view?.refusesSubmits !== true || fenceFloor > 0n) return undefined
    return { ...pausedRefusal(this.#view), retryAfterMs: RETRY_MS }
  }

  #show(view: PauseView | undefined): void {
    this.#view = view
    this.#gauge.set(view === undefined ? 0 : 1)
  }
}

function pauseOf(bytes: Uint8Array): PauseView {
  const stored = pauses.decode(bytes)
  if (isMalformed(stored)) {
    throw new EdgeCoderError('store-corrupt', `What was paused cannot be read: ${stored.detail}`, {
      next: 'Restore the data folder from a backup.',
    })
  }
  const { reason, sinceMs, refusesSubmits } = stored
  return { reason, sinceMs: Number(sinceMs), refusesSubmits }
}

function pausedRefusal({ reason }: PauseView): Refusal {
  return refusal('coordinator-paused', `the coordinator is paused by its owner: ${reason}`, {
    next: 'Wait; its owner ends it with `edgecoder coordinator resume`.',
  })
}
