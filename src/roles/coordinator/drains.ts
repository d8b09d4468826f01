import { EdgeCoderError } from '../../core/errors.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import { Turns } from '../../core/turns.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Store } from '../../ports/store.js'
import { codec, isMalformed } from '../../wire/frame.js'
import { StoredDrainSchema } from '../../wire/generated/edgecoder/store/v1/coordinator_pb.js'
import { DRAINS, drainKey } from './task-record.js'

/** What an owner asks for. */
export interface DrainOrder {
  /** Peer id; it need not be attached. */
  readonly worker: string
  /** For whoever asks why it gets nothing; at most 256 characters. */
  readonly reason: string
  /** Leases that it has after so long are taken away; left out = it may finish them. */
  readonly deadlineMs?: number | undefined
}

export interface DrainView {
  readonly worker: string
  readonly reason: string
  /** Wall clock. */
  readonly sinceMs: number
  /** Wall clock; left out = there is none. */
  readonly untilMs?: number
  /** That it has left; 0 = it is drained. */
  readonly leases: number
}

type Drain = Omit<DrainView, 'leases'>

interface Components {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** How many leases a worker has. */
  readonly leases: (worker: string) => number
  /** Takes the leases of a worker away, so that others get them. */
  readonly cut: (worker: string, why: Refusal) => void
  /** Other workers are drained than before. */
  readonly changed: () => void
}

const MOST_DRAINS = 1_024
const drains = codec(StoredDrainSchema, 2_048)

/** Workers that this coordinator gives nothing new, until that is ended; over restarts too. */
export class Drains {
  readonly #components: Components
  readonly #drains = new Map<string, Drain>()
  /** Orders are carried out one after another, and after what the disk says was read. */
  readonly #turns = new Turns()

  constructor(components: Components) {
    this.#components = components
  }

  /** Why a worker gets nothing new; undefined = it does. */
  bar(worker: string): Refusal | undefined {
    const drain = this.#drains.get(worker)
    return drain && drainedRefusal(drain)
  }

  list(): readonly DrainView[] {
    const { leases } = this.#components
    return [...this.#drains.values()].map((each) => ({ ...each, leases: leases(each.worker) }))
  }

  /** Reads what was said before a restart. @throws EdgeCoderError `store-corrupt`, `store-failed` */
  load(): Promise<void> {
    return this.#turns.next(async () => {
      for await (const [key, bytes] of this.#components.store.range(DRAINS)) {
        const worker = key.slice(DRAINS.gte.length)
        this.#drains.set(worker, drainOf(worker, bytes))
      }
    })
  }

  /**
   * Nothing new is given to the worker once this resolves. Another order for it takes the place of the one
   * before, and keeps its time.
   *
   * @returns `queue-full` when too many are drained
   * @throws EdgeCoderError `store-full`, `store-failed`: nothing changed
   */
  begin({ worker, reason, deadlineMs }: DrainOrder): Promise<Refusal | undefined> {
    return this.#turns.next(async () => {
      const { store, clock, log, changed } = this.#components
      const before = this.#drains.get(worker)
      if (before === undefined && this.#drains.size >= MOST_DRAINS) return tooMany()
      const sinceMs = before?.sinceMs ?? clock.nowMs()
      const until = deadlineMs === undefined ? {} : { untilMs: clock.nowMs() + deadlineMs }
      const drain = { worker, reason, sinceMs, ...until }
      const value = drains.encode({
        reason,
        sinceMs: BigInt(sinceMs),
        deadlineMs: BigInt(drain.untilMs ?? 0),
      })
      await store.commit([{ type: 'put', key: drainKey(worker), value }])
      this.#drains.set(worker, drain)
      log.warn('worker-drain-began', { peer: worker, reason, leases: this.#components.leases(worker) })
      changed()
      return undefined
    })
  }

  /** @returns `not-found` when it is not drained @throws as {@link begin} */
  end(worker: string): Promise<Refusal | undefined> {
    return this.#turns.next(async () => {
      const { store, log, changed } = this.#components
      if (!this.#drains.has(worker)) return refusal('not-found', `worker ${worker} is not drained here`)
      await store.commit([{ type: 'del', key: drainKey(worker) }])
      this.#drains.delete(worker)
      log.warn('worker-drain-ended', { peer: worker })
      changed()
      return undefined
    })
  }

  /** Takes away what is left at a deadline. Called every second. */
  sweep(): void {
    const { clock, leases, cut, log } = this.#components
    for (const drain of this.#drains.values()) {
      const left = leases(drain.worker)
      if (drain.untilMs === undefined || clock.nowMs() < drain.untilMs || left === 0) continue
      log.warn('worker-drain-cut', { peer: drain.worker, leases: left })
      cut(drain.worker, drainedRefusal(drain))
    }
  }
}

function drainOf(worker: string, bytes: Uint8Array): Drain {
  const stored = drains.decode(bytes)
  if (isMalformed(stored)) {
    throw new EdgeCoderError('store-corrupt', `How ${worker} is drained cannot be read: ${stored.detail}`, {
      next: 'Restore the data folder from a backup.',
    })
  }
  const { reason, sinceMs, deadlineMs } = stored
  const until = deadlineMs === 0n ? {} : { untilMs: Number(deadlineMs) }
  return { worker, reason, sinceMs: Number(sinceMs), ...until }
}

function drainedRefusal({ reason }: Drain): Refusal {
  const detail = `the owner of the coordinator drains the worker${reason === '' ? '' : `: ${reason}`}`
  return refusal('worker-draining', detail, { next: 'Its owner ends it: edgecoder coordinator undrain.' })
}

function tooMany(): Refusal {
  return refusal('queue-full', `${MOST_DRAINS} workers are drained here already`, {
    next: 'End some of them first: edgecoder coordinator undrain.',
  })
}
