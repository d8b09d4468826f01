/** Bytes queued on a link before `send` asks its caller to wait. */
export const HIGH_WATER_BYTES = 1024 * 1024
/** Bytes queued on a link before it is aborted: the other end does not read. */
export const MAX_QUEUED_BYTES = 8 * 1024 * 1024
/** A peer may send this many seconds' worth of frames at once. */
export const BURST_SECONDS = 4
/** Messages of gossip remembered, so that each is judged once. */
export const GOSSIP_SEEN = 10_000
/** How long a dial goes on when nobody answers at all. */
export const DIAL_TIMEOUT_MS = 10_000
