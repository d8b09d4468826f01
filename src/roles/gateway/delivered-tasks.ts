import type { Write } from '../../ports/store.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { Errands } from './errands.js'

interface Components {
  readonly errands: Errands
  /** The link to a coordinator that is attached. */
  readonly linkOf: (peerId: string) => CoordinatorLink | undefined
}

/** Past it the oldest are forgotten here; their errands stay on the disk, for the next time that we attach. */
const MOST_UNTOLD = 8_192

/**
 * Tasks with a result here whose coordinator has not said that it knows. Their workers tell it; a worker that
 * dies first, or loses its lease meanwhile, cannot, and the coordinator would keep the task waiting for a
 * gateway that has gone to another. So whoever has a result owes its coordinator a word about it, from the
 * commit of the result until that coordinator has said that it knows: this gateway may crash meanwhile, too.
 */
export class DeliveredTasks {
  readonly #components: Components
  /** By coordinator, oldest first. */
  readonly #untold = new Map<string, Set<string>>()
  /** Erase errands that are done, with the next result: one told twice does no harm. */
  #done: Write[] = []

  constructor(components: Components) {
    this.#components = components
  }

  /** What goes into the commit of a result. */
  writes(coordinator: string, taskId: string, fence: bigint): readonly Write[] {
    const done = this.#done
    this.#done = []
    return [...done, this.#components.errands.write(coordinator, taskId, { reason: 'delivered', fence })]
  }

  /** A result is durable. */
  async added(coordinator: string, taskId: string, fence: bigint): Promise<void> {
    const { linkOf, errands } = this.#components
    if (linkOf(coordinator) === undefined) {
      return errands.added(coordinator, taskId, { reason: 'delivered', fence })
    }
    const untold = this.#untold.get(coordinator) ?? new Set<string>()
    this.#untold.set(coordinator, untold)
    untold.add(taskId)
    const [oldest] = untold
    if (untold.size > MOST_UNTOLD && oldest !== undefined) untold.delete(oldest)
  }

  /** A coordinator said that the task has ended. */
  told(coordinator: string, taskId: string): void {
    const untold = this.#untold.get(coordinator)
    if (untold?.delete(taskId) !== true) return
    this.#done.push(this.#components.errands.unwrite(coordinator, taskId))
    if (untold.size === 0) this.#untold.delete(coordinator)
  }

  /** A coordinator is attached now: those that are not will not tell us any more. */
  attached(): void {
    for (const coordinator of this.#untold.keys()) {
      if (this.#components.linkOf(coordinator) !== undefined) continue
      this.#untold.delete(coordinator)
      this.#components.errands.owed(coordinator)
    }
  }
}
