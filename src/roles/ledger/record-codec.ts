import { EdgeCoderError } from '../../core/errors.js'
import type { LedgerRecords, Table } from '../../core/ledger/records.js'
import type { Field } from '../../wire/ledger/field.js'
import { decodeRecord, encodeRecord } from '../../wire/ledger/record.js'
import { RECORD_FIELDS } from '../../wire/ledger/record-fields.js'
import type { Malformed } from '../../wire/malformed.js'

/** The forms of wire/ledger are those of the core's records, table by table: the compiler says so here. */
const FIELDS: { readonly [T in Table]: Field<LedgerRecords[T]> } = RECORD_FIELDS

/** Every table of a ledger's state. */
export const TABLES = Object.keys(RECORD_FIELDS) as readonly Table[]

export function recordBytes<T extends Table>(table: T, value: LedgerRecords[T]): Uint8Array {
  return encodeRecord(FIELDS[table], value)
}

/** Reads a record that somebody sent. */
export function readRecord<T extends Table>(
  table: T,
  bytes: Uint8Array,
): { readonly value: LedgerRecords[T] } | Malformed {
  return decodeRecord(FIELDS[table], bytes)
}

/** @throws EdgeCoderError `store-corrupt`: a record that this version cannot have written */
export function recordOf<T extends Table>(table: T, key: string, bytes: Uint8Array): LedgerRecords[T] {
  const read = readRecord(table, bytes)
  if ('value' in read) return read.value
  throw new EdgeCoderError(
    'store-corrupt',
    `The ledger record ${table} "${key}" is damaged: ${read.detail}`,
    {
      next: 'Make the state anew from the entries, while the node is stopped: edgecoder ledger rebuild',
    },
  )
}
