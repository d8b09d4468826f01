import { EdgeCoderError } from '../../core/errors.js'
import type { HistoryView, WalletView } from '../../core/ledger/wallet-view.js'
import type { PolicyView } from '../../core/policy/policy-view.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import { createScheduler } from '../../core/scheduler/create-scheduler.js'
import type { Scheduler } from '../../core/scheduler/scheduler.js'
import { createWatch, type Watch } from '../../core/task/watch.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Metrics } from '../../ports/metrics.js'
import type { Network } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import type { Signer } from '../../ports/signer.js'
import type { Store, Write } from '../../ports/store.js'
import { CONTROL_FRAME_BYTES, STREAMS_PER_PEER } from '../../wire/limits.js'
import { type ProtocolIds, protocolIds } from '../../wire/protocol-ids.js'
import { chainGateways } from '../ledger/chain-evidence.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import { createUnpaidAccounting } from './accounting.js'
import { AllotmentDesk } from './allotment-desk.js'
import { Announcer } from './announcer.js'
import { type Assigner, createAssigner } from './assigner.js'
import {
  type CoordinatorLimits,
  DEFAULT_LIMITS,
  GATEWAY_FRAMES_PER_SECOND,
  HISTORY_ROWS,
  MOST_HISTORY_ROWS,
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
import { createCredits } from './credits.js'
import type { WorkerDeskComponents } from './desk-components.js'
import type { Economy } from './economy.js'
import { EconomyDesk } from './economy-desk.js'
import { LedgerEconomy } from './economy-views.js'
import { GatewayDesk } from './gateway-desk.js'
import { createJournal, type Journal } from './journal.js'
import { LedgerAccounting } from './ledger-accounting.js'
import { createLedgerOffice, type LedgerOffice } from './ledger-office.js'
import { ledgerStatusOf } from './ledger-views.js'
import { ReplicatedLedger } from './replicated-ledger.js'
import { TaskBook, type TaskOutlets } from './task-book.js'
import { createTaskMeter, type TaskMeter } from './task-meter.js'
import { explainOf, queueOf, statusOf, workersOf } from './views.js'
import type { WalletDesk } from './wallet-desk.js'
import { WorkerDesk } from './worker-desk.js'

export interface CoordinatorComponents {
  readonly network: Network
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly signer: Signer
  readonly log: Log
  readonly metrics: Metrics
  /** Asked anew each time: it may change while the node runs. */
  readonly policy: () => PolicyView
  /** The signed policy, of a network in which tasks are paid. */
  readonly chain?: PolicyChain
  /** Set when the store is a copy of the one that it was; to be written once that was dealt with. */
  readonly copied?: Write | undefined
  /** Answers workers that policy does not admit; of a network that has a signed policy. */
  readonly enrollment?: WorkerDeskComponents['enrollment']
  /** Where another coordinator was last reached; left out = the network has to find it. */
  readonly addressesOf?: (peerId: string) => readonly string[]
}

export interface CoordinatorInit extends Partial<CoordinatorLimits> {
  readonly networkId: string
}

/** A coordinator over its ports; it serves nobody before {@link Coordinator.start}. */
export function createCoordinator(components: CoordinatorComponents, init: CoordinatorInit): Coordinator {
  const { networkId, ...given } = init
  const limits: CoordinatorLimits = { ...DEFAULT_LIMITS, ...given }
  const { network, store, clock, signer, log, metrics, policy } = components
  const scheduler = createScheduler({ limits: limits.queue })
  const watch = createWatch(limits.liveness, limits.storm)
  const journal = createJournal({ store, clock, log, metrics })
  const ledger = ledgerOf(components, journal, networkId)
  const paid = ledger && accountingOf(components, ledger)
  const accounting = paid ?? createUnpaidAccounting({ journal, clock, metrics })
  const meter = createTaskMeter({ clock, metrics })
  const ids = protocolIds(networkId)
  const touch = (): void => assigner.touch()
  const outlets: TaskOutlets = {
    tell: (...tell: Parameters<GatewayDesk['tell']>) => gateways.tell(...tell),
    grant: (...grant: Parameters<WorkerDesk['grant']>) => {
      meter.granted(grant[0].task)
      workers.grant(...grant)
    },
    revoke: (...revoke: Parameters<WorkerDesk['revoke']>) => workers.revoke(...revoke),
    leased: (worker: string, taskId: string) => workers.leased(worker, taskId),
    released: (worker: string, taskId: string) => workers.released(worker, taskId),
    recorded: (worker: string, outcome: 'success' | 'failure' | 'lost') => {
      meter.recorded(outcome)
      workers.recorded(worker, outcome)
    },
    storming: (): boolean => workers.storming(),
  }
  const book = new TaskBook({ store, clock, scheduler, journal, accounting, outlets }, limits)
  const shared = { network, clock, log, journal, accounting, scheduler, book, policy, touch }
  const gatewayAddresses = (gateway: string): readonly string[] => gateways.addresses(gateway)
  const { enrollment } = components
  const workers = new WorkerDesk({ ...shared, watch, gatewayAddresses, enrollment }, limits)
  const agentId = (worker: string): string => workers.agentId(worker)
  const unfinished = (account: string): Iterable<string> => book.unfinished(account)
  const { wallets, talk, transfers } = createCredits(
    { ...components, ledger, unfinished, journal, touch },
    { networkId },
  )
  const sessions = () => workers.sessions()
  const allotments = new AllotmentDesk(
    {
      ledger: ledger && { desk: ledger.desk, library: ledger.library, chain: ledger.chain },
      network,
      clock,
      journal,
    },
    networkId,
  )
  const gateways = new GatewayDesk(
    { ...shared, agentId, workers: sessions, wallets: talk, transfers, allotments },
    limits,
  )
  const slotBack = (worker: string): void => workers.slotBack(worker)
  const assigner = createAssigner({ scheduler, book, journal, slotBack }, limits)
  const announcer = new Announcer(
    { network, store, clock, signer, log, policy, scheduler },
    ids.announcements,
  )
  const office =
    ledger &&
    paid &&
    createLedgerOffice({ ...shared, ledger, accounting: paid, store, signer }, { networkId })
  const ends = { workers, gateways, wallets, assigner, announcer }
  const economy = economyOf(components, ledger)
  const parts = { scheduler, watch, journal, ledger, office, economy, book, meter, ...ends }
  return new CoordinatorRole({ network, clock, log }, parts, ids)
}

/** Its own log, in a network that has a signed policy. */
function ledgerOf(
  components: CoordinatorComponents,
  journal: Journal,
  networkId: string,
): ReplicatedLedger | undefined {
  const { chain, copied, addressesOf = () => [] } = components
  if (chain === undefined) return undefined
  return new ReplicatedLedger({ ...components, journal, chain, addressesOf, copied }, { networkId })
}

function accountingOf(
  { clock, log, metrics }: CoordinatorComponents,
  { desk, chain }: ReplicatedLedger,
): LedgerAccounting {
  return new LedgerAccounting({ ledger: desk, isGateway: chainGateways(chain), clock, log, metrics })
}

interface EconomyParts {
  readonly desk: EconomyDesk
  readonly views: Economy
}

/** Closes windows and issues credits by its log. */
function economyOf(
  { clock, log, metrics, chain }: CoordinatorComponents,
  ledger: ReplicatedLedger | undefined,
): EconomyParts | undefined {
  if (chain === undefined || ledger === undefined) return undefined
  const library = () => ledger.library
  const desk = new EconomyDesk({ ledger: ledger.desk, chain, library, clock, log, metrics })
  return { desk, views: new LedgerEconomy({ ledger: ledger.desk, desk, chain, library }) }
}

interface Parts {
  readonly economy: EconomyParts | undefined
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
}

class CoordinatorRole implements Coordinator {
  readonly #ports: Pick<CoordinatorComponents, 'network' | 'clock' | 'log'>
  readonly #parts: Parts
  readonly #ids: ProtocolIds
  #timers: readonly Timer[] = []
  #serving: readonly (() => void)[] = []
  readonly #stopping = new AbortController()
  /** Its restored log waits for the other coordinators; nobody is served before they have confirmed it. */
  #confirming: { readonly why: Refusal; readonly done: Promise<void> } | undefined
  #state: 'new' | 'serving' | 'stopped' = 'new'

  constructor(
    ports: Pick<CoordinatorComponents, 'network' | 'clock' | 'log'>,
    parts: Parts,
    ids: ProtocolIds,
  ) {
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
    const { network, clock, log } = this.#ports
    const { ledger, book, workers, gateways, assigner, announcer } = this.#parts
    try {
      await ledger?.open(this.#stopping.signal, waits)
      await book.start(() => assigner.touch())
      await announcer.start()
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
    ]
    this.#timers = [clock.every(SWEEP_MS, () => this.#sweep()), clock.every(ROUND_MS, () => this.#round())]
    network.provide(this.#ids.coordinatorRendezvous)
    this.#state = 'serving'
    this.#confirming = undefined
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
    await ledger?.arrivals.stop()
    await journal.close()
    await Promise.all([workers.close(), gateways.close(), ledger?.stop(this.#stopping.signal)])
    this.#ports.log.info('coordinator-stopped')
  }

  status(): CoordinatorStatus {
    return statusOf(
      this.#parts,
      this.#ports.clock,
      this.#state === 'serving' ? this.#parts.ledger?.desk.closed : this.#idle,
    )
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
    return this.#confirming === undefined && this.#parts.ledger?.desk.isOpen === true
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
    return ledger.desk.view.get('log', '') === undefined ? undefined : economy?.views
  }

  #sweep(): void {
    const { workers, gateways, assigner } = this.#parts
    workers.sweep()
    gateways.sweep()
    assigner.touch()
  }

  #round(): void {
    const { book, journal, ledger, economy, workers, gateways } = this.#parts
    const { announcer, meter, assigner, scheduler } = this.#parts
    ledger?.desk.follow()
    if (ledger?.desk.closed === undefined) {
      economy?.desk.round()
      ledger?.arrivals.wake()
      ledger?.slices.look()
    }
    workers.recheck()
    gateways.recheck()
    gateways.publishCapacity()
    if (journal.fault === undefined) announcer.announce()
    book.prune()
    meter.depths({
      queued: scheduler.queued(),
      leased: book.count('leased'),
      running: book.count('running'),
      workers: workers.size,
      gateways: gateways.size,
    })
    assigner.touch()
  }
}
