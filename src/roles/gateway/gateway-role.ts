import { EdgeCoderError } from '../../core/errors.js'
import { fromWire, type Refusal, refusal } from '../../core/refusal.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { CoordinatorAttachment } from './coordinator-attachment.js'
import type { CoordinatorLinks } from './coordinator-links.js'
import type { CoordinatorRoutes } from './coordinator-routes.js'
import type { CoordinatorSide } from './coordinator-side.js'
import type { DataDesk } from './data-desk.js'
import type { Disputes } from './disputes.js'
import type { Errands } from './errands.js'
import type {
  Capacity,
  Explanation,
  Gateway,
  GatewayStatus,
  Submission,
  TaskPage,
  TaskProgress,
  TaskRequest,
  TaskResult,
  TaskView,
} from './gateway.js'
import type { GatewayLimits } from './gateway-limits.js'
import type { GatewayMetrics } from './gateway-metrics.js'
import { explanationView, type MeshView, ownExplanation } from './mesh-view.js'
import type { SliceOrders } from './slice-orders.js'
import type { SubmitDesk } from './submit-desk.js'
import type { TaskArchive } from './task-archive.js'
import type { TaskBook } from './task-book.js'
import { notFound, type TaskReader } from './task-reader.js'
import { wireId } from './task-record.js'
import type { Wallets } from './wallets.js'
import type { WatchedStore } from './watched-store.js'

/** The parts of a gateway; each is told of in its own file. */
export interface GatewayParts {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: GatewayMetrics
  readonly store: WatchedStore
  readonly archive: TaskArchive
  readonly book: TaskBook
  readonly errands: Errands
  /** To the coordinator for all that has no other place to go. */
  readonly attachment: CoordinatorAttachment
  readonly links: CoordinatorLinks
  readonly routes: CoordinatorRoutes
  readonly side: CoordinatorSide
  readonly desk: DataDesk
  readonly submits: SubmitDesk
  readonly reader: TaskReader
  readonly mesh: MeshView
  readonly wallets: Wallets
  readonly disputes: Disputes
  readonly life: GatewayLife
  /** Where tasks are paid. */
  readonly slices?: SliceOrders
}

/** Shared by the parts that must know that the gateway stops. */
export interface GatewayLife {
  /** What it has of tasks is known. */
  started: boolean
  stopping: boolean
}

const SWEEP_MS = 60_000
const LEVELS_MS = 5_000

export class GatewayRole implements Gateway {
  readonly #parts: GatewayParts
  readonly #limits: GatewayLimits
  #timers: Timer[] = []
  #sweeping = false

  constructor(parts: GatewayParts, limits: GatewayLimits) {
    this.#parts = parts
    this.#limits = limits
  }

  async start(): Promise<void> {
    const { side, archive, book, errands, desk, attachment, routes, clock, log, slices } = this.#parts
    const { start, last } = await side.begin()
    book.restore(start, await archive.load())
    await errands.load()
    this.#parts.life.started = true
    desk.start()
    errands.start()
    attachment.start(last)
    routes.start()
    slices?.start()
    this.#timers = [
      clock.every(SWEEP_MS, () => void this.#sweep()),
      clock.every(LEVELS_MS, () => this.#levels()),
    ]
    log.info('gateway-started', { unfinishedTasks: book.size, start })
    await this.#sweep()
  }

  async stop(): Promise<void> {
    const { life, attachment, links, routes, submits, errands, desk, book, log, slices } = this.#parts
    if (life.stopping) return
    life.stopping = true
    for (const timer of this.#timers) timer.cancel()
    slices?.stop()
    routes.stop()
    await Promise.all([attachment.stop(), links.stop()])
    await submits.stop()
    await errands.stop()
    desk.stop()
    const fault = new EdgeCoderError('shutting-down', 'This gateway is stopping.', {
      next: 'Follow the task again after the last event seen.',
    })
    for (const task of book.tasks()) task.feed.stop(fault)
    log.info('gateway-stopped', { unfinishedTasks: book.size })
  }

  get started(): boolean {
    return this.#parts.life.started
  }

  get wallets(): Wallets {
    return this.#parts.wallets
  }

  get disputes(): Disputes {
    return this.#parts.disputes
  }

  submit(request: TaskRequest): Promise<Submission | Refusal> {
    return this.#parts.submits.submit(request)
  }

  task(account: string, id: string): Promise<TaskView | undefined> {
    return this.#parts.reader.task(account, id)
  }

  tasks(account: string, page: Parameters<Gateway['tasks']>[1]): Promise<TaskPage> {
    return this.#parts.reader.tasks(account, page)
  }

  events(
    account: string,
    id: string,
    options: Parameters<Gateway['events']>[2],
  ): AsyncIterable<TaskProgress> {
    return this.#parts.reader.events(account, id, options)
  }

  result(account: string, id: string): Promise<TaskResult | Refusal> {
    return this.#parts.reader.result(account, id)
  }

  /**
   * A task that nobody outside can know ends at once. For any other its end and the errand to its coordinator
   * are durable first; so it is cancelled for the user even while no coordinator is there to be told.
   */
  async cancel(account: string, id: string, reason: 'user' | 'client-gone'): Promise<TaskView | Refusal> {
    const { book, errands, reader } = this.#parts
    const task = book.get(wireId(account, id))
    if (task === undefined) {
      const ended = await reader.task(account, id)
      return ended === undefined ? notFound(id) : alreadyEnded(ended.state)
    }
    const detail = reason === 'user' ? 'Cancelled on request.' : 'Cancelled because the client left.'
    const { coordinator } = task.record
    const isKnown = task.order !== 'unsent'
    const errand = isKnown ? [errands.write(coordinator, task.key, { reason })] : []
    if (!(await book.conclude(task, 'cancelled', refusal('cancelled-by-user', detail), errand))) {
      return alreadyEnded('ending')
    }
    if (isKnown) await errands.added(coordinator, task.key, { reason })
    return task.view()
  }

  async explain(account: string, id: string): Promise<Explanation | Refusal> {
    const { reader, book, links, log } = this.#parts
    const view = await reader.task(account, id)
    if (view === undefined) return notFound(id)
    const task = book.get(wireId(account, id))
    const link = task && links.get(task.record.coordinator)
    if (task === undefined || link === undefined || task.order === 'unsent') return ownExplanation(view)
    try {
      const told = await link.explain(task.key)
      if (told.refusal !== undefined) {
        const why = fromWire(told.refusal)
        return why.code === 'task-not-found' ? ownExplanation(task.view()) : why
      }
      return explanationView(task.view(), told)
    } catch (cause) {
      log.debug('explain-unanswered', { taskId: task.key, reason: String(cause) })
      return ownExplanation(task.view())
    }
  }

  capacity(): Capacity {
    return this.#parts.mesh.capacity
  }

  status(): GatewayStatus {
    const { links, book, desk, archive } = this.#parts
    const notReady = this.#notReady()
    return {
      coordinators: links.attached,
      ...(notReady === undefined ? {} : { notReady }),
      unfinishedTasks: book.size,
      dataLinks: desk.links,
      storedBytes: archive.storedBytes,
    }
  }

  #notReady(): Refusal | undefined {
    const { life, attachment, store } = this.#parts
    if (life.stopping) return refusal('shutting-down', 'This gateway is stopping.')
    if (store.fault !== undefined) return refusalOf(store.fault)
    if (attachment.link !== undefined) return undefined
    return refusal('no-coordinator', 'No coordinator is attached.', {
      next: 'Check that a coordinator of the network file runs and can be reached from here.',
    })
  }

  #levels(): void {
    const { metrics, store, book, desk, archive, links } = this.#parts
    void store.probe()
    metrics.levels(book.size, desk.links, archive.storedBytes, links.attached.length)
  }

  /** Lets old ended tasks go. */
  async #sweep(): Promise<void> {
    if (this.#sweeping) return
    this.#sweeping = true
    const { archive, clock, log } = this.#parts
    const { endedAgeMs, endedTasks, endedBytes } = this.#limits
    try {
      const gone = await archive.prune({
        endedBeforeMs: clock.nowMs() - endedAgeMs,
        maxTasks: endedTasks,
        maxBytes: endedBytes,
      })
      if (gone > 0) log.info('ended-tasks-pruned', { tasks: gone })
    } catch (cause) {
      log.error('prune-failed', { error: cause instanceof Error ? cause : new Error(String(cause)) })
    } finally {
      this.#sweeping = false
    }
  }
}

function refusalOf({ code, message, next }: EdgeCoderError): Refusal {
  return refusal(code, message, next === undefined ? {} : { next })
}

function alreadyEnded(state: string): Refusal {
  return refusal('task-ended', `The task has already ended (${state}).`)
}
