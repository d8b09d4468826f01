import { type Refusal, refusal } from '../../core/refusal.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Fault, Lease } from '../../wire/generated/edgecoder/control/v1/worker_pb.js'
import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import type { TaskHeader } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { faultOf } from './fault.js'
import { Headway } from './headway.js'
import type { LeaseId } from './lease-ref.js'

/** How an attempt ended here. */
export type AttemptEnd =
  | { readonly type: 'done'; readonly receipt: Envelope; readonly acceptance: Envelope }
  | { readonly type: 'failed'; readonly fault: Fault; readonly why: Refusal }
  /** Its coordinator called it off: nothing is to be reported. */
  | { readonly type: 'revoked'; readonly why: Refusal }

/** @param why of its code depends who is to blame */
export function failed(why: Refusal, fault: Fault = faultOf(why.code)): AttemptEnd {
  return { type: 'failed', fault, why }
}

interface RunComponents {
  readonly clock: Clock
  /** The stage moved. */
  readonly moved: () => void
  /** How long past its end a lease that was not renewed may still be renewed. */
  readonly graceMs: () => number
  /** Its coordinator is away. */
  readonly cutOff: () => boolean
}

/** One attempt under its lease: when it must stop, and why it did. */
export class LeaseRun {
  readonly ref: LeaseId
  readonly header: TaskHeader
  readonly lease: Lease
  readonly coordinator: string
  /** Wall clock. */
  readonly startedMs: number
  /** By the clock that never goes back. */
  readonly beganMs: number
  readonly headway: Headway
  readonly #components: RunComponents
  readonly #controller = new AbortController()
  #expiresMs: number
  #leaseTimer: Timer
  readonly #runTimer: Timer
  #stopped: AttemptEnd | undefined

  constructor(
    components: RunComponents,
    ref: LeaseId,
    lease: Lease,
    header: TaskHeader,
    coordinator: string,
  ) {
    const { clock } = components
    this.#components = components
    this.ref = ref
    this.lease = lease
    this.header = header
    this.coordinator = coordinator
    this.startedMs = clock.nowMs()
    this.beganMs = clock.monotonicMs()
    this.headway = new Headway(clock, components.moved)
    this.#expiresMs = clock.monotonicMs() + lease.leaseMs
    this.#leaseTimer = this.#armLease()
    this.#runTimer = clock.after(header.maxRunMs, () => {
      this.stop(
        failed(refusal('run-time-exceeded', `it ran for ${header.maxRunMs} ms, all that the task allows`)),
      )
    })
  }

  /** Aborts when the attempt must stop. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Why it was stopped from outside, if it was. */
  get stopped(): AttemptEnd | undefined {
    return this.#stopped
  }

  /** Its coordinator is away: what else is away may come back together with it. */
  get isCutOff(): boolean {
    return this.#components.cutOff()
  }

  renew(leaseMs: number): void {
    this.#expiresMs = this.#components.clock.monotonicMs() + leaseMs
  }

  /** The first reason counts. */
  stop(end: AttemptEnd): void {
    if (this.#stopped !== undefined) return
    this.#stopped = end
    this.#controller.abort()
  }

  /** Ends its timers. */
  release(): void {
    this.#leaseTimer.cancel()
    this.#runTimer.cancel()
  }

  /** Looks again when the lease and its grace would be over; renewals in between only move the goal. */
  #armLease(): Timer {
    const { clock, graceMs } = this.#components
    const leftMs = this.#expiresMs + graceMs() - clock.monotonicMs()
    return clock.after(Math.max(1, leftMs), () => {
      if (clock.monotonicMs() < this.#expiresMs + graceMs()) this.#leaseTimer = this.#armLease()
      else this.stop(failed(refusal('lease-lapsed', 'the lease ran out and was not renewed')))
    })
  }
}
