import type { Change, LedgerRecords, LedgerView, Table } from './records.js'

/** So many changes are looked through one by one: most entries make fewer, and maps would cost more than that. */
const FEW = 12

/** State as it will be: changes not yet written, over a view of what is. */
export class Overlay implements LedgerView {
  readonly #under: LedgerView
  readonly #changes: Change[] = []
  /** Where in the list each is, by table and key; made once they are not few any more. */
  #places: Map<Table, Map<string, number>> | undefined

  constructor(under: LedgerView) {
    this.#under = under
  }

  get<T extends Table>(table: T, key: string): LedgerRecords[T] | undefined {
    const change = this.#changes[this.#placeOf(table, key)]
    // The change is one of this table.
    return change === undefined ? this.#under.get(table, key) : (change.value as LedgerRecords[T] | undefined)
  }

  set(change: Change): void {
    const place = this.#placeOf(change.table, change.key)
    if (place >= 0) {
      this.#changes[place] = change
      return
    }
    this.#changes.push(change)
    if (this.#places !== undefined) note(this.#places, change, this.#changes.length - 1)
    else if (this.#changes.length > FEW) {
      this.#places = new Map()
      for (const [at, each] of this.#changes.entries()) note(this.#places, each, at)
    }
  }

  absorb(changes: readonly Change[]): void {
    for (const change of changes) this.set(change)
  }

  /** The last change of each record, in the order in which they were changed first. */
  changes(): readonly Change[] {
    return this.#changes
  }

  /** @returns −1 = it was not changed */
  #placeOf(table: Table, key: string): number {
    if (this.#places !== undefined) return this.#places.get(table)?.get(key) ?? -1
    for (let at = this.#changes.length - 1; at >= 0; at--) {
      const change = this.#changes[at] as Change
      if (change.table === table && change.key === key) return at
    }
    return -1
  }
}

function note(places: Map<Table, Map<string, number>>, { table, key }: Change, at: number): void {
  const keys = places.get(table)
  if (keys === undefined) places.set(table, new Map([[key, at]]))
  else keys.set(key, at)
}
