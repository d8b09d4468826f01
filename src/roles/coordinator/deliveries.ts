import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import { leaseGiven } from '../../core/task/lease.js'
import type { LeaseHolder } from '../../core/task/task.js'
import type { Log } from '../../ports/log.js'
import type { Network } from '../../ports/network.js'
import { isMalformed } from '../../wire/frame.js'
import type { LeaseRef } from '../../wire/generated/edgecoder/control/v1/worker_pb.js'
import type { Malformed } from '../../wire/malformed.js'
import type { Accounting } from './accounting.js'
import type { Checks } from './checks.js'
import { type Outcome, outcomeMismatch } from './outcome-check.js'
import type { TaskBook } from './task-book.js'
import type { TaskEntry } from './task-entry.js'

interface Components {
  readonly network: Network
  readonly log: Log
  readonly book: TaskBook
  readonly accounting: Accounting
  readonly checks?: Pick<Checks, 'done'> | undefined
  /** Kind of a worker's sandbox; undefined = it has not been here lately. */
  readonly sandboxOf: (worker: string) => string | undefined
}

type Ref = Pick<LeaseRef, 'taskId' | 'fence'>

/**
 * Results that gateways have accepted: sees to it that they are paid, whoever shows what both ends signed of
 * one, its worker or the gateway, and however late. Each task is paid once.
 */
export class Deliveries {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  /** Can a result of this task still be paid? @param lease that brought it; left out = whichever did */
  awaits(taskId: string, lease?: LeaseHolder): boolean {
    const { book, accounting } = this.#components
    const entry = book.get(taskId)
    if (entry === undefined) return accounting.owes(taskId) !== undefined
    return lease === undefined ? book.isUnfinished(taskId) : leaseGiven(entry.task, lease) !== undefined
  }

  /**
   * A worker shows the result of its lease. One that is not of this lease is the failure of its attempt.
   *
   * @param shown undefined = its signatures were not looked at, as it could not be paid
   * @returns why it is not paid; undefined = it is, or was by the same result before
   */
  byWorker(worker: string, ref: Ref, shown: Outcome | Malformed | undefined): Refusal | undefined {
    const { book, network, log } = this.#components
    const { taskId, fence } = ref
    const entry = book.get(taskId)
    const lease = { worker, fence }
    if (shown === undefined) return this.#again(ref, lease)
    if (entry === undefined) return this.#owed(ref, lease, shown)
    const given = leaseGiven(entry.task, lease)
    if (given === undefined) return this.#again(ref, lease)
    const why = isMalformed(shown) ? shown : (this.#mismatch(entry, lease, shown) ?? shown)
    if (!('refused' in why)) return this.#settle(entry, lease, why)
    log.warn('outcome-refused', { task: taskId, peer: worker, code: why.code, detail: why.detail })
    if (why.code === 'wrong-network') network.penalise(worker, why.code)
    if (given === 'last') book.step(entry, { type: 'attempt-failed', ...lease, fault: 'worker', why })
    return why
  }

  /**
   * The gateway of a task shows the result that it has accepted.
   *
   * @param entry of this gateway's task; undefined = it has none of this id here
   * @returns whether the task has ended by it; else it is of no lease that was given on it
   */
  byGateway(gateway: string, taskId: string, entry: TaskEntry | undefined, shown: Outcome): boolean {
    const { book, accounting, log } = this.#components
    const lease = { worker: shown.worker.signer, fence: shown.worker.value.fence }
    if (entry === undefined) {
      const isOwed = book.get(taskId) === undefined && accounting.owes(taskId)?.gateway === gateway
      return isOwed && this.#owed({ taskId, fence: lease.fence }, lease, shown) === undefined
    }
    if (leaseGiven(entry.task, lease) === undefined) return false
    const why = this.#mismatch(entry, lease, shown)
    if (why === undefined) {
      this.#settle(entry, lease, shown)
      return true
    }
    log.warn('outcome-refused', { task: taskId, peer: gateway, code: why.code, detail: why.detail })
    return false
  }

  #mismatch({ task }: TaskEntry, lease: LeaseHolder, shown: Outcome): Refusal | undefined {
    const coordinator = this.#components.network.peerId
    return outcomeMismatch(shown, { header: task.header, ...lease, coordinator })
  }

  /**
   * Ends a task by a result that its gateway has accepted, after which that accepts no other one: what cannot
   * be paid is cancelled, and the record says why.
   */
  #settle(entry: TaskEntry, lease: LeaseHolder, shown: Outcome): Refusal | undefined {
    const { book, accounting, checks, sandboxOf, log } = this.#components
    const { header } = entry.task
    const unpaid = accounting.judge(header, shown)
    if (unpaid !== undefined) {
      const { code, next } = unpaid
      const detail = `the result of ${lease.worker} was accepted, and cannot be paid: ${unpaid.detail}`
      log.warn('delivered-unpaid', { task: entry.id, peer: lease.worker, code, detail })
      book.step(entry, { type: 'cancel', why: refusal(code, detail, next === undefined ? {} : { next }) })
      return unpaid
    }
    const isLate = leaseGiven(entry.task, lease) === 'former'
    const result = book.step(entry, { type: 'complete', ...lease }, shown)
    if (isRefusal(result)) return result
    if (isLate) log.info('late-result-settled', { task: entry.id, peer: lease.worker, fence: lease.fence })
    checks?.done(header, lease.worker, sandboxOf(lease.worker), shown)
    return undefined
  }

  /** A result of a task that is not here; it is paid all the same where credits are held for it. */
  #owed(ref: Ref, lease: LeaseHolder, shown: Outcome | Malformed): Refusal | undefined {
    const { accounting, network, log } = this.#components
    const { taskId: id } = ref
    const owed = accounting.owes(id)
    if (owed === undefined) return unknownLease(ref)
    if (isMalformed(shown)) return refusal(shown.code, shown.detail)
    const header = { id, gateway: owed.gateway, payloadDigest: shown.worker.value.payloadDigest }
    const claimed = { header, ...lease, coordinator: network.peerId }
    const unpaid = outcomeMismatch(shown, claimed) ?? accounting.judge(header, shown)
    if (unpaid !== undefined) return unpaid
    accounting.settle(id, shown)
    log.info('owed-task-settled', { task: id, peer: lease.worker })
    return undefined
  }

  /** The same result of the same lease again is acknowledged again; any other is too late. */
  #again(ref: Ref, { worker, fence }: LeaseHolder): Refusal | undefined {
    const task = this.#components.book.get(ref.taskId)?.task
    if (task === undefined) return unknownLease(ref)
    const isSame = task.state === 'done' && task.worker === worker && task.fence === fence
    return isSame ? undefined : lateLease(ref, task.lastFence)
  }
}

export function unknownLease(lease: Ref): Refusal {
  return refusal('stale-fence', `task ${lease.taskId} is not known here, or no longer`, {
    next: 'Stop this attempt and drop its result.',
  })
}

function lateLease(lease: Ref, lastFence: bigint): Refusal {
  return refusal(
    'stale-fence',
    `lease ${lease.fence} of task ${lease.taskId} is over; the last is ${lastFence}`,
    {
      next: 'Stop this attempt and drop its result.',
    },
  )
}
