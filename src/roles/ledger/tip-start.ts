import { encodeCbor, readCborList } from '../../wire/cbor.js'

/** The snapshot that a tip began with, and what became of it. */
export interface TipStart {
  /** Peer id of who gave it. */
  readonly peer: string
  /** Entries that the state was said to be of. */
  readonly size: number
  /** The log's checkpoint note of that size. */
  readonly note: Uint8Array
  /** Over all records as they came. */
  readonly digest: Uint8Array
  /** The entries below were replayed here since, and make the same state. */
  readonly proven: boolean
}

export function tipStartBytes({ peer, size, note, digest, proven }: TipStart): Uint8Array {
  return encodeCbor([peer, size, note, digest, proven])
}

/** @returns undefined = not what this version writes */
export function readTipStart(bytes: Uint8Array): TipStart | undefined {
  const items = readCborList(bytes)
  if ('refused' in items) return undefined
  const [peer, size, note, digest, proven] = items
  if (typeof peer !== 'string' || typeof size !== 'number' || typeof proven !== 'boolean') return undefined
  if (!(note instanceof Uint8Array) || !(digest instanceof Uint8Array)) return undefined
  return { peer, size, note, digest, proven }
}
