import type { Change, LedgerRecords, LedgerView, Table } from '../../core/ledger/records.js'
import type { Store, Write } from '../../ports/store.js'
import { CACHED_RECORDS } from './constants.js'
import { KnownIds } from './known-ids.js'
import type { LogKeys } from './log-keys.js'
import { RecentMap } from './recent-map.js'
import { recordBytes, recordOf, TABLES } from './record-codec.js'

/** The last value of each record that some entries changed; null = it is gone. */
type Staged = Map<Table, Map<string, LedgerRecords[Table] | null>>

/**
 * The state of one log, as the rules read it: what is staged, over what was read or written lately, over the
 * store. A balance of nothing is not stored, or every task that ever was would leave one.
 */
export class LogState implements LedgerView {
  readonly #store: Store
  readonly #keys: LogKeys
  /** Those that go to the disk together, oldest first. */
  #batches: Staged[] = []
  /** The one that still grows. */
  #open: Staged | undefined
  readonly #recent = new Map<Table, RecentMap<string, LedgerRecords[Table]>>()
  /** Ids of all entries, where the log was begun here; undefined = there are others in the store. */
  #known: KnownIds | undefined

  constructor(store: Store, keys: LogKeys) {
    this.#store = store
    this.#keys = keys
    for (const table of TABLES) this.#recent.set(table, new RecentMap(CACHED_RECORDS))
  }

  /** @throws EdgeCoderError `store-failed`, `store-corrupt` */
  get<T extends Table>(table: T, key: string): LedgerRecords[T] | undefined {
    // All maps stand under the table, so what they hold is of it.
    for (let at = this.#batches.length - 1; at >= 0; at--) {
      const staged = this.#batches[at]?.get(table)?.get(key)
      if (staged !== undefined) return (staged ?? undefined) as LedgerRecords[T] | undefined
    }
    const recent = this.#recent.get(table)?.get(key)
    if (recent !== undefined) return recent as LedgerRecords[T]
    if (table === 'entry' && this.#known?.has(key) === false) return undefined
    const bytes = this.#store.getNow(this.#keys.record(table, key))
    if (bytes === undefined) return undefined
    const value = recordOf(table, key, bytes)
    this.#remember(table, key, value)
    return value
  }

  /** Changes that an entry makes; seen at once, written with the batch that is open. */
  stage(changes: readonly Change[], index: number): void {
    if (this.#open === undefined) {
      this.#open = new Map()
      this.#batches.push(this.#open)
    }
    for (const { table, key, value } of changes) {
      let records = this.#open.get(table)
      if (records === undefined) {
        records = new Map()
        this.#open.set(table, records)
      }
      records.set(key, value ?? null)
    }
    // The log of a later epoch begins with the state of the one before.
    if (index === 0 && this.get('log', '')?.epoch === 1) this.#known = new KnownIds()
  }

  /** What is staged from now on goes with a later batch. */
  split(): void {
    this.#open = undefined
  }

  /** The oldest batch takes in the one after it. */
  join(): void {
    const [oldest, next] = this.#batches.splice(0, 2)
    if (oldest === undefined) return
    for (const [table, records] of next ?? []) {
      const before = oldest.get(table)
      if (before === undefined) oldest.set(table, records)
      else for (const [key, value] of records) before.set(key, value)
    }
    this.#batches.unshift(oldest)
  }

  /** Does the oldest batch change a record of this table? */
  changes(table: Table): boolean {
    return this.#batches[0]?.has(table) === true
  }

  /** Writes of the oldest batch, which grows no more. */
  writes(): Write[] {
    if (this.#batches.length === 1) this.split()
    const writes: Write[] = []
    for (const [table, records] of this.#batches[0] ?? []) {
      for (const [key, value] of records) {
        const at = this.#keys.record(table, key)
        if (isNothing(table, value)) writes.push({ type: 'del', key: at })
        else writes.push({ type: 'put', key: at, value: recordBytes(table, value) })
      }
    }
    return writes
  }

  /** What {@link LogState.writes} gave is durable now. */
  committed(): void {
    for (const [table, records] of this.#batches.shift() ?? []) {
      const recent = this.#recent.get(table)
      for (const [key, value] of records) {
        if (table === 'entry') this.#known?.add(key)
        if (isNothing(table, value)) recent?.delete(key)
        else this.#remember(table, key, value)
      }
    }
  }

  /** Forgets all that was staged. */
  drop(): void {
    this.#batches = []
    this.#open = undefined
  }

  #remember(table: Table, key: string, value: LedgerRecords[Table]): void {
    // A record of an entry is asked for when a wish is sent again, which is rare: the store answers then.
    if (table !== 'entry') this.#recent.get(table)?.set(key, value)
  }
}

/** What is not stored: see {@link LogState}. */
function isNothing(table: Table, value: LedgerRecords[Table] | null): value is null {
  return value === null || (table === 'balance' && value === 0n)
}
