import type { MessageInitShape } from '@bufbuild/protobuf'
import { gateRefusal } from '../../core/policy/incident-gate.js'
import type { PolicyView } from '../../core/policy/policy-view.js'
import { fromWire, type Refusal, refusal, toWire } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type {
  CancelLease,
  DoneAck,
  Lease,
  ProgressSchema,
  Renewed,
  WorkerHelloSchema,
  WorkerWelcome,
} from '../../wire/generated/edgecoder/control/v1/worker_pb.js'
import { Fault } from '../../wire/generated/edgecoder/control/v1/worker_pb.js'
import { type TaskHeader, TaskKind } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import type { Attachment, AttachmentOwner } from './attachment.js'
import { type Means, wireCapabilities } from './capabilities.js'
import { type LeaseId, leaseKey } from './lease-ref.js'
import { type AttemptEnd, failed, LeaseRun } from './lease-run.js'
import type { Outbox, Outcome } from './outbox.js'
import type { SlotBook } from './slot-book.js'
import { MAX_SLOTS, type WorkerLimits } from './worker-limits.js'
import type { WorkerMeters } from './worker-meters.js'

export interface LeaseDeskComponents {
  readonly clock: Clock
  readonly log: Log
  readonly limits: WorkerLimits
  readonly meters: WorkerMeters
  readonly slots: SlotBook
  readonly outbox: Outbox
  readonly means: Means
  readonly agentId: string
  readonly policy: () => PolicyView
  /** Carries a lease through; never rejects. */
  readonly runAttempt: (run: LeaseRun) => Promise<AttemptEnd>
}

/**
 * Takes leases from whichever coordinators are attached, holds the running attempts and reports how they end.
 * An outcome whose coordinator is away is kept for it.
 */
export class LeaseDesk implements AttachmentOwner {
  readonly #components: LeaseDeskComponents
  readonly #attachments = new Map<string, Attachment>()
  readonly #runs = new Map<string, LeaseRun>()
  readonly #lastWorkMs = new Map<string, number>()
  readonly #finished = { done: 0, failed: 0, revoked: 0 }
  #onQuiet: () => void = () => {}

  constructor(components: LeaseDeskComponents) {
    this.#components = components
  }

  get attachments(): readonly Attachment[] {
    return [...this.#attachments.values()]
  }

  get runs(): readonly LeaseRun[] {
    return [...this.#runs.values()]
  }

  /** Attempts ended since the start; those called off count as neither. */
  get finished(): { readonly done: number; readonly failed: number } {
    return { done: this.#finished.done, failed: this.#finished.failed }
  }

  attachmentTo(coordinator: string): Attachment | undefined {
    return this.#attachments.get(coordinator)
  }

  /** Also says that it is worth coming back to. */
  isBoundTo(coordinator: string): boolean {
    for (const run of this.#runs.values()) if (run.coordinator === coordinator) return true
    const { clock, limits, outbox } = this.#components
    if (outbox.size === 0) return false
    const sinceMs = clock.monotonicMs() - limits.outcomeWaitMs
    return outbox.of(coordinator).some((outcome) => outcome.case === 'done' && outcome.sinceMs > sinceMs)
  }

  /** When this coordinator last gave or took something; undefined = not since it attached. */
  lastWorkMs(coordinator: string): number | undefined {
    return this.#lastWorkMs.get(coordinator)
  }

  /** Tells every coordinator what it is offered now, where that changed. */
  tellOffers(): void {
    for (const attachment of this.#attachments.values()) {
      attachment.offer(this.#components.slots.offerTo(attachment.peerId))
    }
  }

  /** Tells every coordinator what this worker can do now. */
  tellCapabilities(): void {
    const value = wireCapabilities(this.#components.means)
    for (const attachment of this.#attachments.values()) attachment.send({ case: 'capabilities', value })
  }

  /**
   * Resolves when no attempt runs and no outcome waits for a coordinator that is attached, or when `signal`
   * aborts.
   */
  quiet(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!signal.aborted && !this.#isQuiet()) return
        this.#onQuiet = () => {}
        signal.removeEventListener('abort', look)
        resolve()
      }
      this.#onQuiet = look
      signal.addEventListener('abort', look)
      look()
    })
  }

  /** Stops all attempts and hands their leases back, at nobody's fault. */
  handBack(why: Refusal): void {
    for (const run of this.#runs.values()) run.stop(failed(why, Fault.GATEWAY))
  }

  hello(coordinator: string): MessageInitShape<typeof WorkerHelloSchema> {
    const { agentId, means, outbox, slots } = this.#components
    const running = this.runs.filter((run) => run.coordinator === coordinator).map((run) => run.ref)
    const ended = outbox.of(coordinator).map((outcome) => outcome.lease)
    return {
      agentId,
      capabilities: wireCapabilities(means),
      running: [...running, ...ended].slice(0, MAX_SLOTS),
      slots: slots.offerTo(coordinator).free,
    }
  }

  progress(coordinator: string): MessageInitShape<typeof ProgressSchema>[] {
    const progress: MessageInitShape<typeof ProgressSchema>[] = []
    for (const { coordinator: of, ref: lease, headway } of this.#runs.values()) {
      if (of === coordinator) progress.push({ lease, work: headway.reading(), stage: headway.stage })
    }
    return progress
  }

  welcomed(attachment: Attachment, welcome: WorkerWelcome): void {
    const { log, outbox } = this.#components
    const { peerId } = attachment
    this.#attachments.set(peerId, attachment)
    this.#lastWorkMs.delete(peerId)
    log.info('attached', { coordinator: peerId, leaseMs: welcome.leaseMs, heartbeatMs: welcome.heartbeatMs })
    const kept = new Set(welcome.keep.map(leaseKey))
    for (const run of this.#runs.values()) {
      if (run.coordinator !== peerId) continue
      if (kept.has(leaseKey(run.ref))) run.renew(welcome.leaseMs)
      else
        run.stop({ type: 'revoked', why: refusal('stale-fence', 'the coordinator does not keep the lease') })
    }
    for (const outcome of outbox.of(peerId)) this.#report(attachment, outcome)
    this.#components.meters.attached(this.#attachments.size)
    this.tellOffers()
  }

  left(attachment: Attachment): void {
    if (this.#attachments.get(attachment.peerId) !== attachment) return
    this.#attachments.delete(attachment.peerId)
    this.#components.meters.attached(this.#attachments.size)
    this.#lastWorkMs.delete(attachment.peerId)
    this.#onQuiet()
  }

  leased(attachment: Attachment, lease: Lease): void {
    const { slots, outbox, clock, log, policy } = this.#components
    const { header } = lease
    if (header === undefined) return
    const ref = { taskId: header.id, fence: lease.fence }
    this.#lastWorkMs.set(attachment.peerId, clock.monotonicMs())
    const ended = outbox.get(ref)
    if (ended?.coordinator === attachment.peerId) {
      this.#report(attachment, ended)
      return
    }
    if (this.#runs.has(leaseKey(ref))) return
    this.#stopOlder(ref)
    const closed = header.kind === TaskKind.CHAT ? undefined : gateRefusal(policy().incident, 'code')
    if (closed !== undefined || !slots.take()) {
      const reason = closed?.code ?? slots.shut ?? 'no-free-slot'
      const free = attachment.offerTold(slots.offerTo(attachment.peerId).free)
      attachment.send({ case: 'declined', value: { lease: ref, reason, free } })
      return
    }
    const run = this.#newRun(ref, lease, header, attachment.peerId)
    this.#runs.set(leaseKey(ref), run)
    log.debug('lease-taken', { task: ref.taskId, fence: ref.fence, coordinator: attachment.peerId })
    this.#components.meters.busy(slots.busy)
    this.tellOffers()
    attachment.beatSoon()
    void this.#components.runAttempt(run).then((end) => this.#ended(run, end))
  }

  renewed(coordinator: string, renewed: Renewed): void {
    const run = renewed.lease === undefined ? undefined : this.#runs.get(leaseKey(renewed.lease))
    if (run?.coordinator === coordinator) run.renew(renewed.leaseMs)
  }

  cancelled(coordinator: string, cancel: CancelLease): void {
    const run = cancel.lease === undefined ? undefined : this.#runs.get(leaseKey(cancel.lease))
    if (run?.coordinator !== coordinator || cancel.why === undefined) return
    run.stop({ type: 'revoked', why: fromWire(cancel.why) })
  }

  acknowledged(coordinator: string, ack: DoneAck): void {
    const { outbox, log, clock } = this.#components
    if (ack.lease === undefined || outbox.get(ack.lease)?.coordinator !== coordinator) return
    outbox.remove(ack.lease)
    this.#lastWorkMs.set(coordinator, clock.monotonicMs())
    if (ack.refusal !== undefined) {
      log.warn('result-refused', {
        task: ack.lease.taskId,
        code: ack.refusal.code,
        detail: ack.refusal.detail,
      })
    }
    this.#onQuiet()
  }

  #newRun(ref: LeaseId, lease: Lease, header: TaskHeader, coordinator: string): LeaseRun {
    const attachment = (): Attachment | undefined => this.#attachments.get(coordinator)
    const { clock, limits } = this.#components
    const components = {
      clock,
      moved: () => attachment()?.beatSoon(),
      // A coordinator that is away may be restarting, and then gives its live leases one more whole lease.
      graceMs: () => attachment()?.graceMs ?? Math.max(lease.leaseMs, limits.coordinatorLostMs),
      cutOff: () => attachment() === undefined,
    }
    return new LeaseRun(components, ref, lease, header, coordinator)
  }

  #ended(run: LeaseRun, end: AttemptEnd): void {
    const { slots, meters, clock, outbox, log } = this.#components
    const { coordinator, ref } = run
    const nowMs = clock.monotonicMs()
    this.#runs.delete(leaseKey(ref))
    slots.giveBack()
    this.#finished[end.type]++
    meters.busy(slots.busy)
    meters.ended(run, end, nowMs - run.beganMs)
    if (this.#attachments.has(coordinator)) this.#lastWorkMs.set(coordinator, nowMs)
    const why = end.type === 'done' ? {} : { code: end.why.code, detail: end.why.detail }
    log.info('attempt-ended', { task: ref.taskId, fence: ref.fence, outcome: end.type, ...why })
    const outcome = outcomeOf(run, end, nowMs)
    if (outcome !== undefined) {
      const lost = outbox.put(outcome)
      if (lost !== undefined)
        log.warn('outcome-dropped', { task: lost.lease.taskId, coordinator: lost.coordinator })
      const attachment = this.#attachments.get(coordinator)
      if (attachment !== undefined) this.#report(attachment, outcome)
    }
    this.tellOffers()
    this.#onQuiet()
  }

  /** `done` stays in the outbox until it is acknowledged; nothing acknowledges `failed`. */
  #report(attachment: Attachment, outcome: Outcome): void {
    const { slots, outbox } = this.#components
    const free = attachment.offerTold(slots.offerTo(attachment.peerId).free)
    if (outcome.case === 'done') {
      attachment.send({ case: 'done', value: { ...outcome.value, free } })
      return
    }
    attachment.send({ case: 'failed', value: { ...outcome.value, free } })
    outbox.remove(outcome.lease)
  }

  #isQuiet(): boolean {
    if (this.#runs.size > 0) return false
    return this.attachments.every((each) => this.#components.outbox.of(each.peerId).length === 0)
  }

  /** A newer lease of a task ends the older attempt at it. */
  #stopOlder(ref: LeaseId): void {
    for (const run of this.#runs.values()) {
      if (run.ref.taskId !== ref.taskId || run.ref.fence >= ref.fence) continue
      run.stop({ type: 'revoked', why: refusal('stale-fence', 'a newer lease of the task exists') })
    }
  }
}

function outcomeOf(run: LeaseRun, end: AttemptEnd, sinceMs: number): Outcome | undefined {
  const { ref: lease, coordinator } = run
  if (end.type === 'revoked') return undefined
  if (end.type === 'failed') {
    const value = { lease, fault: end.fault, why: toWire(end.why) }
    return { lease, coordinator, sinceMs, case: 'failed', value }
  }
  const value = { lease, receipt: end.receipt, acceptance: end.acceptance }
  return { lease, coordinator, sinceMs, case: 'done', value }
}
