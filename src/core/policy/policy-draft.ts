import { invariant } from '../invariant.js'
import type { ChainRecord, PolicyChange, PolicyReader, PolicyRecords, PolicyTable } from './policy-records.js'

/** State as one message will have it, over a view of what is. Dropped when the message is refused. */
export class PolicyDraft implements PolicyReader {
  readonly #under: PolicyReader
  readonly #changes = new Map<string, PolicyChange>()

  constructor(under: PolicyReader) {
    this.#under = under
  }

  get<T extends PolicyTable>(table: T, key: string): PolicyRecords[T] | undefined {
    const change = this.#changes.get(`${table}/${key}`)
    // Changes stand under the name of their table, so this is one of it.
    return change === undefined ? this.#under.get(table, key) : (change.value as PolicyRecords[T] | undefined)
  }

  set(change: PolicyChange): void {
    this.#changes.set(`${change.table}/${change.key}`, change)
  }

  get chain(): ChainRecord {
    const chain = this.get('chain', '')
    invariant(chain !== undefined, 'rules apply to a chain that has begun')
    return chain
  }

  /** The last change of each record. */
  changes(): readonly PolicyChange[] {
    return [...this.#changes.values()]
  }
}
