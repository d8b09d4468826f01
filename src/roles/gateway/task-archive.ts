import type { Store, Write } from '../../ports/store.js'
import { corrupt, keyParts, keys, recordCodec, type TaskRecord } from './task-record.js'

const PRESENT = Uint8Array.of(1)
/** Ended tasks erased in one commit. */
const PRUNE_BATCH = 256
/** Index entries read for one page when a filter passes few of them. */
const PAGE_SCAN = 1000

/** When ended tasks are let go, oldest first. */
export interface Retention {
  readonly endedBeforeMs: number
  readonly maxTasks: number
  readonly maxBytes: number
}

/** What comes with a result. */
export interface Delivered {
  /** What a check of it runs; left out = it has no tests. */
  readonly check?: Uint8Array
  /** The task that tries it on hidden tests. */
  readonly run?: { readonly record: TaskRecord; readonly payload: Uint8Array }
}

export interface RecordPage {
  readonly records: readonly TaskRecord[]
  /** Where the next page goes on; absent = no more. */
  readonly next?: { readonly atMs: number; readonly id: string }
}

/**
 * The tasks of a gateway on its disk: records, payloads while they may be asked for, results until pruned.
 */
export class TaskArchive {
  readonly #store: Store
  #unfinishedBytes = 0
  #endedTasks = 0
  #endedBytes = 0

  constructor(store: Store) {
    this.#store = store
  }

  /** Payload bytes of unfinished tasks. */
  get unfinishedBytes(): number {
    return this.#unfinishedBytes
  }

  get storedBytes(): number {
    return this.#unfinishedBytes + this.#endedBytes
  }

  get endedTasks(): number {
    return this.#endedTasks
  }

  /** Reads what a run before left. @throws EdgeCoderError `store-corrupt` naming the key */
  async load(): Promise<readonly TaskRecord[]> {
    for await (const [key, value] of this.#store.range(keys.endedRange)) {
      this.#endedTasks++
      this.#endedBytes += sizeIn(key, value)
    }
    const records: TaskRecord[] = []
    for await (const [key] of this.#store.range(keys.unfinishedRange)) {
      const [account = '', id = ''] = keyParts(key)
      const record = await this.record(account, id)
      if (record === undefined) throw corrupt(key, 'the task it points to is missing')
      this.#unfinishedBytes += record.header.payloadBytes
      records.push(record)
    }
    return records
  }

  /** A new task with its payload, and the tests hidden from its worker; durable when it resolves. */
  async begin(record: TaskRecord, payload: Uint8Array, hidden?: Uint8Array): Promise<void> {
    const { header } = record
    this.#unfinishedBytes += payload.length
    const more: Write[] =
      hidden === undefined ? [] : [{ type: 'put', key: keys.hidden(header), value: hidden }]
    try {
      await this.#store.commit([...this.#begun(record, payload), ...more])
    } catch (cause) {
      this.#unfinishedBytes -= payload.length
      throw cause
    }
  }

  #begun(record: TaskRecord, payload: Uint8Array): readonly Write[] {
    const { header } = record
    // Checks and runs of hidden tests are no tasks of their user's.
    const isListed = header.checkOf === '' && header.hiddenOf === ''
    return [
      this.saved(record),
      { type: 'put', key: keys.payload(header), value: payload },
      ...(isListed ? [{ type: 'put', key: keys.listed(header), value: PRESENT } as const] : []),
      { type: 'put', key: keys.unfinished(header), value: PRESENT },
    ]
  }

  async hidden(record: TaskRecord): Promise<Uint8Array | undefined> {
    return this.#store.get(keys.hidden(record.header))
  }

  /** The record as it stands now, to be written with others. */
  saved(record: TaskRecord): Write {
    return { type: 'put', key: keys.record(record.header), value: recordCodec.encodeTask(record) }
  }

  async commit(writes: readonly Write[]): Promise<void> {
    await this.#store.commit(writes)
  }

  /**
   * The record, which says how it ended, with its result when it has one; the payload goes.
   *
   * @param delivered.check what a check of the result runs
   * @param delivered.run a task that begins with this end
   */
  async end(
    record: TaskRecord,
    result: Uint8Array | undefined,
    more: readonly Write[] = [],
    { check, run }: Pick<Delivered, 'check' | 'run'> = {},
  ): Promise<void> {
    const { header } = record
    const bytes = (result?.length ?? 0) + (check?.length ?? 0)
    const writes: Write[] = [
      this.saved(record),
      { type: 'del', key: keys.payload(header) },
      { type: 'del', key: keys.hidden(header) },
      { type: 'del', key: keys.unfinished(header) },
      { type: 'put', key: keys.ended(header, endedMs(record)), value: Buffer.from(String(bytes)) },
      ...more,
    ]
    if (result !== undefined) writes.push({ type: 'put', key: keys.result(header), value: result })
    if (check !== undefined) writes.push({ type: 'put', key: keys.check(header), value: check })
    if (run !== undefined) writes.push(...this.#begun(run.record, run.payload))
    await this.#store.commit(writes)
    this.#unfinishedBytes += (run?.payload.length ?? 0) - header.payloadBytes
    this.#endedTasks++
    this.#endedBytes += bytes
  }

  /** A task that was not taken leaves no trace. */
  async erase(record: TaskRecord): Promise<void> {
    const { header } = record
    await this.#store.commit([
      { type: 'del', key: keys.record(header) },
      { type: 'del', key: keys.payload(header) },
      { type: 'del', key: keys.hidden(header) },
      { type: 'del', key: keys.listed(header) },
      { type: 'del', key: keys.unfinished(header) },
    ])
    this.#unfinishedBytes -= header.payloadBytes
  }

  /** What a check of its result runs. @returns undefined = it has none, or it was pruned */
  async check(record: TaskRecord): Promise<Uint8Array | undefined> {
    return this.#store.get(keys.check(record.header))
  }

  async record(account: string, id: string): Promise<TaskRecord | undefined> {
    const key = keys.task(account, id)
    const bytes = await this.#store.get(key)
    return bytes === undefined ? undefined : recordCodec.decodeTask(key, bytes)
  }

  async payload(record: TaskRecord): Promise<Uint8Array> {
    const key = keys.payload(record.header)
    const bytes = await this.#store.get(key)
    if (bytes === undefined) throw corrupt(key, 'the payload of an unfinished task is missing')
    return bytes
  }

  async result(record: TaskRecord): Promise<Uint8Array | undefined> {
    return this.#store.get(keys.result(record.header))
  }

  /**
   * Tasks of an account that pass, newest first; fewer than `limit` with a `next` when a filter passes few.
   */
  async page(
    account: string,
    limit: number,
    before: { readonly atMs: number; readonly id: string } | undefined,
    passes: (record: TaskRecord) => boolean,
  ): Promise<RecordPage> {
    const range = keys.listedRange(account)
    const lt = before === undefined ? range.lt : keys.listedBefore(account, before.atMs, before.id)
    const records: TaskRecord[] = []
    let scanned = 0
    for await (const [key] of this.#store.range({ gte: range.gte, lt, reverse: true, limit: PAGE_SCAN })) {
      scanned++
      const [, at = '', id = ''] = keyParts(key)
      const record = await this.record(account, id)
      if (record !== undefined && passes(record)) records.push(record)
      if (records.length === limit || scanned === PAGE_SCAN) {
        return { records, next: { atMs: Number(at), id } }
      }
    }
    return { records }
  }

  /** Lets ended tasks go until the bounds hold. @returns how many went */
  async prune(retention: Retention): Promise<number> {
    let gone = 0
    for (;;) {
      const batch = await this.#oldestBeyond(retention)
      if (batch.length === 0) return gone
      await this.#store.commit(batch.flatMap(({ writes }) => writes))
      for (const { bytes } of batch) {
        this.#endedTasks--
        this.#endedBytes -= bytes
      }
      gone += batch.length
    }
  }

  async #oldestBeyond(retention: Retention): Promise<{ bytes: number; writes: readonly Write[] }[]> {
    const batch: { bytes: number; writes: readonly Write[] }[] = []
    let tasks = this.#endedTasks
    let bytes = this.#endedBytes
    for await (const [key, value] of this.#store.range({ ...keys.endedRange, limit: PRUNE_BATCH })) {
      const [at = '', account = '', id = ''] = keyParts(key)
      const holds =
        Number(at) >= retention.endedBeforeMs && tasks <= retention.maxTasks && bytes <= retention.maxBytes
      if (holds) break
      const size = sizeIn(key, value)
      tasks--
      bytes -= size
      const record = await this.record(account, id)
      const drops =
        record === undefined
          ? []
          : [keys.record, keys.result, keys.check, keys.listed].map((of) => of(record.header))
      batch.push({ bytes: size, writes: [key, ...drops].map((drop) => ({ type: 'del', key: drop })) })
    }
    return batch
  }
}

function endedMs(record: TaskRecord): bigint {
  return record.end?.atMs ?? 0n
}

function sizeIn(key: string, value: Uint8Array): number {
  const size = Number(Buffer.from(value).toString('latin1'))
  if (!Number.isSafeInteger(size)) throw corrupt(key, 'it should be a size')
  return size
}

/** @returns a page cursor as clients carry it */
export function cursorOf(next: { readonly atMs: number; readonly id: string }): string {
  return Buffer.from(`${next.atMs} ${next.id}`).toString('base64url')
}

/** @returns undefined when it is not one of ours */
export function readCursor(cursor: string): { readonly atMs: number; readonly id: string } | undefined {
  const match = /^(\d{1,16}) ([A-Za-z0-9._-]{1,64})$/.exec(
    Buffer.from(cursor, 'base64url').toString('latin1'),
  )
  return match?.[1] === undefined || match[2] === undefined
    ? undefined
    : { atMs: Number(match[1]), id: match[2] }
}
