import type { Change, LedgerRecords, LedgerView, Table } from './records.js'

/** State as it will be: changes not yet written, over a view of what is. */
export class Overlay implements LedgerView {
  readonly #under: LedgerView
  readonly #tables = new Map<Table, Map<string, Change>>()

  constructor(under: LedgerView) {
    this.#under = under
  }

  get<T extends Table>(table: T, key: string): LedgerRecords[T] | undefined {
    const change = this.#tables.get(table)?.get(key)
    // Changes stand under their table, so this is one of it.
    return change === undefined ? this.#under.get(table, key) : (change.value as LedgerRecords[T] | undefined)
  }

  set(change: Change): void {
    const changes = this.#tables.get(change.table)
    if (changes === undefined) this.#tables.set(change.table, new Map([[change.key, change]]))
    else changes.set(change.key, change)
  }

  absorb(changes: readonly Change[]): void {
    for (const change of changes) this.set(change)
  }

  /** The last change of each record, by table. */
  changes(): readonly Change[] {
    const all: Change[] = []
    for (const changes of this.#tables.values()) all.push(...changes.values())
    return all
  }
}
