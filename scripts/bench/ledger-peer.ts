import { join } from 'node:path'
import type { Audit } from '../../src/ports/audit.js'
import type { PeerAddress } from '../../src/ports/network.js'
import type { Store } from '../../src/ports/store.js'
import { createReplication } from '../../src/roles/replication/create-replication.js'
import type { OwnLog, Replication } from '../../src/roles/replication/replication.js'
import { systemClock } from '../../src/services/clock/system-clock.js'
import { systemRandom } from '../../src/services/clock/system-random.js'
import { createLibp2pNetwork, type Libp2pNetwork } from '../../src/services/network/libp2p-network.js'
import { openLevelStore } from '../../src/services/store/level-store.js'
import { protocolIds } from '../../src/wire/protocol-ids.js'
import { benchEvidence, IDENTITY, NETWORK } from './ledger-world.js'
import { QUIET_LOG, QUIET_METRICS } from './synthetic-peer.js'

const QUIET_AUDIT: Audit = { record: async () => {}, note: () => {} }

/** A coordinator over loopback that does nothing but replicate. */
export interface LedgerPeer {
  readonly network: Libp2pNetwork
  readonly store: Store
  readonly address: PeerAddress
}

export async function ledgerPeer(name: string): Promise<LedgerPeer> {
  const clock = systemClock()
  const network = await createLibp2pNetwork(
    { identity: IDENTITY, clock, log: QUIET_LOG, metrics: QUIET_METRICS, gate: () => true },
    {
      networkId: NETWORK,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      bootstrap: [],
      dht: 'client',
      topics: [protocolIds(NETWORK).ledgerHeads],
    },
  )
  await network.start()
  const store = await openLevelStore(join(process.env['BENCH_DIR'] ?? '', name))
  return { network, store, address: { peerId: network.peerId, addresses: network.addresses() } }
}

export function replicationOf(
  { network, store }: LedgerPeer,
  own: OwnLog | undefined,
  all: readonly PeerAddress[],
  quorum?: number,
): Replication {
  const clock = systemClock()
  const ports = { network, store, clock, log: QUIET_LOG, metrics: QUIET_METRICS, signer: IDENTITY.signer }
  return createReplication(
    { ...ports, audit: QUIET_AUDIT, random: systemRandom(clock), evidence: benchEvidence() },
    {
      networkId: NETWORK,
      prefix: 'ledger|r',
      own: own === undefined ? [] : [own],
      coordinators: () => all,
      logs: () => all.map(({ peerId }) => ({ home: peerId, epoch: 1, coordinator: peerId })),
      ...(quorum === undefined ? {} : { quorum: () => quorum }),
    },
  )
}
