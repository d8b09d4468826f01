import { EdgeCoderError } from '../../core/errors.js'
import type { HistoryView, WalletView } from '../../core/ledger/wallet-view.js'
import type { PolicyView } from '../../core/policy/policy-view.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { Scheduler } from '../../core/scheduler/scheduler.js'
import type { Watch } from '../../core/task/watch.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Network } from '../../ports/network.js'
import { CONTROL_FRAME_BYTES, STREAMS_PER_PEER } from '../../wire/limits.js'
import type { ProtocolIds } from '../../wire/protocol-ids.js'
import type { Announcer } from './announcer.js'
import type { Assigner } from './assigner.js'
import { cancelBarred } from './barred-tasks.js'
import type { Checks } from './checks.js'
import {
  CUT_MS,
  GATEWAY_FRAMES_PER_SECOND,
  HISTORY_ROWS,
  MOST_HISTORY_ROWS,
  QUALITY_WORKERS,
  ROUND_MS,
  SWEEP_MS,
  WORKER_FRAMES_PER_SECOND,
} from './constants.js'
import type {
  Coordinator,
  CoordinatorStatus,
  ExplainView,
  LedgerStatus,
  QueueView,
  WorkerView,
} from './coordinator.js'
import type { DrainOrder, Drains, DrainView } from './drains.js'
import type { Economy } from './economy.js'
import type { GatewayDesk } from './gateway-desk.js'
import type { IsolationOrder, Isolations, IsolationView } from './isolations.js'
import type { Journal } from './journal.js'
import type { LedgerOffice } from './ledger-office.js'
import { ledgerStatusOf } from './ledger-views.js'
import type { Pause, PauseOrder } from './pause.js'
import type { AssignmentQuality, QualityView } from './quality.js'
import type { ReplicatedLedger } from './replicated-ledger.js'
import type { Resumption, ResumptionOrder } from './resumption.js'
import type { RolloutTally, RolloutView } from './rollout-tally.js'
import type { Suspensions, SuspensionView } from './suspensions.js'
import type { TaskBook } from './task-book.js'
import type { TaskMeter } from './task-meter.js'
import { explainOf, queueOf, statusOf, workersOf } from './views.js'
import type { WalletDesk } from './wallet-desk.js'
import type { WorkerDesk } from './worker-desk.js'

export interface CoordinatorParts {
  readonly economy: Economy | undefined
  readonly scheduler: Scheduler
  readonly watch: Watch
  readonly journal: Journal
  readonly ledger: ReplicatedLedger | undefined
  readonly office: LedgerOffice | undefined
  readonly book: TaskBook
  readonly workers: WorkerDesk
  readonly gateways: GatewayDesk
  readonly wallets: WalletDesk | undefined
  readonly assigner: Assigner
  readonly announcer: Announcer
  readonly meter: TaskMeter
  readonly pause: Pause
  readonly resumption: Resumption
  readonly drains: Drains
  readonly isolations: Isolations
  readonly suspensions: Suspensions
  readonly quality: AssignmentQuality
  /** Left out without a signed policy. */
  readonly checks: Checks | undefined
  readonly rollouts: RolloutTally
}

interface Ports {
  readonly network: Network
  readonly clock: Clock
  readonly log: Log
  readonly policy: () => PolicyView
  readonly onPolicy: (listener: () => void) => () => void
}

/** What a coordinator does as a whole: begins, ends, keeps time, and says how it stands. */
export class CoordinatorRole implements Coordinator {
  readonly #ports: Ports
  readonly #parts: CoordinatorParts
  readonly #ids: ProtocolIds
  #timers: readonly Timer[] = []
  #serving: readonly (() => void)[] = []
  readonly #stopping = new AbortController()
  /** Its restored log waits for the other coordinators; nobody is served before they have confirmed it. */
  #confirming: { readonly why: Refusal; readonly done: Promise<void> } | undefined
  #state: 'new' | 'serving' | 'stopped' = 'new'
  /** Everybody attached was looked at by it. */
  #checked: PolicyView | undefined

  constructor(ports: Ports, parts: CoordinatorParts, ids: ProtocolIds) {
    this.#ports = ports
    this.#parts = parts
    this.#ids = ids
  }

  async start(): Promise<void> {
    const waits = Promise.withResolvers<Refusal>()
    const serving = this.#serve(waits.resolve)
    const why = await Promise.race([serving, waits.promise])
    if (why === undefined) return
    const { log } = this.#ports
    const failed = (cause: unknown): void => {
      if (!(cause instanceof EdgeCoderError)) throw cause
      if (cause.code !== 'shutting-down') log.error('coordinator-not-started', { error: cause })
    }
    this.#confirming = { why, done: serving.catch(failed) }
  }

  /** @param waits is told why, when nobody can be served yet */
  async #serve(waits: (why: Refusal) => void): Promise<undefined> {
    const { network, clock, log, onPolicy } = this.#ports
    const { ledger, book, workers, gateways, assigner, announcer, ...owner } = this.#parts
    try {
      await owner.resumption.load()
      await owner.pause.load()
      await owner.drains.load()
      await owner.isolations.load()
      await owner.suspensions.load()
      await this.#parts.checks?.load()
      await ledger?.open(this.#stopping.signal, waits)
      await book.start(() => assigner.touch())
      await announcer.start()
      this.#parts.checks?.start()
    } catch (fault) {
      book.stop()
      throw fault
    }
    const open = { maxFrameBytes: CONTROL_FRAME_BYTES, streamsPerPeer: STREAMS_PER_PEER }
    this.#serving = [
      network.serve(this.#ids.worker, { ...open, framesPerSecond: WORKER_FRAMES_PER_SECOND }, (link) =>
        workers.accept(link),
      ),
      network.serve(this.#ids.gateway, { ...open, framesPerSecond: GATEWAY_FRAMES_PER_SECOND }, (link) =>
        gateways.accept(link),
      ),
      onPolicy(() => this.#recheck()),
      owner.isolations.onChange((peer) => this.#isolated(peer)),
    ]
    this.#timers = [clock.every(SWEEP_MS, () => this.#sweep()), clock.every(ROUND_MS, () => this.#round())]
    network.provide(this.#ids.coordinatorRendezvous)
    this.#state = 'serving'
    this.#confirming = undefined
    this.#recheck()
    const counts = { queued: book.count('queued'), leased: book.count('leased') + book.count('running') }
    log.info('coordinator-started', counts)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#confirming?.done
    if (this.#state !== 'serving') return
    this.#state = 'stopped'
    const { ledger, book, journal, workers, gateways, assigner, announcer } = this.#parts
    for (const unserve of this.#serving) unserve()
    for (const timer of this.#timers) timer.cancel()
    assigner.stop()
    announcer.stop()
    book.stop()
    await ledger?.settle()
    await journal.close()
    await Promise.all([workers.close(), gateways.close(), ledger?.stop(this.#stopping.signal)])
    this.#ports.log.info('coordinator-stopped')
  }

  status(): CoordinatorStatus {
    return statusOf(
      this.#parts,
      this.#ports.clock,
      this.#state === 'serving' ? suspended(this.#parts.ledger) : this.#idle,
    )
  }

  quality(): QualityView {
    const { quality, checks } = this.#parts
    return { ...quality.view(), ...(checks === undefined ? {} : { checks: checks.view(QUALITY_WORKERS) }) }
  }

  rollouts(): readonly RolloutView[] {
    return this.#parts.rollouts.list()
  }

  queue(limit: number): QueueView {
    return queueOf(this.#parts, this.#ports.clock, limit)
  }

  workers(): readonly WorkerView[] {
    return workersOf(this.#parts)
  }

  explain(account: string, taskId: string): ExplainView | Refusal {
    return explainOf(this.#parts, account, taskId)
  }

  async pause(order: PauseOrder): Promise<void> {
    const { pause, resumption } = this.#parts
    await pause.begin(order)
    await resumption.end()
  }

  async resume(staged?: ResumptionOrder): Promise<void> {
    const { pause, resumption } = this.#parts
    await (staged === undefined ? resumption.end() : resumption.begin(staged))
    // Last, so that at no moment more is given out than was asked for.
    await pause.end()
  }

  drain(order: DrainOrder): Promise<Refusal | undefined> {
    return this.#parts.drains.begin(order)
  }

  undrain(worker: string): Promise<Refusal | undefined> {
    return this.#parts.drains.end(worker)
  }

  drains(): readonly DrainView[] {
    return this.#parts.drains.list()
  }

  async isolate(order: IsolationOrder): Promise<Refusal | undefined> {
    if (order.peer !== this.#ports.network.peerId) return this.#parts.isolations.begin(order)
    return refusal('bad-request', 'a coordinator cannot be isolated from itself', {
      next: 'To have it give out nothing: edgecoder coordinator pause.',
    })
  }

  release(peer: string): Promise<Refusal | undefined> {
    return this.#parts.isolations.end(peer)
  }

  isolations(): readonly IsolationView[] {
    return this.#parts.isolations.list()
  }

  suspensions(): readonly SuspensionView[] {
    return this.#parts.suspensions.list()
  }

  suspensionEvidence(worker: string): Promise<Uint8Array | Refusal> {
    return this.#parts.suspensions.evidence(worker)
  }

  reinstate(worker: string): Promise<Refusal | undefined> {
    return this.#parts.suspensions.end(worker)
  }

  ledger(): LedgerStatus | undefined {
    const { ledger } = this.#parts
    return ledger && ledgerStatusOf(ledger, this.#confirming?.why)
  }

  ledgerOffice(): LedgerOffice | undefined {
    return this.#parts.office
  }

  async wallet(account: string): Promise<WalletView | Refusal | undefined> {
    const { wallets } = this.#parts
    return wallets && (this.#isOpen ? wallets.wallet(account) : this.#idle)
  }

  async history(
    account: string,
    { before, limit = HISTORY_ROWS }: Parameters<Coordinator['history']>[1],
  ): Promise<HistoryView | Refusal | undefined> {
    const { wallets } = this.#parts
    const range = { before, limit: Math.min(limit, MOST_HISTORY_ROWS) }
    return wallets && (this.#isOpen ? wallets.history(account, range) : this.#idle)
  }

  /** Its own log may be gone on with. */
  get #isOpen(): boolean {
    return this.#confirming === undefined && this.#parts.ledger?.logs.primary.desk.isOpen === true
  }

  /** Why nobody is served now. */
  get #idle(): Refusal {
    return this.#confirming?.why ?? refusal('shutting-down', 'the coordinator is not serving')
  }

  economy(): Economy | Refusal | undefined {
    const { economy, ledger } = this.#parts
    if (ledger === undefined) return undefined
    if (!this.#isOpen) return this.#idle
    // Its first message has not come yet.
    return ledger.logs.primary.desk.view.get('log', '') === undefined ? undefined : economy
  }

  #sweep(): void {
    const { workers, gateways, assigner } = this.#parts
    workers.sweep()
    gateways.sweep()
    assigner.touch()
  }

  /** Acts on what policy says now: who is not admitted any more is put out, and its leases go to others. */
  #recheck(): void {
    const { workers, gateways, assigner } = this.#parts
    this.#checked = this.#ports.policy()
    workers.recheck()
    gateways.recheck()
    cancelBarred({ ...this.#ports, book: this.#parts.book })
    assigner.touch()
  }

  /** It is told why by whom it was attached to, and then cut; what it ran goes to others at once. */
  #isolated(peer: string): void {
    const { network, clock, log } = this.#ports
    const { isolations } = this.#parts
    this.#recheck()
    if (!isolations.has(peer)) return
    clock.after(CUT_MS, () => {
      if (!isolations.has(peer)) return
      network.disconnect(peer).catch((cause: unknown) => {
        const error = cause instanceof Error ? cause : new Error(String(cause))
        log.error('peer-not-cut-off', { peer, error })
      })
    })
  }

  #round(): void {
    const { book, journal, ledger, workers, gateways, announcer, meter, scheduler, pause, resumption } =
      this.#parts
    ledger?.round()
    // That of a network without signed policy stays as it is.
    if (this.#ports.policy() !== this.#checked) this.#recheck()
    this.#parts.drains.sweep()
    this.#parts.checks?.round()
    this.#parts.suspensions.sweep()
    resumption.look(workers.slots)
    this.#parts.rollouts.show()
    gateways.publishCapacity()
    // Workers that came for what waits would get none of it.
    const out = book.count('leased') + book.count('running')
    const gives = pause.why === undefined && resumption.room(out) > 0
    if (journal.fault === undefined && gives) announcer.announce()
    book.prune()
    meter.depths({
      queued: scheduler.queued(),
      leased: book.count('leased'),
      running: book.count('running'),
      workers: workers.size,
      gateways: gateways.size,
      oldestMs: this.status().oldestQueuedMs,
    })
    this.#parts.assigner.touch()
  }
}

/** Why nothing can be paid though this coordinator is its home. That its homes were handed over is no fault. */
function suspended(ledger: ReplicatedLedger | undefined): Refusal | undefined {
  const why = ledger?.logs.primary.desk.closed
  return why?.code === 'log-sealed' ? undefined : why
}
