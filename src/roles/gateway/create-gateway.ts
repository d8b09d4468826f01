import { admits, type PolicyView } from '../../core/policy/policy-view.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Metrics } from '../../ports/metrics.js'
import type { Network, PeerAddress } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import type { Signer } from '../../ports/signer.js'
import type { Store } from '../../ports/store.js'
import { protocolIds } from '../../wire/protocol-ids.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import { AccountHomes } from './account-homes.js'
import { CheckOrders } from './check-orders.js'
import { CoordinatorAttachment } from './coordinator-attachment.js'
import { type CancelWord, CoordinatorLink, type CoordinatorSpeech } from './coordinator-link.js'
import { CoordinatorLinks } from './coordinator-links.js'
import { CoordinatorRoutes } from './coordinator-routes.js'
import { CoordinatorSide } from './coordinator-side.js'
import { DataDesk } from './data-desk.js'
import { DeliveredTasks } from './delivered-tasks.js'
import { DisputeDesk } from './dispute-desk.js'
import { Errands } from './errands.js'
import type { Gateway } from './gateway.js'
import { GATEWAY_LIMITS, type GatewayLimits } from './gateway-limits.js'
import { createGatewayMetrics, type GatewayMetrics } from './gateway-metrics.js'
import { type GatewayLife, GatewayRole } from './gateway-role.js'
import { LinkKeeper } from './link-keeper.js'
import { MeshView } from './mesh-view.js'
import { SliceOrders } from './slice-orders.js'
import { SubmitBatcher } from './submit-batcher.js'
import { SubmitDesk } from './submit-desk.js'
import { TaskArchive } from './task-archive.js'
import { TaskBook } from './task-book.js'
import { TaskReader } from './task-reader.js'
import { deliveredWord, splitWireId } from './task-record.js'
import { WalletDesk } from './wallet-desk.js'
import { WatchedStore } from './watched-store.js'

export interface GatewayComponents {
  readonly network: Network
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly signer: Signer
  readonly log: Log
  readonly metrics: Metrics
  /** Who is admitted, as known now. */
  readonly policy: () => PolicyView
  /** The signed policy, of a network in which tasks are paid. */
  readonly chain?: PolicyChain
}

export interface GatewayInit {
  readonly networkId: string
  /** Known coordinators; more are found in the DHT. */
  readonly coordinators: readonly PeerAddress[]
  /** Those absent get their value from GATEWAY_LIMITS. */
  readonly limits?: Partial<GatewayLimits>
  readonly version: string
  /** Coordinators found that were not known, so that the node can remember them. */
  readonly onCoordinators?: (addresses: readonly PeerAddress[]) => void
}

/** A gateway over these ports; it does nothing until started. */
export function createGateway(components: GatewayComponents, init: GatewayInit): Gateway {
  const { network, clock, random, signer, policy } = components
  const store = new WatchedStore(components.store)
  const log = components.log.child({ role: 'gateway' })
  const metrics = createGatewayMetrics(components.metrics)
  const limits: GatewayLimits = { ...GATEWAY_LIMITS, ...init.limits }
  const { networkId } = init
  const life: GatewayLife = { started: false, stopping: false }
  const archive = new TaskArchive(store)
  const book = new TaskBook({ archive, clock, log, metrics, limits })
  const inner = { ...components, store, log, gatewayMetrics: metrics, limits, archive, book, life }
  const facing = coordinatorParts(inner, init)
  const { attachment, links, routes, side, errands, delivered, batcher, mesh, homes, slices } = facing
  const desk = new DataDesk(
    {
      network,
      archive,
      book,
      delivered,
      clock,
      log,
      metrics,
      signer,
      random,
      order: (task) => batcher.enqueue(task),
      admits: (peerId) => admits(policy(), { peerId, role: 'worker' }) === undefined,
      inSync: (coordinator) => side.inSync(coordinator),
    },
    { networkId, protocol: protocolIds(networkId).data, limits },
  )
  const submits = new SubmitDesk(
    {
      archive,
      book,
      batcher,
      routes,
      clock,
      random,
      metrics,
      bar: (account) => policy().blacklist?.account(account),
      gateway: signer.peerId,
      stopping: () => life.stopping,
      used: (header) => {
        homes.used(header)
        slices?.used()
      },
    },
    limits,
  )
  const reader = new TaskReader(archive, book)
  const linkFor = async (account: string, waitMs: number) =>
    (await routes.attached(account, waitMs)) ?? attachment.link
  const wallets = new WalletDesk({ linkFor, signer, clock }, { networkId, waitMs: limits.submitWaitMs })
  const disputes = new DisputeDesk({ archive, linkOf: (peer) => links.get(peer), signer, clock }, networkId)
  return new GatewayRole(
    {
      clock,
      log,
      metrics,
      store,
      archive,
      book,
      errands,
      attachment,
      links,
      routes,
      side,
      desk,
      submits,
      reader,
      mesh,
      wallets,
      disputes,
      life,
      ...(slices === undefined ? {} : { slices }),
    },
    limits,
  )
}

interface Inner extends GatewayComponents {
  readonly gatewayMetrics: GatewayMetrics
  readonly limits: GatewayLimits
  readonly archive: TaskArchive
  readonly book: TaskBook
  readonly life: GatewayLife
}

/** All that faces coordinators. */
function coordinatorParts(inner: Inner, init: GatewayInit) {
  const { network, store, clock, random, signer, log, limits, archive, book, gatewayMetrics: metrics } = inner
  const { networkId } = init
  const ids = protocolIds(networkId)
  const mesh = new MeshView()
  const admitsCoordinator = (peerId: string): boolean =>
    admits(inner.policy(), { peerId, role: 'coordinator' }) === undefined
  const { chain } = inner
  const homes = new AccountHomes({ chain, clock, admits: admitsCoordinator })
  const links: CoordinatorLinks = new CoordinatorLinks(
    { clock, log, admits: admitsCoordinator, attach: attacher(inner, init, admitsCoordinator) },
    {
      attached: (link) => {
        routes.opened()
        side.attached(link)
      },
      lost: (link) => side.lost(link),
      state: (link, state) => side.state(link, state),
      capacity: (link, capacity) => mesh.told(link.peerId, capacity),
      check: (link, ask) => checks.asked(link, ask),
    },
  )
  const attachment: CoordinatorAttachment = new CoordinatorAttachment(
    { network, clock, random, log, admits: admitsCoordinator, links },
    { known: init.coordinators, rendezvous: ids.coordinatorRendezvous, graceMs: limits.coordinatorGraceMs },
    {
      attached: (link) => {
        routes.opened()
        side.reroute()
        side.remember(link).catch((cause: unknown) => {
          log.warn('coordinator-not-remembered', { coordinator: link.peerId, reason: String(cause) })
        })
      },
      found: (addresses) => init.onCoordinators?.(addresses),
    },
  )
  const addressOf = (peerId: string): PeerAddress => attachment.addressOf(peerId)
  const linkOf = (peerId: string) => links.get(peerId)
  const keeper = new LinkKeeper({ links, clock, random, addressOf })
  const routes: CoordinatorRoutes = new CoordinatorRoutes(
    { clock, homes, links, keeper, main: () => attachment.link, unfinished: () => book.tasks() },
    { graceMs: limits.coordinatorGraceMs },
  )
  const visit = async (peerId: string, signal: AbortSignal): Promise<void> => {
    const held = await links.hold(addressOf(peerId), signal)
    if (held === undefined) return
    await side.settled(held.link)
    await held.release()
  }
  const deliveredOf = async (taskId: string): Promise<CancelWord | undefined> => {
    const name = splitWireId(taskId)
    const record = name && (await archive.record(name.account, name.id))
    return record && deliveredWord(record)
  }
  const errands = new Errands(
    { store, clock, log, delivered: deliveredOf, linkOf, visit },
    { maxAgeMs: limits.errandAgeMs },
  )
  const delivered = new DeliveredTasks({ clock, errands, linkOf })
  const batcher = new SubmitBatcher(
    { archive, book, errands, clock, log, metrics, signer, routes },
    { networkId },
  )
  const checks = new CheckOrders({ archive, book, batcher, clock, log, stopping: () => inner.life.stopping })
  const side: CoordinatorSide = new CoordinatorSide({
    store,
    archive,
    book,
    batcher,
    errands,
    delivered,
    mesh,
    log,
    routes,
    addressOf,
  })
  routes.onLook(() => side.reroute())
  routes.onLook(() => delivered.look())
  const slices = chain && new SliceOrders({ homes, chain, clock, random, signer, log, linkOf }, networkId)
  return { attachment, links, routes, side, errands, delivered, batcher, mesh, homes, slices }
}

function attacher(
  inner: Inner,
  { networkId, version }: GatewayInit,
  admitsPeer: (peerId: string) => boolean,
) {
  const { network, clock, limits } = inner
  const { attachTimeoutMs, askTimeoutMs } = limits
  const links = { network, clock, admits: admitsPeer }
  const terms = { protocol: protocolIds(networkId).gateway, version, attachTimeoutMs, askTimeoutMs }
  return (peer: PeerAddress, speech: CoordinatorSpeech, signal: AbortSignal) =>
    CoordinatorLink.attach(links, terms, peer, speech, signal)
}
