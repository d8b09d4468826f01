import type { MessageInitShape } from '@bufbuild/protobuf'
import type { WorkerToCoordinatorSchema } from '../../wire/generated/edgecoder/control/v1/worker_pb.js'
import { type LeaseId, leaseKey } from './lease-ref.js'

type Body = NonNullable<MessageInitShape<typeof WorkerToCoordinatorSchema>['body']>

/**
 * How an attempt ended, for the coordinator that leased it. `done` is kept until acknowledged, `failed` until
 * sent.
 */
export type Outcome = {
  readonly lease: LeaseId
  readonly coordinator: string
  readonly sinceMs: number
} & Extract<Body, { case: 'done' | 'failed' }>

/** Outcomes that their coordinator does not have yet, at most `limit`; past it the oldest is let go. */
export class Outbox {
  readonly #limit: number
  readonly #outcomes = new Map<string, Outcome>()

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#outcomes.size
  }

  /** @returns the outcome that had to go for it */
  put(outcome: Outcome): Outcome | undefined {
    this.#outcomes.set(leaseKey(outcome.lease), outcome)
    if (this.#outcomes.size <= this.#limit) return undefined
    const [oldest] = this.#outcomes
    if (oldest === undefined) return undefined
    this.#outcomes.delete(oldest[0])
    return oldest[1]
  }

  get(lease: LeaseId): Outcome | undefined {
    return this.#outcomes.get(leaseKey(lease))
  }

  remove(lease: LeaseId): void {
    this.#outcomes.delete(leaseKey(lease))
  }

  /** Oldest first. */
  of(coordinator: string): readonly Outcome[] {
    return [...this.#outcomes.values()].filter((outcome) => outcome.coordinator === coordinator)
  }
}
