import type { MessageInitShape } from '@bufbuild/protobuf'
import { fromWire, isRefusal, toWire } from '../../core/refusal.js'
import type { Link } from '../../ports/network.js'
import { frames, isMalformed } from '../../wire/frame.js'
import {
  type AttemptFailed,
  type Beat,
  type Done,
  Fault,
  type LeaseDeclined,
  type LeaseRef,
  type RenewedSchema,
  type WorkerToCoordinator,
} from '../../wire/generated/edgecoder/control/v1/worker_pb.js'
import type { Malformed } from '../../wire/malformed.js'
import { GATEWAY_WORD_MS } from './constants.js'
import { unknownLease } from './deliveries.js'
import type { WorkerDeskComponents } from './desk-components.js'
import type { Action } from './ordered-inbox.js'
import { type Outcome, openOutcome } from './outcome-check.js'
import { leaseOf, type TaskEntry } from './task-entry.js'
import { tellWorker, type WorkerSession } from './worker-session.js'

const FAULTS = { [Fault.WORKER]: 'worker', [Fault.TASK]: 'task', [Fault.GATEWAY]: 'gateway' } as const

/** Answers most beats. */
const NOTHING_RENEWED = frames.coordinatorToWorker.encode({ body: { case: 'beatAck', value: {} } })

/** Who hears of what a worker says of itself. */
interface Desk {
  /** It has other slots to offer. */
  offer(session: WorkerSession): void
  /** It can do something else. */
  changed(session: WorkerSession): void
}

/** @returns what each message of a welcomed worker leads to */
export function createWorkerTalk(
  components: WorkerDeskComponents,
  init: { readonly leaseMs: number },
  session: WorkerSession,
  link: Link,
  desk: Desk,
): (message: WorkerToCoordinator) => Action | undefined {
  const talk = new WorkerTalk(components, init.leaseMs, session, link, desk)
  return (message) => talk.said(message)
}

class WorkerTalk {
  readonly #components: WorkerDeskComponents
  readonly #leaseMs: number
  readonly #session: WorkerSession
  readonly #link: Link
  readonly #desk: Desk

  constructor(
    components: WorkerDeskComponents,
    leaseMs: number,
    session: WorkerSession,
    link: Link,
    desk: Desk,
  ) {
    this.#components = components
    this.#leaseMs = leaseMs
    this.#session = session
    this.#link = link
    this.#desk = desk
  }

  said({ body }: WorkerToCoordinator): Action | undefined {
    const session = this.#session
    switch (body.case) {
      case 'slots':
        return () => {
          session.reason = body.value.reason
          this.#report(body.value.free)
        }
      case 'capabilities':
        return () => this.#changed(body.value)
      case 'beat':
        if (body.value.progress.length > 0) return () => this.#beat(body.value)
        this.#link.send(NOTHING_RENEWED)
        return undefined
      case 'done':
        return this.#done(body.value)
      case 'failed':
        return () => this.#failed(body.value)
      case 'declined':
        return () => this.#declined(body.value)
      case 'whyIdle':
        return () => this.#whyIdle(body.value.id)
      default:
        return () => this.#violation('a second hello on one link')
    }
  }

  #violation(detail: string): void {
    this.#link.abort(detail)
    this.#components.network.penalise(this.#session.peerId, 'protocol-violation')
  }

  #report(free: number): void {
    this.#session.reported(free)
    this.#desk.offer(this.#session)
  }

  #changed(capabilities: WorkerSession['capabilities']): void {
    this.#session.capabilities = capabilities
    this.#desk.changed(this.#session)
  }

  #beat(beat: Beat): void {
    const { book } = this.#components
    const worker = this.#session.peerId
    const renewed: MessageInitShape<typeof RenewedSchema>[] = []
    for (const { lease, work, stage } of beat.progress) {
      const entry = lease && book.get(lease.taskId)
      if (lease === undefined) continue
      this.#session.mentioned(lease.taskId)
      const { fence } = lease
      const event = { type: 'progress', worker, fence, work, stage, leaseMs: this.#leaseMs } as const
      const result = entry === undefined ? unknownLease(lease) : book.step(entry, event)
      if (isRefusal(result)) tellWorker(this.#link, { case: 'cancel', value: { lease, why: toWire(result) } })
      else if (result.effects.some((effect) => effect.type === 'renewed'))
        renewed.push({ lease, leaseMs: this.#leaseMs })
    }
    tellWorker(this.#link, { case: 'beatAck', value: { renewed } })
  }

  #done(done: Done): Action {
    const { lease, receipt, acceptance } = done
    if (lease === undefined || receipt === undefined || acceptance === undefined) return () => {}
    const { deliveries, policy } = this.#components
    const { fence, taskId } = lease
    // A repeated or late result needs no look at its signatures: nothing is settled by it.
    if (!deliveries.awaits(taskId, { worker: this.#session.peerId, fence }))
      return () => this.#finish(done, lease, undefined)
    const checked = openOutcome(receipt, acceptance, policy().network)
    return checked.then((shown) => () => this.#finish(done, lease, shown))
  }

  #finish({ receipt, free }: Done, lease: LeaseRef, shown: Outcome | Malformed | undefined): void {
    const { journal, suspensions, deliveries } = this.#components
    const worker = this.#session.peerId
    if (receipt !== undefined && isForeign(shown, worker)) suspensions.badReceipt(worker, receipt)
    this.#session.mentioned(lease.taskId)
    const held = this.#held(lease)
    const why = deliveries.byWorker(worker, lease, shown)
    if (held !== undefined) this.#session.slotFreed()
    this.#report(free)
    journal.afterwards(() => {
      const answer = why === undefined ? { lease } : { lease, refusal: toWire(why) }
      tellWorker(this.#link, { case: 'doneAck', value: answer })
    })
  }

  #failed({ lease, fault, why, free }: AttemptFailed): void {
    if (lease === undefined || why === undefined || fault === Fault.UNSPECIFIED) {
      this.#violation('a failure without lease, fault or reason')
      return
    }
    const held = this.#held(lease)
    this.#session.mentioned(lease.taskId)
    if (held !== undefined) {
      const { book, log, clock, touch } = this.#components
      const worker = this.#session.peerId
      log.info('attempt-failed', { task: lease.taskId, peer: worker, fault: FAULTS[fault], code: why.code })
      const event = { type: 'attempt-failed', worker, fence: lease.fence } as const
      const failed = { ...event, fault: FAULTS[fault], why: fromWire(why) }
      if (fault === Fault.GATEWAY && why.code === 'task-ended') {
        clock.after(GATEWAY_WORD_MS, () => {
          if (this.#held(lease) === held) book.step(held, failed)
          touch()
        })
      } else book.step(held, failed)
      this.#session.slotFreed()
    }
    this.#report(free)
  }

  #declined({ lease, reason, free }: LeaseDeclined): void {
    if (lease === undefined) return
    const held = this.#held(lease)
    this.#session.mentioned(lease.taskId)
    if (held !== undefined) {
      const worker = this.#session.peerId
      this.#components.book.step(held, { type: 'decline', worker, fence: lease.fence, reason })
    }
    this.#session.counts(free)
    this.#desk.offer(this.#session)
  }

  #whyIdle(id: number): void {
    const { scheduler, pause } = this.#components
    const view = scheduler.whyIdle(this.#session.peerId)
    const own = pause.why === undefined ? [] : [{ refusal: pause.why, tasks: 0 }]
    const reasons = [...own, ...view.reasons].slice(0, 32).map(({ refusal: { code, detail }, tasks }) => ({
      code,
      detail: detail.slice(0, 160),
      tasks,
    }))
    tellWorker(this.#link, { case: 'whyIdle', value: { id, reasons, queued: view.queued } })
  }

  /** The task, when this worker holds this very lease on it. */
  #held(lease: LeaseRef): TaskEntry | undefined {
    const entry = this.#components.book.get(lease.taskId)
    const held = entry && leaseOf(entry.task)
    return held?.worker === this.#session.peerId && held.fence === lease.fence ? entry : undefined
  }
}

/** May the receipt be one that the worker did not sign? */
function isForeign(shown: Outcome | Malformed | undefined, worker: string): boolean {
  if (shown === undefined) return false
  return isMalformed(shown) ? shown.code === 'bad-signature' : shown.worker.signer !== worker
}
