import { quorumOf } from '../../core/ledger/quorum.js'
import { openLogMirror } from '../ledger/log-mirror.js'
import { SNAPSHOT_LAG } from './constants.js'
import { cutFault } from './cut-check.js'
import type { Replication, ReplicationComponents, ReplicationInit } from './replication.js'
import { Replicator } from './replicator.js'

/** Copies, checks and cosigns the logs of all coordinators, and has the own one cosigned. */
export function createReplication(components: ReplicationComponents, init: ReplicationInit): Replication {
  const { openMirror = openLogMirror, cutFault: checkCut = cutFault } = components
  const quorum = init.quorum ?? quorumOf
  const sealRosters = init.sealRosters ?? (() => [new Set(init.coordinators().map(({ peerId }) => peerId))])
  const snapshotLag = init.snapshotLag ?? SNAPSHOT_LAG
  return new Replicator(
    { ...components, openMirror, cutFault: checkCut },
    { ...init, quorum, sealRosters, snapshotLag },
  )
}
