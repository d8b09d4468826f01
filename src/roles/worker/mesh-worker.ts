import { type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Means, MeasuredModel } from './capabilities.js'
import type { GatewayLinks } from './gateway-link.js'
import type { Home } from './home.js'
import type { LeaseDesk } from './lease-desk.js'
import type { LentTerms, TermChanges } from './lent-terms.js'
import type { ModelLender } from './models/model-lender.js'
import type { SlotBook } from './slot-book.js'
import { deadline } from './waiting.js'
import { notReady, ownReasons, whyIdle } from './why-idle.js'
import type { Worker, WorkerOffer, WorkerStatus } from './worker.js'
import { kindName } from './worker-meters.js'

/** A coordinator that is slow to say why nothing comes is not waited for longer. */
const WHY_IDLE_MS = 3_000
/** Attempts that were called off may take this long to end. */
const HAND_BACK_MS = 2_000

/** What a worker is made of. */
export interface WorkerParts {
  readonly clock: Clock
  readonly slots: SlotBook
  readonly desk: LeaseDesk
  readonly home: Home
  readonly means: Means
  /** Undefined = lent at all times. */
  readonly terms: LentTerms | undefined
  readonly gateways: GatewayLinks
  readonly stopper: AbortController
  /** Undefined = no files are lent. */
  readonly lender: ModelLender | undefined
  readonly agentId: string
  /** Versions that policy has for it. */
  readonly offers: () => readonly WorkerOffer[]
  learnModels(models: readonly MeasuredModel[]): void
}

/** The worker as its owner handles it: start, drain, look. */
export class MeshWorker implements Worker {
  readonly #parts: WorkerParts
  readonly #subscribe: () => () => void
  #unsubscribe: (() => void) | undefined
  #living: Promise<void> | undefined

  constructor(parts: WorkerParts, subscribe: () => () => void) {
    this.#parts = parts
    this.#subscribe = subscribe
  }

  async start(): Promise<void> {
    if (this.#living !== undefined) return
    const { home, stopper, terms, lender } = this.#parts
    await terms?.start()
    this.#unsubscribe = this.#subscribe()
    lender?.start()
    this.#living = home.run(stopper.signal)
  }

  async stop(signal: AbortSignal): Promise<void> {
    const { clock, slots, desk, gateways, stopper, terms, lender } = this.#parts
    terms?.stop()
    lender?.stop()
    slots.drain()
    desk.tellOffers()
    this.#unsubscribe?.()
    await desk.quiet(signal)
    if (desk.runs.length > 0) {
      desk.handBack(refusal('shutting-down', 'the worker stopped before the attempt ended'))
      const limit = deadline(clock, HAND_BACK_MS, stopper.signal)
      await desk.quiet(limit.signal)
      limit.release()
    }
    stopper.abort()
    for (const attachment of desk.attachments) attachment.leave()
    gateways.close()
    await this.#living
  }

  learnModels(models: readonly MeasuredModel[]): void {
    this.#parts.learnModels(models)
  }

  terms(): ReturnType<Worker['terms']> {
    return this.#parts.terms?.view()
  }

  async setTerms(changes: TermChanges): ReturnType<Worker['setTerms']> {
    return this.#parts.terms?.change(changes)
  }

  status(): WorkerStatus {
    const { slots, desk, means, agentId, terms, offers, lender } = this.#parts
    const why = notReady(means, slots, this.#detached())
    const lends = lender?.view()
    return {
      agentId,
      ...(why === undefined ? {} : { notReady: why }),
      closed: terms?.view().closed ?? [],
      coordinators: desk.attachments.map(({ peerId, sinceMs, offered, clockAheadMs }) => ({
        peerId,
        sinceMs,
        slotsOffered: offered,
        ...(clockAheadMs === undefined ? {} : { clockAheadMs }),
      })),
      slots: { total: slots.total, busy: slots.busy },
      running: desk.runs.map(({ ref, header, headway, startedMs }) => ({
        taskId: ref.taskId,
        kind: kindName(header.kind),
        model: header.model,
        fence: String(ref.fence),
        stage: headway.stage,
        sinceMs: startedMs,
        tokens: headway.tokens,
      })),
      engine: means.engine?.kind ?? '',
      sandbox: means.sandbox?.kind ?? '',
      languages: means.sandbox?.languages ?? [],
      models: means.models.map((model) => {
        const bar = means.barOf(model)
        return bar === undefined ? model : { ...model, bar }
      }),
      offers: offers(),
      finished: desk.finished,
      ...(lends === undefined ? {} : { lends }),
    }
  }

  async whyIdle(signal: AbortSignal): ReturnType<Worker['whyIdle']> {
    const { clock, slots, desk, means, terms } = this.#parts
    if (slots.busy > 0) return { busy: true, queued: 0, reasons: [] }
    const limit = deadline(clock, WHY_IDLE_MS, signal)
    const answers = await Promise.all(desk.attachments.map((each) => each.whyIdle(limit.signal)))
    limit.release()
    const asked = answers.filter((answer) => answer !== undefined)
    const own = ownReasons(means, slots, this.#detached())
    return whyIdle({ own, closed: terms?.closed ?? [], lentTo: slots.lentTo }, asked)
  }

  /** Why no coordinator is attached. */
  #detached(): Refusal | undefined {
    const { desk, home } = this.#parts
    return desk.attachments.length > 0 ? undefined : home.why
  }
}
