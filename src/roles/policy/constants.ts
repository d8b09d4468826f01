/** Bytes of messages in one answer, unless one alone is larger; a frame holds them. */
export const ANSWER_BYTES = 128 * 1024
/** Messages in one answer; the wire allows as many. */
export const ANSWER_MESSAGES = 256
/** Frames a peer may send per second: an ask and a head for each answer that it can check in that time. */
export const FRAMES_PER_SECOND = 128
/** Streams a peer may hold open: one that it dialled, and another while it replaces it. */
export const STREAMS_PER_PEER = 2
/** Peers that a node asks for news of policy: those that others dial are enough to pass it on. */
export const SERVER_LINKS = 4
/** For a worker one would do; with two, one that keeps messages back is not the only one heard. */
export const CLIENT_LINKS = 2
/** How often it is looked whether there are links enough. */
export const LOOK_MS = 1_000
/** So often one link gives way to another peer: nobody is the only source of policy for long. */
export const ROTATE_MS = 300_000
/** Heads are said again so often: to show that one is alive. */
export const HEAD_MS = 15_000
/** A peer that was not heard for so long is let go. */
export const SILENT_MS = 60_000
/** A dial that takes longer is given up. */
export const DIAL_MS = 10_000
/** A peer that does not answer an ask within this time is let go, and another one asked. */
export const ANSWER_MS = 10_000
/** Peers whose failures are remembered. */
export const BACKOFFS_KEPT = 1_024
/**
 * Messages by gossip of which signatures are checked, in a second and at once: up to 512 signatures each.
 * What is over it comes by links.
 */
export const GOSSIP_CHECKS_PER_SECOND = 8
export const GOSSIP_CHECKS_BURST = 64
/** How often age and expiry are measured. */
export const WATCH_MS = 5_000
/** Less than this part of its life left: somebody should sign a newer message soon. */
export const LATE_RATIO = 0.1
/** From a change of policy until peers that it does not admit are dropped: they are told before. */
export const CUT_MS = 250
/** Messages written down in the audit log with one write: a chain that comes whole is long. */
export const AUDITED_AT_ONCE = 256
/** Keys that an audit record names; a text of it has 256 characters. */
export const NAMED_SIGNERS = 4
/** Digests of reports that one names. */
export const NAMED_REPORTS = 3
