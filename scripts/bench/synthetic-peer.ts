import type { Log } from '../../src/ports/log.js'
import type { Metrics } from '../../src/ports/metrics.js'
import type { Signer } from '../../src/ports/signer.js'
import { systemClock } from '../../src/services/clock/system-clock.js'
import { createIdentity, type Identity } from '../../src/services/identity/identity.js'
import { createLibp2pNetwork, type Libp2pNetwork } from '../../src/services/network/libp2p-network.js'
import { protocolIds } from '../../src/wire/protocol-ids.js'

export const QUIET_LOG: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => QUIET_LOG }
export const QUIET_METRICS: Metrics = {
  counter: () => ({ add() {} }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ observe() {} }),
}

/** A peer in the process of the bench: a real identity, and a whole libp2p node of its own when it has joined. */
export interface SyntheticPeer {
  readonly signer: Signer
  readonly network: Libp2pNetwork
}

export function identities(count: number): readonly Identity[] {
  return Array.from({ length: count }, () => createIdentity())
}

/** @param listen multiaddrs; none = it only dials, as workers do */
export async function joinNetwork(
  identity: Identity,
  networkId: string,
  listen: readonly string[] = [],
): Promise<SyntheticPeer> {
  const network = await createLibp2pNetwork(
    { identity, clock: systemClock(), log: QUIET_LOG, metrics: QUIET_METRICS, gate: () => true },
    {
      networkId,
      listen,
      bootstrap: [],
      dht: 'client',
      topics: [protocolIds(networkId).announcements],
    },
  )
  await network.start()
  return { signer: identity.signer, network }
}

/** Joins many peers, a few at a time. */
export async function joinAll(
  all: readonly Identity[],
  networkId: string,
): Promise<readonly SyntheticPeer[]> {
  const peers: SyntheticPeer[] = []
  for (let at = 0; at < all.length; at += 10) {
    const some = all.slice(at, at + 10).map((identity) => joinNetwork(identity, networkId))
    peers.push(...(await Promise.all(some)))
  }
  return peers
}
