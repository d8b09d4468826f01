import type { PolicyView } from '../../core/policy/policy-view.js'
import { createScheduler } from '../../core/scheduler/create-scheduler.js'
import { createWatch } from '../../core/task/watch.js'
import type { Audit } from '../../ports/audit.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { LogReach } from '../../ports/log-reach.js'
import type { Metrics } from '../../ports/metrics.js'
import type { Network } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import type { Signer } from '../../ports/signer.js'
import type { Store, Write } from '../../ports/store.js'
import { protocolIds } from '../../wire/protocol-ids.js'
import { chainGate } from '../policy/incident-policy.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import { createUnpaidAccounting } from './accounting.js'
import { Announcer } from './announcer.js'
import { createAssigner } from './assigner.js'
import { CheckPay } from './check-pay.js'
import { CheckedAccounting } from './checked-accounting.js'
import type { Checks } from './checks.js'
import { createChoosy } from './choosy.js'
import { type CoordinatorLimits, DEFAULT_LIMITS } from './constants.js'
import type { Coordinator } from './coordinator.js'
import { CoordinatorRole } from './coordinator-role.js'
import { createChecks } from './create-checks.js'
import { createCredits } from './credits.js'
import { Deliveries } from './deliveries.js'
import type { WorkerDeskComponents } from './desk-components.js'
import { DisputeDesk } from './dispute-desk.js'
import { Disputes } from './disputes.js'
import { Drains } from './drains.js'
import { LedgerEconomy } from './economy-views.js'
import { FeeDesk } from './fee-desk.js'
import { GatewayDesk } from './gateway-desk.js'
import { isolatedNetwork } from './isolated-network.js'
import { Isolations } from './isolations.js'
import { createJournal, type Journal } from './journal.js'
import { createLedgerOffice } from './ledger-office.js'
import { PaidAccounting } from './paid-accounting.js'
import { Pause } from './pause.js'
import { AssignmentQuality } from './quality.js'
import { Refunds } from './refunds.js'
import { ReplicatedLedger } from './replicated-ledger.js'
import { Resumption } from './resumption.js'
import { RolloutTally } from './rollout-tally.js'
import { Suspensions } from './suspensions.js'
import { TaskBook } from './task-book.js'
import { createTaskMeter } from './task-meter.js'
import { createTaskOutlets } from './task-outlets.js'
import { Verdicts } from './verdicts.js'
import { WorkerDesk } from './worker-desk.js'

export interface CoordinatorComponents {
  readonly network: Network
  readonly store: Store
  readonly audit: Audit
  readonly clock: Clock
  readonly random: Random
  readonly signer: Signer
  readonly log: Log
  readonly metrics: Metrics
  /** Asked anew each time: it may change while the node runs. */
  readonly policy: () => PolicyView
  /** Calls when that has changed; left out = it is looked once a second. */
  readonly onPolicy?: (listener: () => void) => () => void
  /** The signed policy, of a network in which tasks are paid. */
  readonly chain?: PolicyChain
  /** Set when the store is a copy of the one that it was; to be written once that was dealt with. */
  readonly copied?: Write | undefined
  /** How far its logs were durable; left out = nobody knows, and nobody is told. */
  readonly reach?: LogReach
  /** Whom its owner has isolated; left out = this coordinator reads it from its store by itself. */
  readonly isolations?: Isolations | undefined
  /** Answers workers that policy does not admit; of a network that has a signed policy. */
  readonly enrollment?: WorkerDeskComponents['enrollment']
  /** Where another coordinator was last reached; left out = the network has to find it. */
  readonly addressesOf?: (peerId: string) => readonly string[]
}

export interface CoordinatorInit extends Partial<CoordinatorLimits> {
  readonly networkId: string
}

const NO_REACH: LogReach = { known: new Map(), note() {}, async settle() {} }

/** A coordinator over its ports; it serves nobody before {@link Coordinator.start}. */
export function createCoordinator(components: CoordinatorComponents, init: CoordinatorInit): Coordinator {
  const isolations = components.isolations ?? new Isolations(components)
  const network = isolatedNetwork(components.network, isolations)
  const policy = () => isolations.over(components.policy())
  return assemble({ ...components, network, policy, isolations }, init)
}

function assemble(
  components: CoordinatorComponents & { readonly isolations: Isolations },
  init: CoordinatorInit,
): Coordinator {
  const { networkId, ...given } = init
  const limits: CoordinatorLimits = { ...DEFAULT_LIMITS, ...given }
  const { network, store, clock, signer, log, metrics, policy, audit, isolations } = components
  const scheduler = createScheduler({ limits: limits.queue, choosy: (header) => choosy(header) })
  const watch = createWatch(limits.liveness, limits.storm)
  const journal = createJournal({ store, clock, log, metrics })
  const { chain, copied, addressesOf = () => [], reach = NO_REACH } = components
  const ledger =
    chain &&
    new ReplicatedLedger(
      { ...components, journal, chain, addressesOf, copied, reach },
      { networkId, sliceIdleMs: limits.sliceIdleMs },
    )
  const paid = ledger && new PaidAccounting(ledger.logs)
  const pay = ledger && createPay(ledger, { clock, log, signer })
  const mostMs = (id: string): number | undefined => checks?.mostMs(id)
  const accounting =
    paid && pay
      ? new CheckedAccounting({ paid, mostMs, pay, journal, clock })
      : createUnpaidAccounting({ journal, clock, metrics })
  const meter = createTaskMeter({ clock, metrics })
  const quality = new AssignmentQuality(clock)
  const ids = protocolIds(networkId)
  const touch = (): void => assigner.touch()
  const after = () => ({ workers, gateways, checks, resumption, rollouts })
  const outlets = createTaskOutlets({ meter, quality, after, touch })
  const book = new TaskBook({ store, clock, scheduler, journal, accounting, outlets }, limits)
  const resumption = new Resumption({ store, clock, log, audit, metrics, touch })
  const pause = new Pause({ store, clock, log, metrics, touch, held: () => resumption.why })
  const shared = { network, clock, log, audit, journal, accounting, scheduler, book, policy, pause, touch }
  const gatewayAddresses = (gateway: string): readonly string[] => gateways.addresses(gateway)
  const { drains, suspensions } = createBars(components, networkId, book, {
    cut: (worker, why) => workers.cut(worker, why),
    recheck: () => workers.recheck(),
  })
  const accountOf = (worker: string): string | undefined => chain?.state.get('node', worker)?.account
  const asks = { workers: () => workers, gateways: () => gateways, touch, accountOf, suspensions, resumption }
  const rulings = ledger && createRulings(ledger, { store, clock, log, journal, touch }, networkId)
  const checks: Checks | undefined =
    pay && rulings && createChecks({ ...components, ...asks, ...rulings, journal, scheduler, book, pay })
  const disputed = rulings && checks && { ...rulings, checks, book, ownerOf: accountOf }
  const { enrollment } = components
  const sandboxOf = (worker: string): string | undefined => workers.known(worker)?.capabilities.sandbox
  const deliveries = new Deliveries({ network, log, book, accounting, checks, sandboxOf })
  const choosy = createChoosy({ book, checks: () => checks, ownerOf: accountOf })
  const workers: WorkerDesk = new WorkerDesk(
    { ...shared, deliveries, checks, watch, drains, suspensions, accountOf, gatewayAddresses, enrollment },
    limits,
  )
  const rollouts = new RolloutTally({ log, metrics, policy, desk: () => workers })
  const agentId = (worker: string): string => workers.agentId(worker)
  const unfinished = (account: string): Iterable<string> => book.unfinished(account)
  const disputedUntilMs = (task: string): number | undefined => rulings?.disputes.untilMs(task)
  const { wallets, talk, transfers, allotments } = createCredits(
    { ...components, ledger, unfinished, disputedUntilMs, journal, touch },
    { networkId },
  )
  const ofWorkers = { deliveries, checks, agentId, workers: () => workers.sessions() }
  const disputeDesk = new DisputeDesk({ network, clock, journal, touch, checking: disputed }, networkId)
  const credits = { wallets: talk, transfers, allotments, disputes: disputeDesk }
  const gateways = new GatewayDesk({ ...shared, ...ofWorkers, ...credits }, limits)
  const slotBack = (worker: string): void => workers.slotBack(worker)
  const assigner = createAssigner({ scheduler, book, journal, pause, resumption, slotBack }, limits)
  const announcing = { network, store, clock, signer, log, policy, scheduler }
  const announcer = new Announcer(announcing, ids.announcements)
  const office =
    ledger &&
    paid &&
    createLedgerOffice({ ...shared, ledger, accounting: paid, store, signer }, { networkId })
  const economy = ledger && createEconomy(ledger, { journal, clock, signer })
  const ends = { workers, gateways, wallets, assigner, announcer }
  const counts = { quality, checks, rollouts }
  const held = { pause, resumption, drains, isolations, suspensions, ...counts, ...ends }
  const parts = { scheduler, watch, journal, ledger, office, economy, book, meter, ...held }
  const { onPolicy = () => () => {} } = components
  return new CoordinatorRole({ network, clock, log, policy, onPolicy }, parts, ids)
}

/** What keeps single workers from being served here. */
function createBars(
  components: CoordinatorComponents,
  networkId: string,
  book: TaskBook,
  { cut, recheck: changed }: { readonly cut: WorkerDesk['cut']; readonly recheck: () => void },
): { readonly drains: Drains; readonly suspensions: Suspensions } {
  const leases = (worker: string): number => book.leases(worker).length
  const drains = new Drains({ ...components, leases, cut, changed })
  return { drains, suspensions: new Suspensions({ ...components, changed }, networkId) }
}

/** What follows from results that others refuted, or that users dispute. */
function createRulings(
  ledger: ReplicatedLedger,
  ports: ConstructorParameters<typeof Disputes>[0] & { readonly touch: () => void },
  networkId: string,
) {
  const { logs } = ledger
  const disputes = new Disputes(ports)
  const refunds = new Refunds({ ...ports, logs, disputes }, networkId)
  const verdicts = new Verdicts({ ...ports, logs, entered: (task) => refunds.enter(task) }, networkId)
  return { logs, library: () => ledger.library, disputes, refunds, verdicts }
}

function createPay(
  { logs, chain }: ReplicatedLedger,
  { signer, ...ports }: Pick<CoordinatorComponents, 'clock' | 'log' | 'signer'>,
): CheckPay {
  return new CheckPay({ logs, coordinator: signer.peerId, gate: chainGate(chain), ...ports })
}

function createEconomy(
  { logs, chain, library }: ReplicatedLedger,
  { journal, clock, signer }: { readonly journal: Journal } & Pick<CoordinatorComponents, 'clock' | 'signer'>,
): LedgerEconomy {
  const fees = new FeeDesk({ logs, library: () => library, journal, clock, signer, gate: chainGate(chain) })
  return new LedgerEconomy({ logs, chain, library: () => library, fees })
}
