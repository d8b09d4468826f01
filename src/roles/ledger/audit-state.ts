import { HASH_BYTES } from '../../core/ledger/merkle/tree-hash.js'
import type { Change, EntryRecord, LedgerRecords, LedgerView, Table } from '../../core/ledger/records.js'
import { EntryIndex } from './entry-index.js'
import { TABLES } from './record-codec.js'

const CHUNK_ENTRIES = 16_384

/**
 * The state of a log that is read again from its start, in memory. Of each entry it keeps its id, its place
 * and its digest: there are as many of them as entries.
 */
export class AuditState implements LedgerView {
  readonly #tables = new Map<Table, Map<string, LedgerRecords[Table]>>()
  readonly #indexes = new EntryIndex()
  readonly #digests: Uint8Array[] = []

  constructor() {
    for (const table of TABLES) this.#tables.set(table, new Map())
  }

  get<T extends Table>(table: T, key: string): LedgerRecords[T] | undefined {
    // Records stand under their table, so this is one of it.
    if (table === 'entry') return this.#entry(key) as LedgerRecords[T] | undefined
    return this.#tables.get(table)?.get(key) as LedgerRecords[T] | undefined
  }

  absorb(changes: readonly Change[]): void {
    for (const { table, key, value } of changes) {
      if (table === 'entry') this.#setEntry(key, value)
      else if (value === undefined || (table === 'balance' && value === 0n))
        this.#tables.get(table)?.delete(key)
      else this.#tables.get(table)?.set(key, value)
    }
  }

  /** Goes past an entry that may not stand, so that those after it can be judged. */
  skip(): void {
    const log = this.get('log', '')
    if (log !== undefined) this.absorb([{ table: 'log', key: '', value: { ...log, size: log.size + 1 } }])
  }

  /** Records of a table, as many as a store should have. */
  count(table: Table): number {
    return table === 'entry' ? this.#indexes.size : (this.#tables.get(table)?.size ?? 0)
  }

  *balances(): Iterable<readonly [account: string, balance: bigint]> {
    // The table holds balances only.
    for (const [account, balance] of this.#tables.get('balance') ?? []) yield [account, balance as bigint]
  }

  #entry(key: string): EntryRecord | undefined {
    const index = this.#indexes.get(key)
    if (index === undefined) return undefined
    const at = (index % CHUNK_ENTRIES) * HASH_BYTES
    const chunk = this.#digests[Math.floor(index / CHUNK_ENTRIES)]
    return { index, digest: (chunk ?? new Uint8Array()).subarray(at, at + HASH_BYTES) }
  }

  #setEntry(key: string, value: EntryRecord | undefined): void {
    if (value === undefined) return
    const chunk = Math.floor(value.index / CHUNK_ENTRIES)
    this.#digests[chunk] ??= new Uint8Array(CHUNK_ENTRIES * HASH_BYTES)
    this.#digests[chunk]?.set(value.digest, (value.index % CHUNK_ENTRIES) * HASH_BYTES)
    this.#indexes.set(key, value.index)
  }
}
