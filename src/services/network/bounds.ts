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
/** Peers whose rates are remembered for each protocol; more than may be connected. */
export const CALLERS = 16_384
/** Streams a peer may have open at once on a connection, whatever for. */
export const STREAMS_PER_CONNECTION = 256
/** The same two of one connection over all protocols: the DHT opens a stream for each question. */
export const STREAMS_PER_SECOND = 64
export const STREAMS_BURST = 512
/** By then a connection to a WebSocket address must have become one; until then nothing is known of it. */
export const UPGRADE_MS = 10_000
/** Connections to a WebSocket address; libp2p bounds those it knows of, not those that say nothing. */
export const WEBSOCKETS = 16_384
/** Largest WebSocket message; noise makes none over 64 KiB, and a write may carry several of its messages. */
export const WEBSOCKET_MESSAGE_BYTES = 1024 * 1024
/** Messages of gossip that one neighbour may pass on: each of the coordinators says one a second at most. */
export const GOSSIP_PER_SECOND = 256
export const GOSSIP_BURST = 1024
/** Neighbours whose rate of gossip is remembered; more than one has. */
export const GOSSIP_SOURCES = 4096
/** Messages of gossip remembered, so that each is judged once. */
export const GOSSIP_SEEN = 10_000
/** How long a dial goes on when nobody answers at all. */
export const DIAL_TIMEOUT_MS = 10_000
/** How long the DHT is asked for other addresses when none of those given answered. */
export const LOOKUP_TIMEOUT_MS = 3_000
/** A connection whose stream failed is taken for dead when it closes within this time. */
export const CLOSING_MS = 250
/** Connections of peers that are no members, at once; how long each lasts, and how often that is looked at. */
export const GUESTS = 64
/** Of those, from one address, or from one /64 of IPv6: a lab enrols so many at once, and others still get in. */
export const GUESTS_PER_HOST = 8
export const GUEST_MS = 30_000
export const GUEST_LOOK_MS = 1_000
