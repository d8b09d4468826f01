import { EdgeCoderError } from '../../core/errors.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Store, Write } from '../../ports/store.js'
import { Standing, type TaskState } from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { GatewayErrand } from '../../wire/generated/edgecoder/store/v1/gateway_pb.js'
import type { CancelWord, CoordinatorLink } from './coordinator-link.js'
import { keyParts, keys, recordCodec } from './task-record.js'
import { wait } from './wait.js'

/** Why a coordinator should drop a task: as in the Cancel message. */
export type Errand =
  | { readonly reason: 'user' | 'client-gone' | 'moved' }
  /** @param fence of the lease that brought the result; what both ends signed is read when it is told */
  | { readonly reason: 'delivered'; readonly fence: bigint }

interface Components {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** What is said of a task whose result was accepted; undefined = there is no such task, or no longer. */
  readonly delivered: (taskId: string) => Promise<CancelWord | undefined>
  /** The link to a coordinator that is attached. */
  readonly linkOf: (peerId: string) => CoordinatorLink | undefined
  /** Carries out what is owed to one; attaches to it for that, if need be. */
  readonly visit: (peerId: string, signal: AbortSignal) => Promise<void>
}

interface Init {
  readonly maxAgeMs: number
}

/** Ends without a settlement. */
const UNPAID: ReadonlySet<Standing> = new Set([Standing.FAILED, Standing.CANCELLED, Standing.EXPIRED])
/** Cancels asked at once on one link. */
const AT_ONCE = 64
const FIRST_VISIT_MS = 2_000
const LONGEST_PAUSE_MS = 5 * 60_000

/**
 * Tells coordinators which tasks are no longer wanted of them: cancelled by the user, moved elsewhere, or
 * delivered. An errand is durable from the moment of the decision until that coordinator has answered, or is
 * too old; coordinators that we are not attached to are visited when they can be reached.
 */
export class Errands {
  readonly #components: Components
  readonly #init: Init
  readonly #stop = new AbortController()
  /** Coordinators with errands, and the pause before the next visit. */
  readonly #owed = new Map<string, number>()
  #running: Promise<void> | undefined
  #wake: (() => void) | undefined

  constructor(components: Components, init: Init) {
    this.#components = components
    this.#init = init
  }

  /** Reads what is owed from before, and lets go of what is too old. */
  async load(): Promise<void> {
    const { store, clock } = this.#components
    const oldest = clock.nowMs() - this.#init.maxAgeMs
    let old: Write[] = []
    for await (const [key, value] of store.range(keys.allErrandsRange)) {
      if (Number(recordCodec.decodeErrand(key, value).sinceMs) < oldest) old.push({ type: 'del', key })
      else this.owed(keyParts(key)[0] ?? '')
      if (old.length < 256) continue
      await store.commit(old)
      old = []
    }
    if (old.length > 0) await store.commit(old)
  }

  start(): void {
    this.#stop.signal.addEventListener('abort', () => this.#wake?.())
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  /** The write that makes an errand durable, to be committed with what causes it; then call {@link added}. */
  write(coordinator: string, taskId: string, errand: Errand): Write {
    const sinceMs = BigInt(this.#components.clock.nowMs())
    const value = recordCodec.encodeErrand({ fence: 0n, ...errand, sinceMs })
    return { type: 'put', key: keys.errand(coordinator, taskId), value }
  }

  /** The write that takes one back, because the task goes to that coordinator again. */
  unwrite(coordinator: string, taskId: string): Write {
    return { type: 'del', key: keys.errand(coordinator, taskId) }
  }

  /**
   * One became durable. Carried out now when we are attached there; resolves when that is done or cannot be.
   */
  async added(coordinator: string, taskId: string, errand: Errand): Promise<void> {
    const link = this.#components.linkOf(coordinator)
    if (link !== undefined && (await this.#tell(link, taskId, errand))) return
    this.owed(coordinator)
  }

  /** Errands of this coordinator became durable; it is visited in a while. */
  owed(coordinator: string): void {
    if (!this.#owed.has(coordinator)) this.#owed.set(coordinator, FIRST_VISIT_MS)
    this.#wake?.()
  }

  /**
   * Carries out the errands of the coordinator at the other end.
   *
   * @param keep tasks that go or may go back to it: whoever moves them takes their errands back
   * @returns whether none is left
   */
  async carryOut(link: CoordinatorLink, keep: (taskId: string) => boolean): Promise<boolean> {
    const { store } = this.#components
    let batch: Promise<boolean>[] = []
    let all = true
    for await (const [key, value] of store.range(keys.errandRange(link.peerId))) {
      const [, taskId = ''] = keyParts(key)
      if (keep(taskId)) {
        all = false
        continue
      }
      batch.push(this.#tell(link, taskId, recordCodec.decodeErrand(key, value)))
      if (batch.length < AT_ONCE) continue
      all = (await Promise.all(batch)).every(Boolean) && all
      batch = []
      if (!link.open) return false
    }
    all = (await Promise.all(batch)).every(Boolean) && all
    if (all) this.#owed.delete(link.peerId)
    return all
  }

  async #tell(link: CoordinatorLink, taskId: string, told: GatewayErrand | Errand): Promise<boolean> {
    try {
      const { reason, fence } = { fence: 0n, ...told }
      const delivered = reason === 'delivered' ? await this.#components.delivered(taskId) : undefined
      const answer = await link.cancel(taskId, delivered ?? { reason, fence })
      if (reason === 'delivered') sayUnpaid(this.#components.log, link.peerId, answer.state)
      // Its worker has the result's receipt on the way. Any other answer will do: it is cancelled, or was
      // never there, or has ended.
      if (answer.refusal?.code === 'result-pending') return false
      await this.#components.store.commit([this.unwrite(link.peerId, taskId)])
      return true
    } catch (cause) {
      this.#components.log.debug('errand-not-done', {
        coordinator: link.peerId,
        taskId,
        reason: codeOf(cause),
      })
      return false
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    const { clock } = this.#components
    while (!signal.aborted) {
      const next = [...this.#owed].sort(([, a], [, b]) => a - b)[0]
      if (next === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        continue
      }
      const [coordinator, pauseMs] = next
      await wait(clock, pauseMs, signal)
      if (signal.aborted) return
      await this.#components.visit(coordinator, signal)
      if (this.#owed.has(coordinator)) {
        this.#owed.set(coordinator, Math.min(LONGEST_PAUSE_MS, pauseMs * 2))
      }
    }
  }
}

/** Says aloud how a task with a result here stands at its coordinator, when its worker is not paid for it. */
export function sayUnpaid(log: Log, coordinator: string, told: TaskState | undefined): void {
  if (told === undefined || !UNPAID.has(told.standing)) return
  const { taskId, standing, why } = told
  const said = { standing: Standing[standing], code: why?.code, detail: why?.detail }
  log.warn('delivered-unpaid', { taskId, coordinator, ...said })
}

function codeOf(cause: unknown): string {
  return cause instanceof EdgeCoderError ? cause.code : String(cause)
}
