import type { Clock } from '../../ports/clock.js'
import type { Write } from '../../ports/store.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { Errands } from './errands.js'

interface Components {
  readonly clock: Clock
  readonly errands: Errands
  /** The link to a coordinator that is attached. */
  readonly linkOf: (peerId: string) => CoordinatorLink | undefined
}

/** Past it the oldest are forgotten here; their errands stay on the disk, for the next time that we attach. */
const MOST_UNTOLD = 8_192
/**
 * How long a worker may take to tell. It is lost to its coordinator after 12 s of silence, and the task would
 * then be given to another.
 */
const UNTOLD_MS = 5_000
/** Told in one look, which is one a second. */
const MOST_AT_ONCE = 64

interface Untold {
  readonly fence: bigint
  readonly sinceMs: number
}

/**
 * Tasks with a result here whose coordinator has not said that it knows. Their workers tell it; a worker that
 * dies first, or is cut off, cannot. So whoever has a result owes its coordinator a word about it, from the
 * commit of the result until that coordinator has said that it knows: this gateway may crash meanwhile, too.
 */
export class DeliveredTasks {
  readonly #components: Components
  /** By coordinator that is attached, oldest first. */
  readonly #untold = new Map<string, Map<string, Untold>>()
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
    const { clock, linkOf, errands } = this.#components
    if (linkOf(coordinator) === undefined) {
      return errands.added(coordinator, taskId, { reason: 'delivered', fence })
    }
    const untold = this.#untold.get(coordinator) ?? new Map<string, Untold>()
    this.#untold.set(coordinator, untold)
    untold.set(taskId, { fence, sinceMs: clock.monotonicMs() })
    const [oldest] = untold.keys()
    if (untold.size > MOST_UNTOLD && oldest !== undefined) untold.delete(oldest)
  }

  /** A coordinator said that a task has ended. @returns whether it was to be told of its result */
  told(coordinator: string, taskId: string): boolean {
    const untold = this.#untold.get(coordinator)
    if (untold?.delete(taskId) !== true) return false
    this.#done.push(this.#components.errands.unwrite(coordinator, taskId))
    if (untold.size === 0) this.#untold.delete(coordinator)
    return true
  }

  /** A coordinator is not attached any more. */
  lost(coordinator: string): void {
    if (this.#untold.delete(coordinator)) this.#components.errands.owed(coordinator)
  }

  /** Tells coordinators what their workers have not told them for too long. Called every second. */
  look(): void {
    const { clock, errands } = this.#components
    const latestMs = clock.monotonicMs() - UNTOLD_MS
    let room = MOST_AT_ONCE
    for (const [coordinator, untold] of this.#untold) {
      for (const [taskId, { fence, sinceMs }] of untold) {
        if (sinceMs > latestMs || room-- <= 0) break
        untold.delete(taskId)
        void errands.added(coordinator, taskId, { reason: 'delivered', fence })
      }
      if (untold.size === 0) this.#untold.delete(coordinator)
    }
  }
}
