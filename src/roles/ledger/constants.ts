/**
 * Entries in one commit. 256 already bring the cost of fsync and signature below that of the writes; more
 * only adds delay, and to what must be in memory at once.
 */
export const COMMIT_ENTRIES = 1_024
/** Entries that may wait for a store that fails or is slow; then nothing more is taken. */
export const STAGED_ENTRIES = 16_384
/** Bytes of entries that may wait. */
export const STAGED_BYTES = 32 * 1024 * 1024
/**
 * A checkpoint is kept for ever whenever a log passes a multiple of so many entries: whoever catches up,
 * restores or audits has a signed root at least that often, and never more unproven entries in memory.
 */
export const CHECKPOINT_SPACING = 1_024
/** Entries of one part of a log that a mirror takes in one step; see {@link CHECKPOINT_SPACING}. */
export const PART_ENTRIES = 2 * COMMIT_ENTRIES + CHECKPOINT_SPACING
/** Records of one table that are kept in memory, twice: the recent ones, and those before them. */
export const CACHED_RECORDS = 8_192
/** Tiles of 8 KiB kept for proofs. */
export const CACHED_TILES = 64
/** Mismatches that an audit tells in full; the rest is counted. */
export const TOLD_MISMATCHES = 100
/**
 * Entries that are decoded and checked ahead of those that are applied. Few, so that what is decoded is gone
 * before garbage is collected, else it is copied; enough to check signatures side by side.
 */
export const DECODED_TOGETHER = 32
/** Entries whose signatures are checked side by side. */
export const CHECKED_TOGETHER = 512
/** Entries or records that long work takes at once, where others wait for their turn: a few milliseconds. */
export const BREATH_ENTRIES = 32
/** How far ahead of one's own clock a window of another log may be before it waits. Clocks differ by seconds. */
export const MOST_AHEAD_MS = 600_000
