import { EdgeCoderError } from '../../core/errors.js'
import type { Log } from '../../ports/log.js'
import type { PeerAddress } from '../../ports/network.js'
import type { Store } from '../../ports/store.js'
import { Standing, type TaskState } from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { DeliveredTasks } from './delivered-tasks.js'
import type { Errands } from './errands.js'
import type { MeshView } from './mesh-view.js'
import type { SubmitBatcher } from './submit-batcher.js'
import type { TaskArchive } from './task-archive.js'
import type { TaskBook } from './task-book.js'
import { keys, recordCodec, splitWireId } from './task-record.js'
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
  readonly current: () => CoordinatorLink | undefined
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
  #inSync = false
  #strays = 0

  constructor(components: Components) {
    this.#components = components
  }

  /** Has a coordinator told, since the last attach, how all tasks stand? */
  get inSync(): boolean {
    return this.#inSync
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
    const { log, batcher } = this.#components
    batcher.kick()
    this.#settle(link).catch((cause: unknown) => {
      if (cause instanceof EdgeCoderError && cause.code === 'link-closed') return
      log.error('tasks-not-synced', {
        coordinator: link.peerId,
        error: cause instanceof Error ? cause : new Error(String(cause)),
      })
      link.abort('the sync of tasks failed here')
    })
  }

  lost(): void {
    this.#inSync = false
    this.#components.mesh.forget()
  }

  state(link: CoordinatorLink, told: TaskState): void {
    const { book, delivered } = this.#components
    if (!OPEN.includes(told.standing)) delivered.told(link.peerId, told.taskId)
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

  async #settle(link: CoordinatorLink): Promise<void> {
    const { errands, book, delivered, current, addressOf } = this.#components
    await syncTasks(this.#components, link)
    if (current() === link) this.#inSync = true
    await this.#remember(link.peerId, addressOf(link.peerId).addresses)
    await delivered.attached(link.peerId)
    await errands.carryOut(link, (taskId) => book.get(taskId) !== undefined)
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
    if (record?.end?.standing === Standing.DONE) {
      // Said before the coordinator heard of the result.
      if (told.standing !== Standing.QUEUED && told.fence <= record.end.fence) return
      await link.cancel(told.taskId, 'delivered', record.end.fence)
    } else await link.cancel(told.taskId, 'client-gone')
  }
}
