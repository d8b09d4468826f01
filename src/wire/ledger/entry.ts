import { cborNumberBytes, encodeCbor, readCborList } from '../cbor.js'
import { ENTRY_BYTES } from '../limits.js'
import { type Malformed, malformed } from '../malformed.js'
import { sha256 } from '../sha256.js'
import { ENTRY_SHAPES } from './entry-shapes.js'
import { bytes, FieldFault, type Fields, readFields, type ShapeValue, uint, writeFields } from './field.js'

export type EntryKind = keyof typeof ENTRY_SHAPES

interface EntryHead<Kind extends EntryKind> {
  readonly kind: Kind
  /** 16 bytes, made by who wants the entry before it is first sent: the same id again is the same wish. */
  readonly id: Uint8Array
  /** Wall clock of the writer; informative, nothing is ordered by it. */
  readonly timeMs: number
}

export type EntryOf<Kind extends EntryKind> = Kind extends EntryKind
  ? EntryHead<Kind> & ShapeValue<(typeof ENTRY_SHAPES)[Kind]['shape']>
  : never

/** One entry of a log, of whatever kind. */
export type Entry = EntryOf<EntryKind>

/** Version of the form; the first item of every entry. */
const VERSION = 1
/** Version, kind and id stand before the fields; the time stands last. */
const HEAD_LENGTH = 3
const ID = bytes(16, 16)
const TIME = uint()
const FIELDS = new Map<string, Fields>()
const KIND_BY_NUMBER = new Map<unknown, EntryKind>()
for (const [kind, { number, shape }] of Object.entries(ENTRY_SHAPES)) {
  FIELDS.set(kind, [...Object.entries<Fields[number][1]>(shape), ['timeMs', TIME]])
  KIND_BY_NUMBER.set(number, kind as EntryKind)
}

/**
 * The one encoding of an entry: a CBOR array `[version, kind, id, …fields, time]` of RFC 8949 §4.2 form.
 * Bounds are not checked here; {@link decodeEntry} is what tells whether others will take it.
 */
export function encodeEntry(entry: Entry): Uint8Array {
  const { number } = ENTRY_SHAPES[entry.kind]
  return encodeCbor([VERSION, number, entry.id, ...writeFields(fieldsOf(entry.kind), { ...entry })])
}

/**
 * Reads an entry. Never throws. Bytes that are not the one encoding of their value are refused, so that an
 * entry has one hash; hash the bytes as they came all the same.
 *
 * @returns byte fields are views of `encoded`
 */
export function decodeEntry(encoded: Uint8Array): Entry | Malformed {
  if (encoded.length > ENTRY_BYTES) {
    return malformed('frame-too-large', `an entry of ${encoded.length} bytes, at most ${ENTRY_BYTES}`)
  }
  const items = readCborList(encoded)
  if ('refused' in items) return items
  if (items.length <= HEAD_LENGTH) {
    return malformed('malformed', `an entry is an array of more than ${HEAD_LENGTH}`)
  }
  const [version, number, id] = items
  const kind = KIND_BY_NUMBER.get(number)
  if (version !== VERSION || kind === undefined) {
    return malformed('unknown-kind', `an entry of version ${show(version)}, kind ${show(number)}`)
  }
  try {
    return { kind, id: ID.read(id), ...readFields(fieldsOf(kind), items, HEAD_LENGTH) } as Entry
  } catch (cause) {
    if (!(cause instanceof FieldFault)) throw cause
    return malformed(
      'out-of-bounds',
      `${kind}: ${cause.path === '' ? '' : `${cause.path}: `}${cause.message}`,
    )
  }
}

/**
 * Digest of what an entry says, whenever it was written down: the same wish sent again has the same one.
 *
 * @param encoded the entry's encoding; its time is the end of it
 * @returns 32 bytes
 */
export function contentDigest(entry: Entry, encoded: Uint8Array): Uint8Array {
  const said = encoded.subarray(0, encoded.length - cborNumberBytes(entry.timeMs))
  return sha256(said)
}

/**
 * An id that follows from what the entry is about, so that a writer that crashed makes the same one again.
 *
 * @param about such as the task and the fence; parts hold no line break
 */
export function derivedEntryId(kind: EntryKind, ...about: readonly string[]): Uint8Array {
  const parts = ['edgecoder-entry-id/1', kind, ...about].join('\n')
  return sha256(parts).slice(0, 16)
}

function fieldsOf(kind: EntryKind): Fields {
  return FIELDS.get(kind) ?? []
}

function show(value: unknown): string {
  return typeof value === 'number' ? String(value) : typeof value
}
