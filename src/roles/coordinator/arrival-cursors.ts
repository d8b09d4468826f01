import { EdgeCoderError } from '../../core/errors.js'
import type { Store, Write } from '../../ports/store.js'
import type { Recordable } from './journal.js'

/** A parcel that could not be taken in, for now. */
export interface ParkedParcel {
  readonly origin: string
  readonly index: number
}

const CURSOR = /^[0-9]{1,16}$/
const DIGITS = 16
/** A key says all; a value must not be empty. */
const MARK = Uint8Array.of(1)

/**
 * How far each other log was walked for what it sends here, and what of it is parked. On the disk with what
 * was appended for it: a cursor that is behind costs a second look, one that is ahead would cost credits.
 */
export class ArrivalCursors {
  readonly #store: Store
  readonly #prefix: string
  readonly #cursors = new Map<string, number>()
  #parked = 0

  /** @param prefix of its keys, under that of the own log: they go when it goes */
  constructor(store: Store, prefix: string) {
    this.#store = store
    this.#prefix = prefix
  }

  /** Parcels that are parked. */
  get parked(): number {
    return this.#parked
  }

  /** @throws EdgeCoderError `store-corrupt` */
  async load(): Promise<void> {
    for await (const [key, value] of this.#store.range(this.#under('c'))) {
      const origin = Buffer.from(key.slice(this.#prefix.length + 3), 'hex').toString()
      const next = Buffer.from(value).toString()
      if (!CURSOR.test(next)) {
        throw new EdgeCoderError('store-corrupt', `The mark of what arrived from ${origin} is damaged.`)
      }
      this.#cursors.set(origin, Number(next))
    }
    for await (const _ of this.#store.range(this.#under('p'))) this.#parked++
  }

  /** Removes all of it from the disk. Call it before {@link load}. @throws EdgeCoderError of the store */
  async forget(): Promise<void> {
    const gone: Write[] = []
    for (const part of ['c', 'p']) {
      for await (const [key] of this.#store.range(this.#under(part))) gone.push({ type: 'del', key })
    }
    if (gone.length > 0) await this.#store.commit(gone)
  }

  next(origin: string): number {
    return this.#cursors.get(origin) ?? 0
  }

  /** All before `next` was taken in, parked, or is none of ours. */
  moved(origin: string, next: number): Recordable {
    this.#cursors.set(origin, next)
    const key = `${this.#prefix}|c|${Buffer.from(origin).toString('hex')}`
    return { key, write: () => ({ type: 'put', key, value: Buffer.from(String(this.next(origin))) }) }
  }

  park(parcel: ParkedParcel): Recordable {
    this.#parked++
    return this.#parkedWrite(parcel, { type: 'put', key: this.#parkedKey(parcel), value: MARK })
  }

  unpark(parcel: ParkedParcel): Recordable {
    this.#parked--
    return this.#parkedWrite(parcel, { type: 'del', key: this.#parkedKey(parcel) })
  }

  /** Parked parcels that are durable, by log and index, from behind one on. */
  async parkedAfter(before: ParkedParcel | undefined, limit: number): Promise<readonly ParkedParcel[]> {
    const found: ParkedParcel[] = []
    const all = this.#under('p')
    const gte = before === undefined ? all.gte : `${this.#parkedKey(before)}~`
    for await (const [key] of this.#store.range({ ...all, gte, limit })) {
      const [hex = '', digits = ''] = key.slice(this.#prefix.length + 3).split('|')
      found.push({ origin: Buffer.from(hex, 'hex').toString(), index: Number(digits) })
    }
    return found
  }

  #parkedWrite(parcel: ParkedParcel, write: Write): Recordable {
    return { key: this.#parkedKey(parcel), write: () => write }
  }

  #parkedKey({ origin, index }: ParkedParcel): string {
    const hex = Buffer.from(origin).toString('hex')
    return `${this.#prefix}|p|${hex}|${String(index).padStart(DIGITS, '0')}`
  }

  #under(part: string) {
    return { gte: `${this.#prefix}|${part}|`, lt: `${this.#prefix}|${part}}` }
  }
}
