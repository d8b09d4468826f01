/**
 * Writes in one fsynced batch. 256 already bring the cost of the fsync below that of the writes; more only
 * adds delay.
 */
export const BATCH_WRITES = 2048
/**
 * What LevelDB keeps in memory, twice, before it makes a table of it. Four times its own default: data that
 * only ever grow, such as ledgers, are merged from table to table less often, a tenth of an entry's processor
 * time.
 */
export const WRITE_BUFFER_BYTES = 16 * 1024 * 1024
/** Bytes in one batch, far below the write buffer, so that a batch never stalls on making a table. */
export const BATCH_BYTES = 1024 * 1024
/**
 * Bytes that may wait for the disk; a disk that is this far behind is broken, and memory is not to pay for
 * it.
 */
export const PENDING_BYTES = 64 * 1024 * 1024
/** Opening again turns a log of up to {@link WRITE_BUFFER_BYTES} into a table and starts a new log and manifest. */
export const RECOVERY_BYTES = WRITE_BUFFER_BYTES + 4 * 1024 * 1024
/**
 * Rows of a range that are fetched at once, if they have no more bytes than below: twice as fast as one by
 * one.
 */
export const READ_ROWS = 1_000
export const READ_BYTES = 64 * 1024
/** How often the file is written at most that says how far logs are durable: what came since is not missed. */
export const REACH_MS = 1_000
