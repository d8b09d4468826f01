import { mayBeNegative } from '../../core/ledger/account-name.js'
import type { Frontier } from '../../core/ledger/merkle/frontier.js'
import type { LogRecord } from '../../core/ledger/records.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { Store, Write } from '../../ports/store.js'
import { logOrigin } from '../../wire/checkpoint.js'
import type { NoteKey } from '../../wire/note-key.js'
import { peerIdOf } from '../../wire/peer-id.js'
import { type LogKeys, logKeys } from './log-keys.js'
import type { Head } from './log-open.js'
import { dropTip, endWrites, startWrite } from './log-tip.js'
import { readRecord } from './record-codec.js'
import { StateDigest, type StateRecord } from './state-digest.js'

/** Whose snapshot it is said to be; that the log's key signed the head, and that it is final, was checked. */
export interface TipSource {
  readonly peer: string
  readonly head: Head
  /** Folds to the head's root. */
  readonly frontier: Frontier
}

/**
 * Writes the records of a snapshot as they come, in order, each of its form; all of them must be there before
 * it counts. What can be seen of a state alone is checked: whose it is, how far it goes, that its balances
 * sum to nothing. Whether it is that of the entries only they can tell.
 */
export class TipBuilder {
  readonly #store: Store
  readonly #key: NoteKey
  readonly #prefix: string
  readonly #keys: LogKeys
  readonly #source: TipSource
  readonly #digest = new StateDigest()
  #last = ''
  #log: LogRecord | undefined
  #sum = 0n

  constructor(store: Store, init: { readonly key: NoteKey; readonly prefix: string }, source: TipSource) {
    this.#store = store
    this.#key = init.key
    this.#prefix = init.prefix
    this.#keys = logKeys(init.prefix)
    this.#source = source
  }

  /** Key of the last record that was taken. */
  get last(): string {
    return this.#last
  }

  /** Makes room. @throws EdgeCoderError of the store */
  begin(): Promise<void> {
    return dropTip(this.#store, this.#prefix)
  }

  /** @returns why the snapshot cannot be what it is said to be @throws EdgeCoderError of the store */
  async add(records: readonly StateRecord[]): Promise<Refusal | undefined> {
    const writes: Write[] = []
    for (const record of records) {
      const refused = this.#check(record)
      if (refused !== undefined) return refused
      this.#digest.add(record)
      writes.push({ type: 'put', key: this.#keys.state.gte + record.key, value: record.value })
    }
    await this.#store.commit(writes)
    return undefined
  }

  /** There are no more. @throws EdgeCoderError of the store */
  async end(): Promise<Refusal | undefined> {
    const { peer, head, frontier } = this.#source
    const log = this.#log
    if (log === undefined || this.#sum !== 0n) {
      return falseState(
        `all balances sum to ${this.#sum} microcredits, and its log is ${log?.home ?? 'missing'}`,
      )
    }
    const { size, note } = head
    const start = { peer, size, note, digest: this.#digest.end(), proven: false }
    await this.#store.commit([startWrite(this.#prefix, start), ...endWrites(this.#prefix, head, frontier)])
    return undefined
  }

  #check({ key, value }: StateRecord): Refusal | undefined {
    const { state } = this.#keys
    if (key <= this.#last) return falseState(`its record ${key} is not behind ${this.#last}`)
    this.#last = key
    const table = this.#keys.tableIn(state.gte + key)
    const own = table === undefined ? undefined : ownKey(() => this.#keys.recordIn(table, state.gte + key))
    if (table === undefined || own === undefined || this.#keys.record(table, own) !== state.gte + key) {
      return falseState(`no record has the key ${key}`)
    }
    if (table === 'log') return this.#checkLog(value)
    const read = readRecord(table, value)
    if ('refused' in read) return falseState(`its record ${key}: ${read.detail}`)
    if (table !== 'balance' || typeof read.value !== 'bigint') return undefined
    this.#sum += read.value
    return read.value >= 0n || mayBeNegative(own)
      ? undefined
      : falseState(`${own} has ${read.value} microcredits`)
  }

  #checkLog(value: Uint8Array): Refusal | undefined {
    const read = readRecord('log', value)
    if ('refused' in read) return falseState(`its log: ${read.detail}`)
    const { network, home, epoch, coordinator, size } = read.value
    const isThis = logOrigin(network, home, epoch) === this.#key.name
    if (!isThis || coordinator !== peerIdOf(this.#key.publicKey) || size !== this.#source.head.size) {
      return falseState(`it is of ${size} entries of ${logOrigin(network, home, epoch)} by ${coordinator}`)
    }
    this.#log = read.value
    return undefined
  }
}

function falseState(what: string): Refusal {
  return refusal('wrong-evidence', `a snapshot that cannot be true: ${what}`)
}

/** @returns undefined = it cannot be read */
function ownKey(read: () => string): string | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
