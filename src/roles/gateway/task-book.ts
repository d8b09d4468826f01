import { create } from '@bufbuild/protobuf'
import { type Refusal, refusal, toWire } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Write } from '../../ports/store.js'
import type { TaskState } from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import {
  GatewayTaskEndSchema,
  GatewayTaskSchema,
} from '../../wire/generated/edgecoder/store/v1/gateway_pb.js'
import { TaskHeaderSchema, TaskKind, type Usage } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { sha256 } from '../../wire/sha256.js'
import { EventFeed, type FeedBudget } from './event-feed.js'
import type { GatewayLimits } from './gateway-limits.js'
import type { GatewayMetrics } from './gateway-metrics.js'
import { type Lease, LiveTask } from './live-task.js'
import { type Ended, isEnded, STANDINGS, stateName, whyView } from './result-view.js'
import type { Delivered, TaskArchive } from './task-archive.js'
import { refenced, type TaskRecord } from './task-record.js'
import type { PreparedTask } from './task-request.js'

/** Progress numbers of each start of the gateway begin this far apart. */
const NUMBERS_PER_START = 2 ** 32
/** Tasks taken back that are remembered, the latest. */
const MOST_FLOORS = 8_192
/** Before an end that could not be written is tried again. */
const RETRY_END_MS = 5_000

interface Components {
  readonly archive: TaskArchive
  readonly clock: Clock
  readonly log: Log
  readonly metrics: GatewayMetrics
  readonly limits: GatewayLimits
}

/** What was delivered, checked. */
export interface Delivery extends Pick<Delivered, 'check'> {
  readonly usage: Usage
  readonly resultBytes: Uint8Array
  /** The whole answer, of a chat. */
  readonly text: string | undefined
  /** Envelopes of the worker's receipt and of the acceptance, as bytes. */
  readonly receipt: Uint8Array
  readonly acceptance: Uint8Array
  /** Tries it on hidden tests, from the same commit on. */
  readonly run?: PreparedTask
}

/** All unfinished tasks of this gateway, and the only place where they change. */
export class TaskBook {
  readonly #components: Components
  readonly #live = new Map<string, LiveTask>()
  readonly #budget: FeedBudget
  /** Of tasks taken back that a coordinator may have had: where fences of one with the same id begin. */
  readonly #floors = new Map<string, bigint>()
  /** Which start of this gateway this is, from 1. */
  #start = 1

  constructor(components: Components) {
    this.#components = components
    this.#budget = { usedChars: 0, maxChars: components.limits.feedChars }
  }

  get size(): number {
    return this.#live.size
  }

  get(key: string): LiveTask | undefined {
    return this.#live.get(key)
  }

  tasks(): IterableIterator<LiveTask> {
    return this.#live.values()
  }

  /**
   * Takes up the tasks of runs before: a coordinator may have each, and its user may have been told so.
   *
   * @param start which start of this gateway this is, from 1
   */
  restore(start: number, records: readonly TaskRecord[]): void {
    this.#start = start
    for (const record of records) {
      const task = this.#made(record, undefined)
      task.order = 'sent'
      task.promised = true
      task.settle('taken')
      this.#live.set(task.key, task)
      task.tell()
    }
  }

  /** @returns a task that is in the book from now on, durable when the promise resolves */
  async begin(prepared: PreparedTask, coordinator: string): Promise<LiveTask> {
    const { archive, clock } = this.#components
    const { header, record } = this.#recordOf(prepared, coordinator)
    const fenceFloor = this.#floors.get(header.id)
    if (fenceFloor !== undefined) record.header = { ...header, fenceFloor }
    const task = this.#made(record, clock.monotonicMs())
    task.step('submitted', Number(header.submittedMs))
    await archive.begin(record, prepared.payload, prepared.hidden)
    this.#live.set(task.key, task)
    task.tell()
    return task
  }

  /**
   * Takes back a task that nobody outside can know, or that was refused.
   *
   * @throws EdgeCoderError of the store; the task then stands as before
   */
  async erase(task: LiveTask, why: Refusal): Promise<void> {
    this.#live.delete(task.key)
    task.ending = true
    this.voidLease(task, why)
    try {
      await this.#components.archive.erase(task.record)
    } catch (cause) {
      task.ending = false
      this.#live.set(task.key, task)
      task.leaseChanged()
      throw cause
    }
    if (task.order !== 'unsent') this.#usedUp(task.record.header)
    task.gone = true
    task.leaseChanged()
    task.settle(why)
  }

  /** A coordinator that had it, and dropped it since, would take one with the same fences for that. */
  #usedUp(header: TaskRecord['header']): void {
    this.#floors.delete(header.id)
    this.#floors.set(header.id, refenced(header).fenceFloor)
    const [oldest] = this.#floors.keys()
    if (this.#floors.size > MOST_FLOORS && oldest !== undefined) this.#floors.delete(oldest)
  }

  /**
   * How a task stands, by a coordinator. One that does not hold the task is not believed.
   *
   * @returns false when no such task is unfinished here
   */
  apply(from: string, told: TaskState): boolean {
    const task = this.#live.get(told.taskId)
    if (task === undefined) return false
    const state = stateName(told.standing)
    if (task.record.coordinator !== from || task.moving || task.ending || state === undefined) return true
    this.taken(task)
    if (isEnded(state)) this.#endedThere(task, state, whyView(told.why))
    else if (state === 'queued') this.#queued(task, told)
    else this.#leased(task, state, told)
    return true
  }

  /** Its coordinator has it durably. */
  taken(task: LiveTask): void {
    task.refused = false
    if (task.order !== 'held') {
      task.order = 'held'
      if (task.state === 'submitting') {
        task.state = 'queued'
        task.step('accepted', this.#components.clock.nowMs())
        task.tell()
      }
    }
    task.settle('taken')
  }

  /**
   * Their coordinator does not know them any more: what it leased is over, and it would count fences anew.
   *
   * @throws EdgeCoderError of the store; they then stand as before, without their leases
   */
  async forgotten(tasks: readonly LiveTask[]): Promise<void> {
    if (tasks.length === 0) return
    const { archive } = this.#components
    const fenced = tasks.map(({ record }) => {
      return { attemptsBefore: record.attempts, header: refenced(record.header) }
    })
    for (const task of tasks)
      this.voidLease(task, refusal('stale-fence', 'The coordinator does not know the task any more.'))
    // On the disk before anybody goes on with it: after a crash the same fences would be given again.
    await archive.commit(
      tasks.map(({ record }, at) => archive.saved(Object.assign({ ...record }, fenced[at]))),
    )
    for (const [at, task] of tasks.entries()) {
      Object.assign(task.record, fenced[at])
      if (task.ending) continue
      task.order = 'sent'
      task.state = 'submitting'
      task.tell()
    }
  }

  /** Whoever ran it may not any more. */
  voidLease(task: LiveTask, why: Refusal): void {
    const { lease } = task
    if (lease === undefined) return
    task.lease = undefined
    lease.holder?.refuse(why)
    task.leaseChanged()
  }

  /**
   * Ends a task without a result.
   *
   * @param more written in the same commit
   * @returns false when it is ending already
   * @throws EdgeCoderError of the store; the task then stands as before
   */
  async conclude(task: LiveTask, how: Exclude<Ended, 'done'>, why: Refusal, more: readonly Write[] = []) {
    if (task.ending) return false
    const { archive, clock } = this.#components
    await this.#end(task, () => {
      const nowMs = clock.nowMs()
      task.step(how, nowMs, true)
      task.record.end = create(GatewayTaskEndSchema, {
        standing: STANDINGS[how],
        atMs: BigInt(nowMs),
        why: toWire(why),
        lastSeq: BigInt(task.feed.endSeq),
      })
      return archive.end(task.record, undefined, more)
    })
    task.state = how
    task.why = why
    task.position = undefined
    this.voidLease(task, why)
    this.#gone(task, undefined)
    return true
  }

  /**
   * Ends a task with its result.
   *
   * @param more written in the same commit
   * @returns the task that tries it on hidden tests, which is still to be ordered
   * @throws EdgeCoderError of the store; the task then stands as before
   */
  async complete(
    task: LiveTask,
    lease: Lease,
    delivery: Delivery,
    more: readonly Write[],
  ): Promise<LiveTask | undefined> {
    const { archive, clock } = this.#components
    const { run, check } = delivery
    const next = run && this.#recordOf(run, task.record.coordinator).record
    task.record.hiddenRun = run?.id ?? ''
    await this.#end(task, () => {
      const nowMs = clock.nowMs()
      task.step('done', nowMs, true)
      task.record.end = create(GatewayTaskEndSchema, {
        standing: STANDINGS.done,
        atMs: BigInt(nowMs),
        lastSeq: BigInt(task.feed.endSeq),
        usage: delivery.usage,
        worker: lease.worker,
        agentId: lease.agentId,
        fence: lease.fence,
        receipt: new Uint8Array(delivery.receipt),
        acceptance: new Uint8Array(delivery.acceptance),
        resultBytes: delivery.resultBytes.length,
      })
      return archive.end(task.record, delivery.resultBytes, more, {
        ...(check === undefined ? {} : { check }),
        ...(run === undefined || next === undefined ? {} : { run: { record: next, payload: run.payload } }),
      })
    })
    task.state = 'done'
    task.why = undefined
    task.position = undefined
    this.#gone(task, task.record.header.kind === TaskKind.CHAT ? delivery.text : undefined)
    if (next === undefined) return undefined
    const begun = this.#made(next, clock.monotonicMs())
    // It is on the disk, and its user was told of what it belongs to.
    begun.promised = true
    this.#live.set(begun.key, begun)
    return begun
  }

  #recordOf(prepared: PreparedTask, coordinator: string) {
    const header = create(TaskHeaderSchema, prepared.header)
    const { hidden } = prepared
    const hiddenDigest = hidden === undefined ? {} : { hiddenDigest: new Uint8Array(sha256(hidden)) }
    const made = create(GatewayTaskSchema, { coordinator, bornAtStart: this.#start, ...hiddenDigest })
    const record: TaskRecord = Object.assign(made, { header })
    return { header, record }
  }

  async #end(task: LiveTask, write: () => Promise<void>): Promise<void> {
    task.ending = true
    const steps = task.record.steps.length
    try {
      await write()
    } catch (cause) {
      task.ending = false
      delete task.record.end
      task.record.steps.length = steps
      task.leaseChanged()
      throw cause
    }
  }

  #gone(task: LiveTask, text: string | undefined): void {
    this.#live.delete(task.key)
    task.gone = true
    this.#components.metrics.ended(task.state)
    this.#components.log.info('task-ended', {
      taskId: task.key,
      state: task.state,
      attempt: task.record.attempts,
      why: task.why?.code,
    })
    task.feed.finish(task.view(), text)
    task.leaseChanged()
    task.settle('taken')
  }

  #made(record: TaskRecord, bornMs: number | undefined): LiveTask {
    const { limits } = this.#components
    const feed = new EventFeed({
      budget: this.#budget,
      maxEntries: limits.feedEntries,
      maxFollowers: limits.followersPerTask,
      afterSeq: Math.max(0, this.#start - record.bornAtStart) * NUMBERS_PER_START,
    })
    return new LiveTask(record, feed, bornMs)
  }

  #queued(task: LiveTask, told: TaskState): void {
    const why = whyView(told.why)
    const same = task.state === 'queued' && task.position === told.position && task.why?.code === why?.code
    this.voidLease(task, refusal('stale-fence', 'The attempt was put back in the queue by its coordinator.'))
    this.#count(task, told.attempt)
    if (same) return
    if (task.state !== 'queued') task.step('queued', this.#components.clock.nowMs())
    task.state = 'queued'
    task.position = told.position
    task.why = why
    task.tell()
  }

  #leased(task: LiveTask, state: 'leased' | 'running', told: TaskState): void {
    const { lease } = task
    if (told.worker === '' || told.fence === 0n || (lease !== undefined && told.fence < lease.fence)) return
    const nowMs = this.#components.clock.nowMs()
    if (lease === undefined || lease.fence !== told.fence || lease.worker !== told.worker) {
      this.voidLease(task, refusal('stale-fence', 'A newer attempt was begun by the coordinator.'))
      this.#count(task, told.attempt)
      task.lease = freshLease(told, task.record.attempts)
      task.feed.reset(task.record.attempts)
      task.step('leased', nowMs)
      task.leaseChanged()
    } else if (state === task.state || state === 'leased') return
    if (state === 'running') task.step('running', nowMs)
    task.state = state
    task.position = undefined
    task.why = undefined
    task.tell()
  }

  #count(task: LiveTask, attempt: number): void {
    task.record.attempts = task.record.attemptsBefore + attempt
  }

  #endedThere(task: LiveTask, state: Ended, why: Refusal | undefined): void {
    const reason =
      state === 'done'
        ? refusal('result-mismatch', 'The coordinator holds the task as done, but no result came here.')
        : (why ?? refusal('internal', `The coordinator ended the task as ${state} and gave no reason.`))
    const how = state === 'done' ? 'failed' : state
    this.conclude(task, how, reason).catch((cause: unknown) => {
      this.#components.log.error('task-end-not-written', { taskId: task.key, error: asError(cause) })
      this.#components.clock.after(RETRY_END_MS, () => {
        if (this.#live.get(task.key) === task && !task.ending) this.#endedThere(task, state, why)
      })
    })
  }
}

function freshLease(told: TaskState, attempt: number): Lease {
  return {
    worker: told.worker,
    agentId: told.agentId,
    fence: told.fence,
    attempt,
    seenSeq: 0,
    resumed: false,
    chars: 0,
    tokens: 0,
    holder: undefined,
  }
}

function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause))
}
