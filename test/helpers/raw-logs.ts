import type { Store } from '../../src/ports/store.js'
import { createMemoryDisk } from '../../src/services/store/memory-store.js'
import { RawLog } from '../simulation/ledger/raw-log.js'
import { LOG_KEY } from './ledger-log.js'
import { SAMPLE_ENTRIES } from './sample-entries.js'
import { COORDINATOR } from './signed-ledger.js'

/**
 * A log that nobody checks the entries of: each is told by a number alone, so that two logs agree as far as
 * their numbers do.
 */
export class NumberedLog extends RawLog {
  constructor(store: Store = createMemoryDisk().open(), prefix = 'raw') {
    super(store, LOG_KEY, prefix)
  }

  /** One checkpoint over them. */
  async add(numbers: readonly number[]): Promise<this> {
    const entries = numbers.map((timeMs) => ({ ...SAMPLE_ENTRIES.release, timeMs }))
    await this.write(entries, COORDINATOR)
    return this
  }

  /** The latest checkpoint note. */
  get note(): Uint8Array {
    return this.head?.note ?? new Uint8Array()
  }
}
