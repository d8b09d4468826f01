import type { Log } from '../../../src/ports/log.js'
import { openLogWriter } from '../../../src/roles/ledger/log-writer.js'
import { createReplication } from '../../../src/roles/replication/create-replication.js'
import type { Replication } from '../../../src/roles/replication/replication.js'
import { createSeededRandom } from '../../../src/services/clock/seeded-random.js'
import { systemClock } from '../../../src/services/clock/system-clock.js'
import { createIdentity, type Identity } from '../../../src/services/identity/identity.js'
import { createLibp2pNetwork, type Libp2pNetwork } from '../../../src/services/network/libp2p-network.js'
import { createMemoryDisk } from '../../../src/services/store/memory-store.js'
import { logOrigin } from '../../../src/wire/checkpoint.js'
import { protocolIds } from '../../../src/wire/protocol-ids.js'
import { noMetrics } from '../../contract/network/adapters.js'
import { memoryAudit } from '../../helpers/memory-audit.js'
import { fillLog } from '../../helpers/replicating.js'
import { LEDGER_NETWORK, simEvidence } from '../../simulation/ledger/entries.js'

/** A coordinator over libp2p on loopback, with a log of its own. */
export interface Coordinator {
  readonly peerId: string
  readonly origin: string
  readonly replication: Replication
  stop(): Promise<void>
}

/**
 * Coordinators that know each other, none of them started.
 *
 * @param entries in the own log of each
 * @param event is told the name of all that is logged, at any level
 */
export async function coordinators(
  count: number,
  entries: number,
  event: (name: string) => void,
): Promise<readonly Coordinator[]> {
  const log: Log = { debug: event, info: event, warn: event, error: event, child: () => log }
  const peers = await Promise.all(
    Array.from({ length: count }, async () => {
      const identity = createIdentity()
      return { identity, network: await networkOf(identity, log) }
    }),
  )
  const all = peers.map(({ network }) => ({ peerId: network.peerId, addresses: network.addresses() }))
  return Promise.all(
    peers.map(async ({ identity: { signer }, network }, at) => {
      const { peerId } = signer
      const origin = logOrigin(LEDGER_NETWORK, peerId, 1)
      const store = createMemoryDisk().open()
      const clock = systemClock()
      const base = { store, clock, signer, metrics: noMetrics }
      const own = await openLogWriter(base, { origin, prefix: 'own' })
      await fillLog(peerId, own, store, entries)
      const replication = createReplication(
        {
          ...base,
          audit: memoryAudit(),
          network,
          log,
          random: createSeededRandom(at),
          evidence: simEvidence(),
        },
        {
          networkId: LEDGER_NETWORK,
          prefix: 'others',
          own: [own],
          coordinators: () => all,
          logs: () => all.map((each) => ({ home: each.peerId, epoch: 1, coordinator: each.peerId })),
        },
      )
      const stop = async (): Promise<void> => {
        await replication.stop(new AbortController().signal)
        await network.stop()
      }
      return { peerId, origin, replication, stop }
    }),
  )
}

async function networkOf(identity: Identity, log: Log): Promise<Libp2pNetwork> {
  const network = await createLibp2pNetwork(
    { identity, clock: systemClock(), log, metrics: noMetrics, gate: () => true },
    {
      networkId: LEDGER_NETWORK,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      bootstrap: [],
      dht: 'client',
      topics: [protocolIds(LEDGER_NETWORK).ledgerHeads],
    },
  )
  await network.start()
  return network
}
