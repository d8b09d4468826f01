import { EdgeCoderError } from '../../core/errors.js'
import { fromWire, type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Signer } from '../../ports/signer.js'
import type { Write } from '../../ports/store.js'
import { seal, statements } from '../../wire/envelope.js'
import type { SubmitAnswer, Submitted } from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import { HELD_ORDER_BYTES, ORDER_HEADERS } from '../../wire/limits.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { CoordinatorRoutes } from './coordinator-routes.js'
import type { Errands } from './errands.js'
import type { GatewayMetrics } from './gateway-metrics.js'
import type { LiveTask } from './live-task.js'
import type { TaskArchive } from './task-archive.js'
import type { TaskBook } from './task-book.js'
import { refenced } from './task-record.js'

interface Components {
  readonly archive: TaskArchive
  readonly book: TaskBook
  readonly errands: Errands
  readonly clock: Clock
  readonly log: Log
  readonly metrics: GatewayMetrics
  readonly signer: Signer
  readonly routes: Pick<CoordinatorRoutes, 'of' | 'standsIn'>
}

interface Init {
  readonly networkId: string
}

/** Before a coordinator that was full is asked again, when it does not say. */
const LEAST_RETRY_MS = 200
/** Before a coordinator is asked again that does not know yet that it is the home: policy takes seconds. */
const NOT_YET_HOME_MS = 2_000
/** Before the successor of a home is asked: policy comes here as it comes to the coordinator. */
const SEALED_MS = 500
/** Before a coordinator that stands in, and may not spend enough, is asked again. */
const AWAY_RETRY_MS = 5_000
/** Head and signature of the envelope, and to spare. */
const ORDER_BYTES = HELD_ORDER_BYTES - 1024
/** Most that a header takes beside its texts: digest, numbers, tags. */
const HEADER_BYTES = 150

/**
 * Orders tasks of coordinators: all for one that queued up while the last order was under way there go in the
 * next, under one signature. A coordinator that may come to hold a task stands in its record, durably, before
 * it is asked.
 */
export class SubmitBatcher {
  readonly #components: Components
  readonly #init: Init
  /** Tasks that have nowhere to go now. */
  readonly #waiting = new Set<LiveTask>()
  /** By link, while an order is under way on it. */
  readonly #lanes = new Map<CoordinatorLink, LiveTask[]>()

  constructor(components: Components, init: Init) {
    this.#components = components
    this.#init = init
  }

  /** @param task in the book; it goes as soon as there is a coordinator for it */
  enqueue(task: LiveTask): void {
    task.queued = true
    const link = this.#components.routes.of(task)
    const lane = link && this.#lanes.get(link)
    if (link === undefined) this.#waiting.add(task)
    else if (lane !== undefined) lane.push(task)
    else this.#begin(link, task)
  }

  /** A coordinator was attached, or who serves an account changed. */
  kick(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const task of waiting) if (this.#isLive(task)) this.enqueue(task)
  }

  #begin(link: CoordinatorLink, task: LiveTask): void {
    const lane = [task]
    this.#lanes.set(link, lane)
    const over = (): void => {
      this.#lanes.delete(link)
      for (const left of lane) this.#waiting.add(left)
    }
    this.#run(link, lane).then(
      () => {
        over()
        if (lane.length > 0) this.kick()
      },
      (cause: unknown) => {
        over()
        this.#components.log.error('order-failed', { error: asError(cause) })
        this.#components.clock.after(LEAST_RETRY_MS, () => this.kick())
      },
    )
  }

  /** Until the link is closed; what is left in the lane then goes elsewhere. */
  async #run(link: CoordinatorLink, lane: LiveTask[]): Promise<void> {
    while (link.open && lane.length > 0) {
      const next = new Set(lane.splice(0, orderLength(lane)))
      const batch: LiveTask[] = []
      for (const task of next) {
        task.queued = this.#wanted(task, link)
        if (task.queued) batch.push(task)
      }
      try {
        await this.adopt(batch, link)
      } catch (cause) {
        lane.unshift(...batch)
        throw cause
      }
      const still = batch.filter((task) => this.#wanted(task, link))
      if (link.open) {
        for (const task of batch) task.queued = false
        await this.#order(still, link)
      } else lane.unshift(...still)
    }
  }

  #isLive(task: LiveTask): boolean {
    return this.#components.book.get(task.key) === task && !task.ending
  }

  #wanted(task: LiveTask, link: CoordinatorLink): boolean {
    if (!this.#isLive(task)) return false
    // Named by this coordinator already: an order for it went over this link.
    return task.order === 'unsent' || task.askedOn !== link
  }

  /**
   * Makes this coordinator the one that holds these tasks, and owes the one before a word about it.
   *
   * @throws EdgeCoderError of the store; nothing has moved then
   */
  async adopt(tasks: readonly LiveTask[], link: CoordinatorLink): Promise<void> {
    const { archive, errands, book, log } = this.#components
    const moving = tasks.filter((task) => task.record.coordinator !== link.peerId)
    if (moving.length === 0) return
    const writes: Write[] = []
    const left: { readonly coordinator: string; readonly task: LiveTask }[] = []
    for (const task of moving) {
      const { record } = task
      // From here on nothing of the one before is taken; its attempts are over for us.
      task.moving = true
      book.voidLease(task, refusal('stale-fence', 'The task moved to another coordinator.'))
      if (task.order !== 'unsent') {
        left.push({ coordinator: record.coordinator, task })
        writes.push(errands.write(record.coordinator, task.key, { reason: 'moved' }))
      }
      writes.push(errands.unwrite(link.peerId, task.key))
      writes.push(archive.saved(Object.assign({ ...record }, moved(task, link.peerId))))
    }
    try {
      await archive.commit(writes)
      for (const task of moving) Object.assign(task.record, moved(task, link.peerId))
    } finally {
      for (const task of moving) task.moving = false
    }
    for (const { coordinator, task } of left) {
      // It may have been cancelled meanwhile; the errand stands all the same.
      if (!task.ending) this.#restart(task)
      log.info('task-moved', { taskId: task.key, from: coordinator, to: link.peerId })
      await errands.added(coordinator, task.key, { reason: 'moved' })
    }
  }

  #restart(task: LiveTask): void {
    task.state = 'submitting'
    task.order = 'sent'
    task.position = undefined
    task.tell()
  }

  async #order(batch: readonly LiveTask[], link: CoordinatorLink): Promise<void> {
    if (batch.length === 0) return
    const { signer, clock, metrics, log, routes } = this.#components
    const headers = batch.map((task) => task.record.header)
    const order = seal(signer, this.#init.networkId, statements.order, { headers }, clock.nowMs())
    for (const task of batch) {
      task.askedOn = link
      task.stoodIn = routes.standsIn(link.peerId, task.record.header.account)
      task.refused = false
      if (task.order === 'unsent') task.order = 'sent'
    }
    metrics.ordered(batch.length)
    let answer: SubmitAnswer
    try {
      answer = await link.submit(order)
    } catch (cause) {
      // It may have them or not: the next attach asks.
      if (!(cause instanceof EdgeCoderError)) throw cause
      log.debug('order-unanswered', { coordinator: link.peerId, tasks: batch.length, code: cause.code })
      return
    }
    await this.#answered(batch, answer, link)
  }

  async #answered(batch: readonly LiveTask[], answer: SubmitAnswer, link: CoordinatorLink): Promise<void> {
    const whole = answer.refusal === undefined ? undefined : fromWire(answer.refusal)
    const results = new Map(answer.results.map((result) => [result.taskId, result]))
    const missing = whole === undefined && batch.some((task) => !results.has(task.key))
    await Promise.all(batch.map((task) => this.#one(task, results.get(task.key), whole, link)))
    // Its answer does not tell how they stand; another attach will.
    if (missing) link.abort('an order was answered in part')
  }

  async #one(
    task: LiveTask,
    result: Submitted | undefined,
    whole: Refusal | undefined,
    link: CoordinatorLink,
  ): Promise<void> {
    const { book } = this.#components
    if (book.get(task.key) !== task || task.ending || task.record.coordinator !== link.peerId) return
    const no = whole ?? (result?.refusal === undefined ? undefined : fromWire(result.refusal))
    if (no !== undefined) return this.#refused(task, this.#whyNot(no, task, link))
    if (result === undefined) return
    book.taken(task)
    if (result.state !== undefined && result.state.taskId === task.key) book.apply(link.peerId, result.state)
  }

  /**
   * Who only stands in spends what was allotted to it; what the account has is for its home to say. And whom
   * policy has made the home may not have heard of it yet.
   */
  #whyNot(why: Refusal, task: LiveTask, link: CoordinatorLink): Refusal {
    const { code } = why
    const { routes } = this.#components
    // Policy may have moved the home to it while it answered.
    const standsIn = task.stoodIn || routes.standsIn(link.peerId, task.record.header.account)
    if (standsIn && (code === 'not-home' || code === 'insufficient-credits')) return noStandIn(why)
    return !standsIn && code === 'not-home' ? { ...why, retryAfterMs: NOT_YET_HOME_MS } : why
  }

  async #refused(task: LiveTask, why: Refusal): Promise<void> {
    const { book, log } = this.#components
    task.refused = true
    // The home was handed over a moment ago: who goes on with it is asked, and nobody need be told.
    if (why.code === 'log-sealed') return this.#later(task, SEALED_MS)
    try {
      if (!task.promised) await book.erase(task, why)
      else if (why.retryAfterMs === undefined) await book.conclude(task, endBy(why), why)
      else this.#later(task, why.retryAfterMs)
    } catch (cause) {
      log.error('refusal-not-written', { taskId: task.key, error: asError(cause) })
      this.keep(task, why.retryAfterMs ?? LEAST_RETRY_MS)
    }
  }

  /** It lies on our disk and cannot be taken back, so it is promised, and goes again. */
  keep(task: LiveTask, afterMs: number): void {
    task.promised = true
    task.settle('taken')
    this.#later(task, afterMs)
  }

  /** The user was told that it is taken, so a coordinator that is full now is asked again. */
  #later(task: LiveTask, afterMs: number): void {
    const { clock, routes } = this.#components
    const { askedOn } = task
    clock.after(Math.max(LEAST_RETRY_MS, afterMs), () => {
      // It has changed places meanwhile.
      if (task.askedOn !== askedOn) return
      task.askedOn = undefined
      const next = routes.of(task)
      // Another one may have it from before, and is asked about it first, as all are that change places.
      if (task.order === 'unsent' || next?.peerId === task.record.coordinator) this.enqueue(task)
    })
  }
}

function noStandIn({ detail }: Refusal): Refusal {
  const why = `The home of this account cannot be reached from here, and who stands in says: ${detail}.`
  return refusal('no-coordinator', why, {
    next: 'Send it again in a moment; should the home be lost for good, an admin hands it over.',
    retryAfterMs: AWAY_RETRY_MS,
  })
}

/** How many of these go into one order: its signed bytes must fit into a ledger entry. */
function orderLength(queue: readonly LiveTask[]): number {
  let bytes = 0
  for (let length = 0; length < ORDER_HEADERS; length++) {
    const task = queue[length]
    if (task === undefined) return length
    const { id, account, model, gateway, languages, checkOf, hiddenOf } = task.record.header
    bytes += HEADER_BYTES + id.length + account.length + model.length + gateway.length
    bytes += checkOf.length + hiddenOf.length
    bytes += languages.reduce((sum, language) => sum + language.length + 2, 0)
    if (bytes > ORDER_BYTES) return length
  }
  return ORDER_HEADERS
}

/** Its deadline may pass while no coordinator could take it. */
function endBy(why: Refusal): 'failed' | 'expired' {
  return why.code === 'deadline-passed' ? 'expired' : 'failed'
}

function moved({ record, order }: LiveTask, coordinator: string) {
  if (order === 'unsent') return { coordinator }
  return { coordinator, attemptsBefore: record.attempts, header: refenced(record.header) }
}

function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause))
}
