/** Entries in one frame, and bytes of them unless one alone is larger; the wire allows as many. */
export const PIECE_ENTRIES = 512
export const PIECE_BYTES = 1024 * 1024
/** Entries and bytes of one range: as many as a mirror takes in one step. */
export const RANGE_ENTRIES = 3_072
export const RANGE_BYTES = 32 * 1024 * 1024
/** Largest evidence in a frame, with what it carries of the log before the entry. */
export const ACCUSATION_BYTES = 1024 * 1024
export const ACCUSATION_PREFIX_ENTRIES = 8_192
/** Logs of which heads are told in one frame; the wire allows as many. */
export const TOLD_LOGS = 256
/** A stream a coordinator opens, and one more while it replaces it. */
export const STREAMS_PER_COORDINATOR = 2
/** A range of small entries has 7 frames, and comes in under 20 ms at best. */
export const FRAMES_PER_SECOND = 2_000
/** A dial that takes longer is given up, whatever it waits for. */
export const DIAL_MS = 15_000
/** A coordinator that opened a stream and says nothing for this long is let go. */
export const HELLO_MS = 10_000
export const BEAT_MS = 5_000
/** A link that ends sooner is not dialled again at once: the next may end as this one did. */
export const LASTING_MS = 5_000
/** A coordinator unheard for so long is let go, and dialled anew. */
export const SILENT_MS = 20_000
/** How often all heads are told again, and compared: what was lost by gossip or on links is found then. */
export const HEADS_MS = 30_000
/** Ranges that are read for one coordinator at once; its other asks wait, and cost next to nothing. */
export const RANGES_SERVED = 4
export const RANGES_WAITING = 256
/** Ranges of one log that are asked for, or are here, before the one at hand is used: some megabytes. */
export const RANGES_AHEAD = 2
/** How long a range or a cosignature is waited for. */
export const RANGE_MS = 30_000
export const COSIGN_MS = 60_000
/** Before a coordinator that failed is asked again: doubled with each failure, up to the most. */
export const LEAST_BACKOFF_MS = 500
export const MOST_BACKOFF_MS = 30_000
/**
 * The same for dials: one that was away is linked again soon after it is back, and they are few. It cannot
 * say so itself, when it is for this end to dial.
 */
export const MOST_REDIAL_MS = 5_000
/** Before a note of what is final is written again that could not be. */
export const KEEP_AGAIN_MS = 1_000
/** Gossip of one log's checkpoints, at most one in this time. */
export const GOSSIP_MS = 1_000
/** One checkpoint is offered to all for so long before a later one takes its place. */
export const ROUND_MS = 1_000
/**
 * From one offer to the next at least. Each costs everybody a write to the disk, behind which the commits of
 * tasks would wait: half of what payment added to a task.
 */
export const LEAST_ROUND_MS = 50
/** Accusations of one coordinator that wait to be checked; each costs a signature or the reading of a log. */
export const ACCUSATIONS_WAITING = 16
/** Behind by more, a log's state is asked for ahead of its entries: below it, these come in about two seconds. */
export const SNAPSHOT_LAG = 50_000
/** Snapshots that are held open at once, one for a coordinator: each keeps what is written over on the disk. */
export const SNAPSHOTS_HELD = 2
/** A snapshot is let go of when nobody asks for more of it, and in the end however it is asked for. */
export const SNAPSHOT_IDLE_MS = 60_000
export const SNAPSHOT_MS = 15 * 60_000
/** Entries of a log wait for its snapshot to come in, but not for one that comes in drops. */
export const SNAPSHOT_ALONE_MS = 30_000
/** How long a snapshot waits to be final, and, longer by the way there and back, who asked for it. */
export const SNAPSHOT_FINAL_MS = 20_000
/** Records in one frame, and bytes of them unless one alone is larger; the wire allows as many. */
export const PIECE_RECORDS = 4_096
export const PIECE_RECORD_BYTES = 512 * 1024
/** Records that a state may have for each entry: a hold of 256 tasks makes about three for each of them. */
export const RECORDS_PER_ENTRY = 1_024
/** Logs of earlier epochs that are told of in one answer; the wire allows as many. */
export const SEALS_TOLD = 16
/** Before a coordinator that could not say what it cosigned last is asked again. */
export const SEAL_RETRY_MS = 2_000
/** How long an answer about seals is waited for. */
export const SEAL_MS = 10_000
/**
 * How long coordinators that are connected are waited for when enough have answered: so that what a home that
 * lives has signed, and few have cosigned, is not left out.
 */
export const SEAL_GRACE_MS = 10_000
