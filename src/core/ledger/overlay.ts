import type { Change, LedgerRecords, LedgerView, Table } from './records.js'

/** State as it will be: changes not yet written, over a view of what is. */
export class Overlay implements LedgerView {
  readonly #under: LedgerView
  readonly #changes = new Map<string, Change>()

  constructor(under: LedgerView) {
    this.#under = under
  }

  get<T extends Table>(table: T, key: string): LedgerRecords[T] | undefined {
    const change = this.#changes.get(`${table}|${key}`)
    // The key begins with the table, so the change is one of it.
    return change === undefined ? this.#under.get(table, key) : (change.value as LedgerRecords[T] | undefined)
  }

  set(change: Change): void {
    this.#changes.set(`${change.table}|${change.key}`, change)
  }

  absorb(changes: readonly Change[]): void {
    for (const change of changes) this.set(change)
  }

  /** The last change of each record, in the order in which each was first changed. */
  changes(): readonly Change[] {
    return [...this.#changes.values()]
  }
}
