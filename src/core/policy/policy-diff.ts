import { hexOf } from '../ledger/hex.js'
import type { PolicyChange, PolicyReader, PolicyTable } from './policy-records.js'

/** One field that a message changes; both sides as text, undefined = it is not there. */
export interface FieldChange {
  /** Which record: its table and key, such as `node 12D3KooW…`; a table that has one record, by itself. */
  readonly record: string
  /** Dotted; empty for a record that is one value. */
  readonly field: string
  readonly before: string | undefined
  readonly after: string | undefined
}

/** Where a message stands, which every message changes. */
const PLACES: ReadonlySet<PolicyTable> = new Set(['link', 'place'])
const PLACE_FIELDS: ReadonlySet<string> = new Set(['sequence', 'digest'])

/**
 * What a message changes, field by field.
 *
 * @param before the state it applies to @param changes of it
 */
export function policyDiff(before: PolicyReader, changes: readonly PolicyChange[]): readonly FieldChange[] {
  return changes.filter(({ table }) => !PLACES.has(table)).flatMap((change) => changedFields(before, change))
}

function changedFields(before: PolicyReader, { table, key, value }: PolicyChange): readonly FieldChange[] {
  const old = fieldsOf(recordBefore(before, table, key))
  const now = fieldsOf(value)
  const record = key === '' || isVersioned(table) ? table : `${table} ${key}`
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((field) => old.get(field) !== now.get(field) && !(table === 'chain' && PLACE_FIELDS.has(field)))
    .map((field) => ({ record, field, before: old.get(field), after: now.get(field) }))
}

/** Keys and terms stand under the message that set them: a new one takes the place of those in force. */
function recordBefore(before: PolicyReader, table: PolicyTable, key: string): unknown {
  if (!isVersioned(table)) return before.get(table, key)
  const sequence = String(before.get('chain', '')?.sequence)
  const link = before.get('link', sequence)
  if (table === 'terms') return before.get('terms', String(link?.terms))
  return before.get('keys', sequence) ?? before.get('keys', String(link?.judgedBy))
}

function isVersioned(table: PolicyTable): boolean {
  return table === 'terms' || table === 'keys'
}

/** A record as dotted names and texts. */
function fieldsOf(value: unknown, name = '', fields = new Map<string, string>()): Map<string, string> {
  if (value === undefined) return fields
  const inside = (part: string): string => (name === '' ? part : `${name}.${part}`)
  if (value instanceof Uint8Array) fields.set(name, hexOf(value))
  else if (Array.isArray(value)) {
    const named = value.map(nameOf)
    if (named.every((each) => each === undefined)) fields.set(name, value.map(textOf).join(', '))
    else
      for (const [at, each] of value.entries()) fieldsOf(withoutName(each), inside(named[at] ?? ''), fields)
  } else if (typeof value === 'object' && value !== null) {
    for (const [part, each] of Object.entries(value)) fieldsOf(each, inside(part), fields)
  } else fields.set(name, textOf(value))
  return fields
}

/** Powers and models are told apart by their names, not by their place in the list. */
function nameOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if ('power' in value) return String(value.power)
  if (!('name' in value && 'digest' in value && value.digest instanceof Uint8Array)) return undefined
  return `${value.name}@${hexOf(value.digest)}`
}

function withoutName(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'authority' in value ? value.authority : value
}

function textOf(value: unknown): string {
  return value instanceof Uint8Array ? hexOf(value) : String(value)
}
