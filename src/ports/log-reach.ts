/** How far a log was durable: a store that has less of it has lost something. */
export interface Reach {
  /** Entries. */
  readonly size: number
  /** Of the tree over them. */
  readonly root: Uint8Array
}

/**
 * How far each log that is written here was durable at least, kept apart from the store, which may lose its
 * end without a word. It may lag behind the store, and is never ahead of it.
 */
export interface LogReach {
  /** By name of the log; empty = nothing is known, as at a first start. */
  readonly known: ReadonlyMap<string, Reach>
  /** A log is durable so far, which is what counts from now on. Kept soon; nobody waits for it. */
  note(origin: string, reach: Reach): void
  /** Resolves when all that was noted is on the disk. @throws EdgeCoderError `store-full`, `store-failed` */
  settle(): Promise<void>
}
