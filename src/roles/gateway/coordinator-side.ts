import { EdgeCoderError } from '../../core/errors.js'
import type { Log } from '../../ports/log.js'
import type { PeerAddress } from '../../ports/network.js'
import type { Store } from '../../ports/store.js'
import { Standing, type TaskState } from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { CoordinatorRoutes } from './coordinator-routes.js'
import type { DeliveredTasks } from './delivered-tasks.js'
import { type Errands, sayUnpaid } from './errands.js'
import type { LiveTask } from './live-task.js'
import type { MeshView } from './mesh-view.js'
import type { SubmitBatcher } from './submit-batcher.js'
import type { TaskArchive } from './task-archive.js'
import type { TaskBook } from './task-book.js'
import { deliveredWord, keys, recordCodec, splitWireId } from './task-record.js'
import { syncTasks } from './task-sync.js'

interface Components {
  readonly store: Store
  readonly archive: TaskArchive
  readonly book: TaskBook
  readonly batcher: SubmitBatcher
  readonly errands: Errands
  readonly delivered: DeliveredTasks
  readonly mesh: MeshView
  readonly log: Log
  readonly routes: Pick<CoordinatorRoutes, 'of'>
  readonly addressOf: (peerId: string) => PeerAddress
}

/**
 * Words on tasks that are not unfinished here, looked up at once; more are left for the next time they are
 * said.
 */
const MOST_STRAYS = 256
/** Bounds of the record. */
const ADDRESSES = 16
const ADDRESS_BYTES = 256
const OPEN: readonly Standing[] = [Standing.QUEUED, Standing.LEASED, Standing.RUNNING]

/** What the gateway does when a coordinator is attached, speaks, or is lost. */
export class CoordinatorSide {
  readonly #components: Components
  #starts = 0
  /** Links on which a coordinator has told how its tasks stand. */
  readonly #inSync = new Set<CoordinatorLink>()
  readonly #settling = new Map<CoordinatorLink, Promise<void>>()
  /** Being settled, and to be looked at once more after that. */
  readonly #again = new Set<CoordinatorLink>()
  #strays = 0

  constructor(components: Components) {
    this.#components = components
  }

  /** Has this coordinator told, since it was attached, how its tasks stand? */
  inSync(coordinator: string): boolean {
    return [...this.#inSync].some(({ peerId }) => peerId === coordinator)
  }

  /**
   * Counts this start. @returns which it is, from 1, and the coordinator that the run before was attached to
   */
  async begin(): Promise<{ readonly start: number; readonly last: PeerAddress | undefined }> {
    const { store } = this.#components
    const bytes = await store.get(keys.meta)
    const { starts, coordinator, addresses } =
      bytes === undefined
        ? { starts: 0, coordinator: '', addresses: [] }
        : recordCodec.decodeMeta(keys.meta, bytes)
    this.#starts = starts + 1
    await this.#remember(coordinator, addresses)
    return {
      start: this.#starts,
      last: coordinator === '' ? undefined : { peerId: coordinator, addresses },
    }
  }

  attached(link: CoordinatorLink): void {
    this.#components.batcher.kick()
    void this.#settle(link, this.#tasksOf(link).get(link) ?? [])
  }

  lost(link: CoordinatorLink): void {
    this.#inSync.delete(link)
    this.#components.mesh.forget(link.peerId)
    this.#components.delivered.lost(link.peerId)
  }

  /** Says all that is owed to a coordinator. Resolves when it was said, or cannot be. */
  async settled(link: CoordinatorLink): Promise<void> {
    await (this.#settling.get(link) ?? this.#settle(link, []))
  }

  /** This is the coordinator that the next run goes to first. @throws EdgeCoderError of the store */
  async remember({ peerId }: CoordinatorLink): Promise<void> {
    await this.#remember(peerId, this.#components.addressOf(peerId).addresses)
  }

  /** Tasks whose coordinator has been away for too long go to another one, which may be attached already. */
  reroute(): void {
    this.#components.batcher.kick()
    for (const [link, tasks] of this.#tasksOf(undefined)) {
      if (this.#settling.has(link)) this.#again.add(link)
      else void this.#settle(link, tasks)
    }
  }

  state(link: CoordinatorLink, told: TaskState): void {
    const { book, delivered, log } = this.#components
    if (!OPEN.includes(told.standing) && delivered.told(link.peerId, told.taskId)) {
      sayUnpaid(log, link.peerId, told)
    }
    if (book.apply(link.peerId, told) || this.#strays >= MOST_STRAYS) return
    this.#strays++
    this.#stray(link, told)
      .catch((cause: unknown) => {
        this.#components.log.debug('stray-task', { taskId: told.taskId, reason: String(cause) })
      })
      .finally(() => {
        this.#strays--
      })
  }

  /**
   * Tasks that a coordinator may have, by the link on which it, or the next one, is to be asked about them.
   *
   * @param only undefined = all links
   */
  #tasksOf(only: CoordinatorLink | undefined): ReadonlyMap<CoordinatorLink, readonly LiveTask[]> {
    const found = new Map<CoordinatorLink, LiveTask[]>()
    for (const task of this.#components.book.tasks()) {
      if (task.order === 'unsent' || task.ending || task.queued) continue
      const link = this.#components.routes.of(task)
      if (link === undefined || link === task.askedOn || (only !== undefined && link !== only)) continue
      const tasks = found.get(link)
      if (tasks === undefined) found.set(link, [task])
      else tasks.push(task)
    }
    return found
  }

  #settle(link: CoordinatorLink, tasks: readonly LiveTask[]): Promise<void> {
    const settling = this.#settleOnce(link, tasks).catch((cause: unknown) => {
      if (cause instanceof EdgeCoderError && cause.code === 'link-closed') return
      this.#components.log.error('tasks-not-synced', {
        coordinator: link.peerId,
        error: cause instanceof Error ? cause : new Error(String(cause)),
      })
      link.abort('the sync of tasks failed here')
    })
    const settled = settling.then(() => {
      this.#settling.delete(link)
      if (!this.#again.delete(link) || !link.open) return undefined
      return this.#settle(link, this.#tasksOf(link).get(link) ?? [])
    })
    this.#settling.set(link, settled)
    return settled
  }

  async #settleOnce(link: CoordinatorLink, tasks: readonly LiveTask[]): Promise<void> {
    const { errands, book, routes } = this.#components
    await syncTasks(this.#components, link, tasks)
    if (link.open) this.#inSync.add(link)
    await errands.carryOut(link, (taskId) => {
      const task = book.get(taskId)
      if (task === undefined) return false
      const next = routes.of(task)
      return next === undefined || next === link
    })
  }

  async #remember(coordinator: string, addresses: readonly string[]): Promise<void> {
    const fit = addresses.filter((address) => Buffer.byteLength(address) <= ADDRESS_BYTES).slice(0, ADDRESSES)
    const value = recordCodec.encodeMeta({ starts: this.#starts, coordinator, addresses: fit })
    await this.#components.store.commit([{ type: 'put', key: keys.meta, value }])
  }

  /** A coordinator still works for a task that is over here: it is told so, again if need be. */
  async #stray(link: CoordinatorLink, told: TaskState): Promise<void> {
    const name = splitWireId(told.taskId)
    if (!OPEN.includes(told.standing) || name === undefined) return
    const record = await this.#components.archive.record(name.account, name.id)
    // It began to be unfinished while we looked.
    if (this.#components.book.get(told.taskId) !== undefined) return
    const delivered = record && deliveredWord(record)
    if (delivered === undefined) {
      await link.cancel(told.taskId, { reason: 'client-gone' })
      return
    }
    // Said before the coordinator heard of the result.
    if (told.standing !== Standing.QUEUED && told.fence <= (delivered.fence ?? 0n)) return
    await link.cancel(told.taskId, delivered)
  }
}
