import { EdgeCoderError } from '../../core/errors.js'
import type { PolicyView } from '../../core/policy/policy-view.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import { Turns } from '../../core/turns.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Gauge, Metrics } from '../../ports/metrics.js'
import type { Store } from '../../ports/store.js'
import { codec, isMalformed } from '../../wire/frame.js'
import { StoredIsolationSchema } from '../../wire/generated/edgecoder/store/v1/coordinator_pb.js'
import { ISOLATIONS, isolationKey } from './task-record.js'

/** What an owner asks for. */
export interface IsolationOrder {
  /** Peer id of a worker, a gateway or another coordinator; it need not be connected. */
  readonly peer: string
  /** For whoever asks why; at most 256 characters. */
  readonly reason: string
}

export interface IsolationView extends IsolationOrder {
  /** Wall clock. */
  readonly sinceMs: number
}

interface Components {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

const MOST_ISOLATIONS = 1_024
const isolations = codec(StoredIsolationSchema, 2_048)

/**
 * Peers that the owner of this coordinator has nothing to do with, until that is ended; over restarts too.
 * What is here of them stays: copies of their logs, evidence, records. Nobody else is told.
 */
export class Isolations {
  readonly #components: Components
  readonly #isolated = new Map<string, IsolationView>()
  readonly #listeners = new Set<(peer: string) => void>()
  readonly #gauge: Gauge
  /** Orders are carried out one after another, and after what the disk says was read. */
  readonly #turns = new Turns()

  constructor(components: Components) {
    this.#components = components
    this.#gauge = components.metrics.gauge(
      'edgecoder_coordinator_isolated_peers',
      'Peers that its owner has isolated: nothing is done with them.',
    )
  }

  has(peer: string): boolean {
    return this.#isolated.has(peer)
  }

  list(): readonly IsolationView[] {
    return [...this.#isolated.values()]
  }

  /** Policy as it is here: nobody who is isolated is admitted. */
  over(view: PolicyView): PolicyView {
    return this.#isolated.size === 0 ? view : { ...view, isolated: this.#isolated }
  }

  /** Called with a peer that is isolated from now on, or not any more. */
  onChange(listener: (peer: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Reads what was said before a restart. @throws EdgeCoderError `store-corrupt`, `store-failed` */
  load(): Promise<void> {
    return this.#turns.next(async () => {
      for await (const [key, bytes] of this.#components.store.range(ISOLATIONS)) {
        const peer = key.slice(ISOLATIONS.gte.length)
        this.#isolated.set(peer, isolationOf(peer, bytes))
      }
      this.#gauge.set(this.#isolated.size)
    })
  }

  /**
   * Nothing more is done with the peer once this resolves. Another order for it takes the place of the one
   * before, and keeps its time.
   *
   * @returns `queue-full` when too many are isolated
   * @throws EdgeCoderError `store-full`, `store-failed`: nothing changed
   */
  begin({ peer, reason }: IsolationOrder): Promise<Refusal | undefined> {
    return this.#turns.next(async () => {
      const { store, clock, log } = this.#components
      const before = this.#isolated.get(peer)
      if (before === undefined && this.#isolated.size >= MOST_ISOLATIONS) return tooMany()
      const sinceMs = before?.sinceMs ?? clock.nowMs()
      const value = isolations.encode({ reason, sinceMs: BigInt(sinceMs) })
      await store.commit([{ type: 'put', key: isolationKey(peer), value }])
      this.#isolated.set(peer, { peer, reason, sinceMs })
      log.warn('peer-isolated', { peer, reason })
      this.#changed(peer)
      return undefined
    })
  }

  /** @returns `not-found` when it is not isolated @throws as {@link begin} */
  end(peer: string): Promise<Refusal | undefined> {
    return this.#turns.next(async () => {
      const { store, log } = this.#components
      if (!this.#isolated.has(peer)) {
        return refusal('not-found', `${peer} is not isolated here`, {
          next: 'Those that are: edgecoder coordinator isolations. Policy isolates by node-state.',
        })
      }
      await store.commit([{ type: 'del', key: isolationKey(peer) }])
      this.#isolated.delete(peer)
      log.warn('peer-released', { peer })
      this.#changed(peer)
      return undefined
    })
  }

  #changed(peer: string): void {
    this.#gauge.set(this.#isolated.size)
    for (const listener of [...this.#listeners]) listener(peer)
  }
}

function isolationOf(peer: string, bytes: Uint8Array): IsolationView {
  const stored = isolations.decode(bytes)
  if (isMalformed(stored)) {
    throw new EdgeCoderError('store-corrupt', `How ${peer} is isolated cannot be read: ${stored.detail}`, {
      next: 'Restore the data folder from a backup.',
    })
  }
  const { reason, sinceMs } = stored
  return { peer, reason, sinceMs: Number(sinceMs) }
}

function tooMany(): Refusal {
  return refusal('queue-full', `${MOST_ISOLATIONS} peers are isolated here already`, {
    next: 'Release some of them first: edgecoder coordinator release.',
  })
}
