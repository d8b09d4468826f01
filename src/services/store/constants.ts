/**
 * Writes in one fsynced batch. 256 already bring the cost of the fsync below that of the writes; more only
 * adds delay.
 */
export const BATCH_WRITES = 2048
/**
 * Bytes in one batch, a quarter of LevelDB's write buffer, so that a batch never stalls on making a table.
 */
export const BATCH_BYTES = 1024 * 1024
/**
 * Bytes that may wait for the disk; a disk that is this far behind is broken, and memory is not to pay for
 * it.
 */
export const PENDING_BYTES = 64 * 1024 * 1024
/** Opening again turns a log of up to 4 MiB into a table and starts a new log and manifest. */
export const RECOVERY_BYTES = 6 * 1024 * 1024
/**
 * Rows of a range that are fetched at once, if they have no more bytes than below: twice as fast as one by
 * one.
 */
export const READ_ROWS = 1_000
export const READ_BYTES = 64 * 1024
