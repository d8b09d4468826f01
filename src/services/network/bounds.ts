/** Bytes queued on a link before `send` asks its caller to wait. */
export const HIGH_WATER_BYTES = 1024 * 1024
/** Bytes queued on a link before it is aborted: the other end does not read. */
export const MAX_QUEUED_BYTES = 8 * 1024 * 1024
/** Small pieces are gathered up to about this size: the most that noise encrypts at once. */
export const BATCH_BYTES = 60 * 1024
/**
 * Pieces up to this size are copied to go out together; above it the copy costs more than a write of their
 * own.
 */
export const COPIED_BYTES = 16 * 1024
/** How long a closing stream waits for the other end to read and to close. */
export const CLOSE_TIMEOUT_MS = 5_000
/** A peer may send this many seconds' worth of frames at once. */
export const BURST_SECONDS = 4
/** Streams a peer may open per second, and at once after a rest: each costs as much as a hundred frames. */
export const OPENINGS_PER_SECOND = 8
export const OPENINGS_BURST = 64
/** Messages of gossip remembered, so that each is judged once. */
export const GOSSIP_SEEN = 10_000
/** How long a dial goes on when nobody answers at all. */
export const DIAL_TIMEOUT_MS = 10_000
/** How long the DHT is asked for other addresses when none of those given answered. */
export const LOOKUP_TIMEOUT_MS = 3_000
/** A connection whose stream failed is taken for dead when it closes within this time. */
export const CLOSING_MS = 250
