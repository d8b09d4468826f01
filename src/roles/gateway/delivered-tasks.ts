import { EdgeCoderError } from '../../core/errors.js'
import type { Log } from '../../ports/log.js'
import type { Write } from '../../ports/store.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { Errands } from './errands.js'
import type { TaskArchive } from './task-archive.js'

interface Components {
  readonly archive: TaskArchive
  readonly errands: Errands
  readonly log: Log
  /** The link to a coordinator that is attached. */
  readonly linkOf: (peerId: string) => CoordinatorLink | undefined
}

/** Past it the coordinator is told by errand, which is on the disk and not in memory. */
const MOST_UNTOLD = 8_192

/**
 * Tasks with a result here whose coordinator has not said that it knows. Their workers tell it; a worker that
 * dies first, or loses its lease meanwhile, cannot, and the coordinator would keep the task waiting for a
 * gateway that has gone to another. So whoever leaves a coordinator owes it a word about them.
 */
export class DeliveredTasks {
  readonly #components: Components
  /** By coordinator: fences by task, oldest first. */
  readonly #untold = new Map<string, Map<string, bigint>>()

  constructor(components: Components) {
    this.#components = components
  }

  /** What goes into the commit of a result: the errand itself, when its coordinator is not attached. */
  writes(coordinator: string, taskId: string, fence: bigint): readonly Write[] {
    const { linkOf, errands } = this.#components
    if (linkOf(coordinator) !== undefined) return []
    return [errands.write(coordinator, taskId, { reason: 'delivered', fence })]
  }

  /** A result is durable. @param writes what {@link writes} gave for it */
  async added(coordinator: string, taskId: string, fence: bigint, writes: readonly Write[]): Promise<void> {
    if (writes.length > 0) {
      return this.#components.errands.added(coordinator, taskId, { reason: 'delivered', fence })
    }
    const untold = this.#untold.get(coordinator) ?? new Map<string, bigint>()
    this.#untold.set(coordinator, untold)
    untold.set(taskId, fence)
    if (untold.size > MOST_UNTOLD) await this.#owe(coordinator, [...untold].slice(0, MOST_UNTOLD / 2))
  }

  /** A coordinator said that the task has ended. */
  told(coordinator: string, taskId: string): void {
    const untold = this.#untold.get(coordinator)
    untold?.delete(taskId)
    if (untold?.size === 0) this.#untold.delete(coordinator)
  }

  /** A coordinator is attached now: those that are not will not tell us any more. */
  async attached(): Promise<void> {
    for (const [coordinator, untold] of this.#untold) {
      if (this.#components.linkOf(coordinator) === undefined) await this.#owe(coordinator, [...untold])
    }
  }

  async #owe(coordinator: string, tasks: readonly (readonly [id: string, fence: bigint])[]): Promise<void> {
    const { archive, errands, log } = this.#components
    try {
      await archive.commit(
        tasks.map(([id, fence]) => errands.write(coordinator, id, { reason: 'delivered', fence })),
      )
    } catch (cause) {
      if (!(cause instanceof EdgeCoderError)) throw cause
      // They stay untold, and are owed at the next attach.
      log.error('errands-not-written', { coordinator, tasks: tasks.length, error: cause })
      return
    }
    for (const [id] of tasks) this.told(coordinator, id)
    errands.owed(coordinator)
  }
}
