import { join } from 'node:path'
import type { Clock } from '../ports/clock.js'
import type { Log } from '../ports/log.js'
import type { LogReach } from '../ports/log-reach.js'
import type { Machine } from '../ports/machine.js'
import type { Network } from '../ports/network.js'
import type { Random } from '../ports/random.js'
import type { Signer } from '../ports/signer.js'
import type { Store, Write } from '../ports/store.js'
import { type AuditLog, openAuditLog } from '../services/audit/audit-log.js'
import { systemClock } from '../services/clock/system-clock.js'
import { systemRandom } from '../services/clock/system-random.js'
import { type Identity, loadIdentity } from '../services/identity/identity.js'
import { createMachine } from '../services/machine/create-machine.js'
import { createLibp2pNetwork, type Libp2pNetwork } from '../services/network/libp2p-network.js'
import { shareNetwork } from '../services/network/shared-network.js'
import { createLog } from '../services/observe/log.js'
import { createMetrics, type ProcessMetrics } from '../services/observe/metrics.js'
import { openLevelStore } from '../services/store/level-store.js'
import { openLogReach } from '../services/store/log-reach-file.js'
import { protocolIds } from '../wire/protocol-ids.js'
import { type Capabilities, findCapabilities } from './capabilities.js'
import { claimStore, copiedStore } from './data-folder.js'
import type { Guests } from './guests.js'
import { type KnownCoordinators, openKnownCoordinators } from './known-coordinators.js'
import type { Mode } from './mode.js'
import type { NetworkFile } from './network-file.js'
import type { Config } from './settings.js'

const NO_CAPABILITIES: Capabilities = { models: [] }

/** Every port made real, for one process. */
export interface Services {
  readonly log: Log
  readonly metrics: ProcessMetrics
  readonly clock: Clock
  readonly random: Random
  readonly signer: Signer
  readonly store: Store
  readonly audit: AuditLog
  /** How far the logs of a coordinator are durable. */
  readonly reach: LogReach
  /** Set when the store is a copy of the one that it was; to be written once that was dealt with. */
  readonly copied: Write | undefined
  readonly libp2p: Libp2pNetwork
  /** As the roles see it: shared between them. */
  readonly network: Network
  readonly known: KnownCoordinators
  readonly capabilities: Capabilities
  readonly machine: Machine
  /** Frees what was opened; the network is stopped by whoever started it. */
  close(): Promise<void>
}

/** @throws EdgeCoderError `bad-config`, `store-locked`, `store-corrupt`, `store-failed` */
export async function openServices(
  config: Config,
  network: NetworkFile,
  mode: Mode,
  listen: readonly string[],
  { gate, guests, bars }: Pick<NetworkParts, 'gate' | 'guests' | 'bars'>,
): Promise<Services> {
  const log = createLog({ level: config.logLevel, format: config.logFormat })
  const metrics = createMetrics()
  const clock = systemClock()
  const identity = await loadIdentity(identityFileOf(config.dataDir))
  const bootstrap = [...network.bootstrap, ...config.bootstrap]
  const storePath = join(config.dataDir, 'store')
  const store = await openLevelStore(storePath)
  let audit: AuditLog | undefined
  try {
    await claimStore(store, config.dataDir, identity.signer.peerId)
    const copied = await copiedStore(store, storePath)
    const reach = await openLogReach({ clock, log }, reachFileOf(config.dataDir))
    const folder = auditFolderOf(config.dataDir)
    const opened = await openAuditLog(
      { clock, log, metrics, signer: identity.signer, store },
      { folder, networkId: network.id },
    )
    audit = opened
    const admits = (peerId: string): boolean => {
      const admitted = gate(peerId)
      // A guest is no refusal: it is asked for again and again while it is here.
      if (!admitted && guests?.admits(peerId) !== true)
        opened.note({ kind: 'admission-refused', by: 'node', of: peerId, outcome: 'refused' })
      return admitted
    }
    const machine = createMachine()
    // Before the engine counts the cores that it may have.
    if (mode.worker) await machine.confine(Number(config.cpuPercent))
    const [known, capabilities, libp2p] = await Promise.all([
      openKnownCoordinators(store, bootstrap),
      mode.worker ? findCapabilities({ clock, log }, config, mode.sandbox) : NO_CAPABILITIES,
      createLibp2p(config, network, mode, {
        identity,
        clock,
        log,
        metrics,
        listen,
        bootstrap,
        gate: admits,
        guests,
        bars,
      }),
    ])
    return {
      log,
      metrics,
      clock,
      random: systemRandom(clock),
      signer: identity.signer,
      store,
      audit: opened,
      reach,
      copied,
      libp2p,
      network: shareNetwork(libp2p, clock),
      known,
      capabilities,
      machine,
      close: async () => {
        await Promise.allSettled([capabilities.engine?.close(), capabilities.sandbox?.close()])
        await opened.close()
        await reach.close()
        await store.close()
      },
    }
  } catch (error) {
    await audit?.close()
    await store.close()
    throw error
  }
}

/** Where a node's key lies in its data folder. */
export function identityFileOf(dataDir: string): string {
  return join(dataDir, 'identity.key')
}

/** Where it is said how far the logs of a coordinator are durable: not in the store, which it is about. */
export function reachFileOf(dataDir: string): string {
  return join(dataDir, 'log-reach.json')
}

/** Where a node's audit log lies in its data folder. */
export function auditFolderOf(dataDir: string): string {
  return join(dataDir, 'audit')
}

interface NetworkParts {
  readonly identity: Identity
  readonly clock: Clock
  readonly log: Log
  readonly metrics: ProcessMetrics
  readonly listen: readonly string[]
  readonly bootstrap: readonly string[]
  readonly gate: (peerId: string) => boolean
  readonly guests: Guests
  readonly bars: (peerId: string) => boolean
}

/** Coordinators alone tell each other how far their logs go. */
function topicsOf(networkId: string, mode: Mode): readonly string[] {
  const { announcements, policyMessages, ledgerHeads } = protocolIds(networkId)
  const all = [announcements, policyMessages]
  return mode.coordinator ? [...all, ledgerHeads] : all
}

function createLibp2p(
  config: Config,
  network: NetworkFile,
  mode: Mode,
  { identity, clock, log, metrics, listen, bootstrap, gate, guests, bars }: NetworkParts,
): Promise<Libp2pNetwork> {
  const serves = mode.coordinator || mode.gateway
  return createLibp2pNetwork(
    {
      identity,
      clock,
      log: log.child({ part: 'network' }),
      metrics,
      gate,
      guests,
      bars,
    },
    {
      networkId: network.id,
      listen,
      ...(config.announce.length === 0 ? {} : { announce: config.announce }),
      bootstrap,
      dht: serves ? 'server' : 'client',
      relay: serves,
      mdns: config.mdns,
      topics: topicsOf(network.id, mode),
      dataDir: join(config.dataDir, 'peers'),
    },
  )
}
