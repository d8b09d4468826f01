import { createHash } from 'node:crypto'

/** A record of a log's state as it is stored. */
export interface StateRecord {
  /** Letter of its table, a bar, and its key: see {@link LogKeys.record}. */
  readonly key: string
  /** Its one encoding. */
  readonly value: Uint8Array
}

const DOMAIN = 'edgecoder-state/1\n'
/** Length of the key in two bytes, of the value in four. */
const LENGTHS_BYTES = 6

/** SHA-256 over all records of a state, in the order of their keys: two are the same when these are. */
export class StateDigest {
  readonly #hash = createHash('sha256').update(DOMAIN)

  add({ key, value }: StateRecord): void {
    const head = Buffer.allocUnsafe(LENGTHS_BYTES + key.length)
    head.writeUInt16BE(key.length, 0)
    head.writeUInt32BE(value.length, 2)
    head.write(key, LENGTHS_BYTES, 'latin1')
    this.#hash.update(head).update(value)
  }

  /** To be called once. @returns 32 bytes */
  end(): Uint8Array {
    return new Uint8Array(this.#hash.digest())
  }
}
