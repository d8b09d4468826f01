import { equals } from 'uint8arrays/equals'
import { EdgeCoderError } from '../../core/errors.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Random } from '../../ports/random.js'
import { type TaskHeader, TaskKind } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { sha256 } from '../../wire/sha256.js'
import { ByteBudget } from './byte-budget.js'
import type { CoordinatorRoutes } from './coordinator-routes.js'
import type { Submission, TaskRequest } from './gateway.js'
import type { GatewayLimits } from './gateway-limits.js'
import type { GatewayMetrics } from './gateway-metrics.js'
import { type LiveTask, recordView } from './live-task.js'
import type { SubmitBatcher } from './submit-batcher.js'
import type { TaskArchive } from './task-archive.js'
import type { TaskBook } from './task-book.js'
import { type TaskRecord, wireId } from './task-record.js'
import { type PreparedTask, prepareTask } from './task-request.js'

interface Components {
  readonly archive: TaskArchive
  readonly book: TaskBook
  readonly batcher: SubmitBatcher
  readonly routes: Pick<CoordinatorRoutes, 'attached'>
  readonly clock: Clock
  readonly random: Random
  readonly metrics: GatewayMetrics
  /** Why an account may not submit; undefined = it may. */
  readonly bar: (account: string) => Refusal | undefined
  /** Peer id of this gateway. */
  readonly gateway: string
  readonly stopping: () => boolean
  /** A task was ordered. */
  readonly used: (header: TaskHeader) => void
}

/** What becomes of a submit whose coordinator gave no answer in time. */
const RETRY_MS = 2_000

/**
 * Takes tasks from users. The order of things is the promise: checked, durable here under the name of the
 * coordinator that will be asked, asked, and only then told to the user; so what was acknowledged survives
 * the loss of any process.
 */
export class SubmitDesk {
  readonly #components: Components
  readonly #limits: GatewayLimits
  /** By wire id: a submit under way, so that the same id waits for it. */
  readonly #underWay = new Map<string, Promise<unknown>>()
  readonly #waiting: ByteBudget

  constructor(components: Components, limits: GatewayLimits) {
    this.#components = components
    this.#limits = limits
    this.#waiting = new ByteBudget(limits.waitingBytes)
  }

  async submit(request: TaskRequest): Promise<Submission | Refusal> {
    const { clock, metrics } = this.#components
    const startMs = clock.monotonicMs()
    const answer = await this.#submit(request, startMs)
    const tookMs = clock.monotonicMs() - startMs
    if (isRefusal(answer)) metrics.submitted('refused', tookMs)
    else if (answer.existed) metrics.submitted('existed', tookMs)
    else metrics.submitted(answer.task.state === 'submitting' ? 'kept' : 'accepted', tookMs)
    return answer
  }

  /** The gateway stops: submits under way are answered by what is known now. */
  async stop(): Promise<void> {
    for (const task of this.#components.book.tasks()) task.release()
    await Promise.allSettled(this.#underWay.values())
  }

  async #submit(request: TaskRequest, startMs: number): Promise<Submission | Refusal> {
    const { random, gateway, clock } = this.#components
    const barred = this.#components.bar(request.account)
    if (barred !== undefined) return barred
    const prepared = prepareTask(request, { id: random.id(), gateway, nowMs: clock.nowMs() })
    if (isRefusal(prepared)) return prepared
    // Until it is durable the payload is in memory, however long a coordinator stays away.
    if (!this.#waiting.take(prepared.payload.length)) return full()
    try {
      return await this.#alone(prepared, startMs, request.id !== undefined)
    } finally {
      this.#waiting.give(prepared.payload.length)
    }
  }

  /** One submit of an id at a time: the next sees what became of the one before. */
  async #alone(prepared: PreparedTask, startMs: number, known: boolean): Promise<Submission | Refusal> {
    const key = wireId(prepared.account, prepared.id)
    for (let before = this.#underWay.get(key); before !== undefined; before = this.#underWay.get(key)) {
      await before.catch(() => undefined)
    }
    if (this.#components.stopping()) return stopping()
    if (this.#isFull(prepared) && this.#components.book.get(key) === undefined) return full()
    const submit = this.#once(prepared, key, startMs, known)
    this.#underWay.set(key, submit)
    try {
      return await submit
    } finally {
      this.#underWay.delete(key)
    }
  }

  /** @param known the id is the client's, so that the task may be known already */
  async #once(
    prepared: PreparedTask,
    key: string,
    startMs: number,
    known: boolean,
  ): Promise<Submission | Refusal> {
    const { book, archive, routes, batcher } = this.#components
    const live = book.get(key)
    if (live !== undefined) return repeated(live.record, prepared, () => live.view())
    const record = known ? await archive.record(prepared.account, prepared.id) : undefined
    if (record !== undefined) return repeated(record, prepared, () => recordView(record))
    const link = await routes.attached(prepared.account, this.#leftMs(startMs))
    if (link === undefined) return this.#components.stopping() ? stopping() : noCoordinator()
    const task = await book.begin(prepared, link.peerId)
    if (this.#components.stopping()) return this.#outcome(task, Number.NEGATIVE_INFINITY)
    batcher.enqueue(task)
    this.#components.used(task.record.header)
    return this.#outcome(task, startMs)
  }

  async #outcome(task: LiveTask, startMs: number): Promise<Submission | Refusal> {
    await this.#settled(task, this.#leftMs(startMs))
    // Its end, or its taking back, is being written: the answer is what comes of that.
    while (task.settled === undefined && task.ending) await changed(task)
    const { stopping: isStopping } = this.#components
    if (isRefusal(task.settled)) return task.settled
    if (task.settled === undefined && task.order === 'unsent') {
      // Nobody outside can know it, so it can be taken back whole.
      const why = isStopping() ? stopping() : noCoordinator()
      if (await this.#takenBack(task, why)) return why
    }
    task.promised = true
    return { task: task.view(), existed: false }
  }

  /** @returns false when the disk fails: then it is kept after all */
  async #takenBack(task: LiveTask, why: Refusal): Promise<boolean> {
    const { book, batcher } = this.#components
    try {
      await book.erase(task, why)
      return true
    } catch (cause) {
      if (!(cause instanceof EdgeCoderError)) throw cause
      batcher.keep(task, RETRY_MS)
      return false
    }
  }

  #settled(task: LiveTask, mostMs: number): Promise<void> {
    if (task.settled !== undefined) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = this.#components.clock.after(mostMs, () => resolve())
      task.onSettled(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  #leftMs(startMs: number): number {
    return Math.max(0, startMs + this.#limits.submitWaitMs - this.#components.clock.monotonicMs())
  }

  #isFull(prepared: PreparedTask): boolean {
    const { book, archive } = this.#components
    const { unfinishedTasks, unfinishedBytes } = this.#limits
    if (Math.max(book.size, this.#underWay.size) >= unfinishedTasks) return true
    return archive.unfinishedBytes + prepared.payload.length > unfinishedBytes
  }
}

function changed(task: LiveTask): Promise<void> {
  return new Promise((resolve) => {
    task.onSettled(resolve)
    task.onLease(resolve)
  })
}

/** The same id again: with the same content it is the same task. */
function repeated(
  record: TaskRecord,
  prepared: PreparedTask,
  view: () => Submission['task'],
): Submission | Refusal {
  if (isSame(record, prepared)) return { task: view(), existed: true }
  return refusal('task-conflict', `Another task of this account has the id "${prepared.id}".`, {
    next: 'Use a new id, or send the same content again.',
  })
}

function isSame({ header: a, hiddenDigest }: TaskRecord, { header: b, hidden }: PreparedTask): boolean {
  return (
    equals(hiddenDigest, hidden === undefined ? new Uint8Array() : sha256(hidden)) &&
    equals(a.payloadDigest, b.payloadDigest) &&
    a.kind === (b.kind ?? TaskKind.UNSPECIFIED) &&
    a.model === b.model &&
    a.priceCapMicrocredits === b.priceCapMicrocredits &&
    a.deadlineMs === b.deadlineMs &&
    a.maxAttempts === b.maxAttempts &&
    a.maxRunMs === b.maxRunMs
  )
}

function noCoordinator(): Refusal {
  return refusal(
    'no-coordinator',
    'No coordinator that serves this account is attached; nothing was taken.',
    {
      next: 'Send it again under the same id, in a moment.',
      retryAfterMs: RETRY_MS,
    },
  )
}

function full(): Refusal {
  return refusal('queue-full', 'This gateway holds as many unfinished tasks as it can.', {
    retryAfterMs: RETRY_MS,
  })
}

function stopping(): Refusal {
  return refusal('shutting-down', 'This gateway is stopping.', { retryAfterMs: RETRY_MS })
}
