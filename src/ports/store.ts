export type Write =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: string }

/** Bounds of a range read, by UTF-8 order of keys. */
export interface Range {
  readonly gte: string
  readonly lt: string
  readonly reverse?: boolean
  readonly limit?: number
  /** Values are empty then; those that are damaged are passed, too. */
  readonly keysOnly?: boolean
}

/** All keys as they were at one moment. */
export interface StoreSnapshot {
  /**
   * As {@link Store.range}, of that moment.
   *
   * @throws EdgeCoderError `store-failed` once it is closed, or when the store had to be opened anew after a
   *   failed write
   */
  range(range: Range): AsyncIterable<readonly [key: string, value: Uint8Array]>
  /** Lets go of it. */
  close(): Promise<void>
}

/**
 * Ordered, durable key → bytes. Keys are ASCII, parts joined by "|", numbers in them zero-padded so that they
 * sort.
 */
export interface Store {
  get(key: string): Promise<Uint8Array | undefined>
  /**
   * As {@link get}, at once: for decisions that cannot wait, of one small value. It stops everything else for
   * as long as the disk takes, 5 to 30 µs from a cache, so keep what is asked for often.
   *
   * @throws EdgeCoderError as `get` rejects
   */
  getNow(key: string): Uint8Array | undefined
  /** A consistent view as of the first read. */
  range(range: Range): AsyncIterable<readonly [key: string, value: Uint8Array]>
  /**
   * What is durable now, for reading that goes on later. What is written over meanwhile stays on the disk for
   * as long as it is open: few at once, and each for minutes at most.
   *
   * @throws EdgeCoderError `store-failed` when the store is closed
   */
  snapshot(): StoreSnapshot
  /**
   * All or nothing, and on the disk (fsynced) when it resolves. Calls made while a write is under way share
   * the
   * next one (group commit); they become durable in call order.
   *
   * @throws EdgeCoderError `store-full` or `store-failed`: nothing of this call was written
   */
  commit(writes: readonly Write[]): Promise<void>
  /** Waits for what is under way. @throws nothing that a commit did not already report */
  close(): Promise<void>
}
