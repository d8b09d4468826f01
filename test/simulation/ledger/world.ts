import type { Network, PeerAddress } from '../../../src/ports/network.js'
import { createReplication } from '../../../src/roles/replication/create-replication.js'
import type { LogName } from '../../../src/roles/replication/log-name.js'
import { writtenPrefix } from '../../../src/roles/replication/log-name.js'
import type {
  OwnLog,
  Replication,
  ReplicationComponents,
  ReplicationInit,
} from '../../../src/roles/replication/replication.js'
import { logOrigin } from '../../../src/wire/checkpoint.js'
import { memoryAudit } from '../../helpers/memory-audit.js'
import type { Ports } from '../sim-process.js'
import { LEDGER_NETWORK, simEvidence } from './entries.js'

/** What all coordinators of a run are told. */
export interface LedgerWorld {
  readonly coordinators: () => readonly PeerAddress[]
  /** While it is true entries are written. */
  readonly busy: () => boolean
  readonly quorum?: (coordinators: number) => number
  readonly openMirror?: ReplicationComponents['openMirror']
  /** All epochs of all homes that a coordinator knows by policy. */
  readonly logs: (at: string) => readonly LogName[]
  /** Does this coordinator cosign and sign on what it knows to be handed over? */
  readonly deaf: (at: string) => boolean
  readonly sealRosters?: (at: string) => ReplicationInit['sealRosters'] | undefined
  readonly cutFault?: ReplicationComponents['cutFault']
  /** Behind by more entries, a coordinator asks for a snapshot. */
  readonly snapshotLag?: number
  final(at: string, origin: string, note: Uint8Array): void
}

export function originOf({ home, epoch }: Pick<LogName, 'home' | 'epoch'>): string {
  return logOrigin(LEDGER_NETWORK, home, epoch)
}

export function originOfPeer(peerId: string): string {
  return originOf({ home: peerId, epoch: 1 })
}

/** Where the log lies that a coordinator writes. */
export function ownPrefix(peerId: string, origin: string): string {
  return writtenPrefix(LEDGER_NETWORK, peerId, origin)
}

/** Does this coordinator know that the home of a log was handed over, and heeds it? */
export function isSealed(world: LedgerWorld, at: string, { home, epoch }: LogName): boolean {
  return !world.deaf(at) && world.logs(at).some((log) => log.home === home && log.epoch > epoch)
}

/** The logs that policy names a coordinator to write. */
export function writtenBy(world: LedgerWorld, at: string): readonly LogName[] {
  return world.logs(at).filter(({ coordinator }) => coordinator === at)
}

export function replicate(
  ports: Ports,
  world: LedgerWorld,
  own: readonly OwnLog[],
  { prefix, network = ports.network }: { readonly prefix: string; readonly network?: Network },
): Replication {
  const { peerId } = ports.signer
  const { openMirror, quorum, cutFault, snapshotLag } = world
  const sealRosters = world.sealRosters?.(peerId)
  const isWritten = (origin: string): boolean =>
    writtenBy(world, peerId).some((name) => originOf(name) === origin)
  const replication = createReplication(
    {
      ...ports,
      audit: memoryAudit(),
      network,
      evidence: simEvidence(),
      ...(openMirror === undefined ? {} : { openMirror }),
      ...(cutFault === undefined ? {} : { cutFault }),
    },
    {
      networkId: LEDGER_NETWORK,
      prefix,
      own,
      prefixOf: (origin) => (isWritten(origin) ? ownPrefix(peerId, origin) : undefined),
      coordinators: world.coordinators,
      logs: () => world.logs(peerId),
      ...(quorum === undefined ? {} : { quorum }),
      ...(sealRosters === undefined ? {} : { sealRosters }),
      ...(snapshotLag === undefined ? {} : { snapshotLag }),
      sealed: (log) => isSealed(world, peerId, log),
    },
  )
  replication.onFinal((origin) => {
    const note = replication.finalNote(origin)
    if (note !== undefined) world.final(peerId, origin, note)
  })
  return replication
}
