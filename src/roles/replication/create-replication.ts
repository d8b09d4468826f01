import { quorumOf } from '../../core/ledger/quorum.js'
import { openLogMirror } from '../ledger/log-mirror.js'
import { SNAPSHOT_LAG } from './constants.js'
import type { Replication, ReplicationComponents, ReplicationInit } from './replication.js'
import { Replicator } from './replicator.js'

/** Copies, checks and cosigns the logs of all coordinators, and has the own one cosigned. */
export function createReplication(components: ReplicationComponents, init: ReplicationInit): Replication {
  const { openMirror = openLogMirror } = components
  return new Replicator(
    { ...components, openMirror },
    { ...init, quorum: init.quorum ?? quorumOf, snapshotLag: init.snapshotLag ?? SNAPSHOT_LAG },
  )
}
