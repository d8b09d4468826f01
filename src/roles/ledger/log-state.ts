import type { Change, LedgerRecords, LedgerView, Table } from '../../core/ledger/records.js'
import type { Store, Write } from '../../ports/store.js'
import { CACHED_RECORDS } from './constants.js'
import { KnownIds } from './known-ids.js'
import type { LogKeys } from './log-keys.js'
import { RecentMap } from './recent-map.js'
import { recordBytes, recordOf, TABLES } from './record-codec.js'

interface Pending {
  /** Undefined = gone. */
  readonly value: LedgerRecords[Table] | undefined
  /** Entry that changed it last. */
  readonly index: number
}

/**
 * The state of one log, as the rules read it: what is staged, over what was read or written lately, over the
 * store. A balance of nothing is not stored, or every task that ever was would leave one.
 */
export class LogState implements LedgerView {
  readonly #store: Store
  readonly #keys: LogKeys
  readonly #pending = new Map<Table, Map<string, Pending>>()
  readonly #recent = new Map<Table, RecentMap<string, LedgerRecords[Table]>>()
  /** Ids of all entries, where the log was begun here; undefined = there are others in the store. */
  #known: KnownIds | undefined

  constructor(store: Store, keys: LogKeys) {
    this.#store = store
    this.#keys = keys
    for (const table of TABLES) {
      this.#pending.set(table, new Map())
      this.#recent.set(table, new RecentMap(CACHED_RECORDS))
    }
  }

  /** @throws EdgeCoderError `store-failed`, `store-corrupt` */
  get<T extends Table>(table: T, key: string): LedgerRecords[T] | undefined {
    const pending = this.#pending.get(table)?.get(key)
    // Both maps stand under the table, so what they hold is of it.
    if (pending !== undefined) return pending.value as LedgerRecords[T] | undefined
    const recent = this.#recent.get(table)?.get(key)
    if (recent !== undefined) return recent as LedgerRecords[T]
    if (table === 'entry' && this.#known?.has(key) === false) return undefined
    const bytes = this.#store.getNow(this.#keys.record(table, key))
    if (bytes === undefined) return undefined
    const value = recordOf(table, key, bytes)
    this.#remember(table, key, value)
    return value
  }

  /** Changes that an entry makes; seen at once, written later. */
  stage(changes: readonly Change[], index: number): void {
    for (const { table, key, value } of changes) this.#pending.get(table)?.set(key, { value, index })
    // The log of a later epoch begins with the state of the one before.
    if (index === 0 && this.get('log', '')?.epoch === 1) this.#known = new KnownIds()
  }

  /** @param changes the last one of each record */
  writes(changes: readonly Change[]): Write[] {
    return changes.map(({ table, key, value }): Write => {
      const at = this.#keys.record(table, key)
      if (value === undefined || (table === 'balance' && value === 0n)) return { type: 'del', key: at }
      return { type: 'put', key: at, value: recordBytes(table, value) }
    })
  }

  /** What {@link LogState.writes} gave is durable now. @param size of the log with it */
  committed(changes: readonly Change[], size: number): void {
    for (const { table, key, value } of changes) {
      const pending = this.#pending.get(table)
      if (table === 'entry') this.#known?.add(key)
      if ((pending?.get(key)?.index ?? size) < size) pending?.delete(key)
      if (value === undefined || (table === 'balance' && value === 0n)) this.#recent.get(table)?.delete(key)
      else this.#remember(table, key, value)
    }
  }

  /** Forgets all that was staged. */
  drop(): void {
    for (const pending of this.#pending.values()) pending.clear()
  }

  #remember(table: Table, key: string, value: LedgerRecords[Table]): void {
    // A record of an entry is asked for when a wish is sent again, which is rare: the store answers then.
    if (table !== 'entry') this.#recent.get(table)?.set(key, value)
  }
}
