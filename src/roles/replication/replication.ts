import type { LedgerView } from '../../core/ledger/records.js'
import type { Refusal } from '../../core/refusal.js'
import type { Audit } from '../../ports/audit.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Metrics } from '../../ports/metrics.js'
import type { Network, PeerAddress } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import type { Signer } from '../../ports/signer.js'
import type { Store } from '../../ports/store.js'
import type { EvidenceReader } from '../ledger/evidence.js'
import type { LogLibrary } from '../ledger/log-library.js'
import type { LogCut } from '../ledger/log-line.js'
import type { openLogMirror } from '../ledger/log-mirror.js'
import type { FrozenLog } from './accusations.js'
import type { cutFault } from './cut-check.js'
import type { HeldLog } from './held-log.js'
import type { LogName } from './log-name.js'

/**
 * Whether others may build on an entry: `final` = enough coordinators hold it and found it valid; `pending`
 * = it is here, and not yet with enough of them; `unknown` = it is not here.
 */
export type Standing = 'final' | 'pending' | 'unknown'

/** The log that this coordinator writes: a `LogWriter` is one. */
export interface OwnLog extends HeldLog {
  /** Why nothing is appended to it now, such as after a restore; nothing of it is offered to others then. */
  readonly closed: Refusal | undefined
  /** More is signed already than `head`, and on its way to the disk; absent = no. */
  readonly signing?: boolean
}

/** A log's end that is here ahead of its entries: from a snapshot, which somebody else has made. */
export interface TipView {
  /** Entries that it is the state of. */
  readonly size: number
  /** Entries that the snapshot was of. */
  readonly startSize: number
  /** Peer id of who gave it. */
  readonly from: string
  /** Entries were replayed up to its start, and came to the same state. */
  readonly proven: boolean
}

/** What is known of one log. */
export interface LogView {
  readonly origin: string
  readonly own: boolean
  /** Entries that are here and durable. */
  readonly size: number
  /** Entries that enough coordinators have cosigned. */
  readonly finalSize: number
  /** Entries that somebody says there are. */
  readonly claimedSize: number
  /** Nothing of it is taken until an admin decides: there is evidence against its coordinator. */
  readonly isolated: boolean
  /** Absent = there is none: it is not far behind. */
  readonly tip?: TipView
}

/** What is known of another coordinator. */
export interface PeerView {
  readonly peerId: string
  readonly connected: boolean
  /** Entries of all logs that are here and that it says it does not hold. */
  readonly behindEntries: number
  /** Entries that it has cosigned of the logs that are written here, handed over ones left out. */
  readonly cosignedSize: number
  /** How far its clock is ahead of the one here, by its newest cosignature, to a second. */
  readonly clockAheadMs?: number
}

export interface ReplicationView {
  readonly logs: readonly LogView[]
  readonly peers: readonly PeerView[]
  /** Age of the oldest entry written here that is not final; 0 = all are. Handed over logs do not count. */
  readonly unfinalAgeMs: number
  /** More of a log that is written here is known elsewhere: it was restored, or another one writes it. */
  readonly ownLongerElsewhere: number
}

/** Logs of this and of other coordinators, copied, checked and cosigned. */
export interface Replication {
  start(): Promise<void>
  stop(signal: AbortSignal): Promise<void>
  /** A log that is written here has a new durable head. Costs nothing; call it after every commit. */
  grown(): void
  /**
   * Policy has changed: logs that it names since are opened, and seals are asked for, at once. Else it is
   * looked at every half a minute.
   */
  policyChanged(): void
  /**
   * What a log of a later epoch goes on from that policy names this coordinator to begin: enough others have
   * said what they cosigned last of the logs before it. Of size 0 = from nothing, as nothing was ever
   * written.
   *
   * @param origin of the log that is to be begun
   * @returns `not-final` while seals are missing, naming whose; `log-forked` while an admin has to decide;
   *   `log-unconfirmed` when it was begun already, and is here no more; `not-found` = no log to be begun here
   */
  cut(origin: string): LogCut | Refusal
  /** Called when a cut becomes known, with the origin of the log that is to be begun. */
  onCut(listener: (origin: string, cut: LogCut) => void): () => void
  /** Offers a log that was opened here, such as one that was just begun, and has it cosigned. */
  adopt(own: OwnLog): Promise<void>
  /** @param origin of a log: `logOrigin(network, home, epoch)` */
  standing(origin: string, index: number): Standing
  /**
   * The checkpoint note that proves what is final of a log, with the cosignatures; undefined = nothing is.
   */
  finalNote(origin: string): Uint8Array | undefined
  /** All logs that are here, written and mirrored. */
  readonly library: LogLibrary
  /** Called whenever more of a log is final, with its size. */
  onFinal(listener: (origin: string, size: number) => void): () => void
  /**
   * Called when a checkpoint comes up that the key of a log written here has signed and that is not of it as
   * it is here: longer, or another. The log was restored, or somebody else writes it; what is appended or
   * signed from now on may be a fork.
   */
  onOwnDiffers(listener: (size: number, origin: string) => void): () => void
  /**
   * Connected coordinators that hold, by their own word, no more of a log than is here. A log of one's own
   * that was restored may be gone on with when these are all the others: with fewer, a checkpoint that only
   * the missing ones have seen would be contradicted, and that is a fork.
   */
  confirmedBy(origin: string): readonly string[]
  /** Logs that are isolated, each with the evidence as a file. */
  isolated(): readonly FrozenLog[]
  /** An admin has looked at the evidence, and lets a log be taken again. */
  release(origin: string): Promise<void>
  view(): ReplicationView
}

export interface ReplicationComponents {
  readonly network: Network
  readonly store: Store
  readonly audit: Audit
  readonly clock: Clock
  readonly random: Random
  readonly signer: Signer
  readonly log: Log
  readonly metrics: Metrics
  /** Checks what is signed within entries. */
  readonly evidence: EvidenceReader
  /** Opens the mirror of a log; default the one that checks every entry. */
  readonly openMirror?: typeof openLogMirror
  /**
   * Checks that a log of a later epoch leaves out nothing that was cosigned here; default the one that does.
   */
  readonly cutFault?: typeof cutFault
}

export interface ReplicationInit {
  readonly networkId: string
  /** Of all its keys in the store, and of the mirrors'; such as `ledger`. */
  readonly prefix: string
  /**
   * Logs that this coordinator writes, and wrote before their homes were handed over. One that policy names
   * and that is not among them is not open, and is filled like the others.
   */
  readonly own: readonly OwnLog[]
  /** Where a log lies in the store, when not under `prefix`; for one of its own while it is filled. */
  readonly prefixOf?: (origin: string) => string | undefined
  /** All coordinators that policy admits, this one among them, and where they are. */
  readonly coordinators: () => readonly PeerAddress[]
  /** All logs that there are by policy, the own one among them. Asked again every half a minute. */
  readonly logs: () => readonly LogName[]
  /** Was the home of a log handed over since? Nothing further of it is cosigned then. Once true, always. */
  readonly sealed?: (log: LogName) => boolean
  /**
   * Behind by more entries, the state of a log is taken from another coordinator, followed from there, and
   * proven once its entries are here; default `SNAPSHOT_LAG`.
   */
  readonly snapshotLag?: number
  /**
   * By which groups of coordinators something of a log, beyond a size, may have become final before its home
   * was handed over: a quorum of each has to seal it. Default: those that there are now.
   *
   * @param view state of the log at that size, or later
   */
  readonly sealRosters?: (log: LogName, view: LedgerView, size: number) => readonly ReadonlySet<string>[]
  /** How many of so many coordinators must have cosigned; default `quorumOf`. */
  readonly quorum?: (coordinators: number) => number
}
