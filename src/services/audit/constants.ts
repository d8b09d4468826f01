/** A file is closed, and another begun, once it has this many bytes: some 12,000 records. */
export const SEGMENT_BYTES = 4 * 2 ** 20
/** Files kept; the oldest goes when there is one more. 64 MiB in all. */
export const SEGMENTS = 16
/** Records after which the log is sealed, and how long it may stand unsealed with fewer. */
export const SEAL_RECORDS = 256
export const SEAL_MS = 600_000
/** Acts that wait for the disk; more of them at once are a fault of who calls. */
export const WAITING = 4_096
/** Facts of one record, and characters of each of its texts. */
export const FACTS = 16
export const TEXT_CHARACTERS = 256
/** Bytes of a line that may be read as one record. */
export const LINE_BYTES = 32 * 1024
/**
 * Acts of strangers are merged for so long, and told apart up to so many: 64 lines in ten minutes at most, so
 * that nobody pushes what matters out of 64 MiB in less than three weeks.
 */
export const NOTE_MS = 600_000
export const NOTED = 32
/** Faults that a check lists; the others are counted. */
export const FAULTS = 100
