import { MOST_MICROCREDITS } from '../limits.js'

/** One place in an entry: its plain CBOR value ↔ its checked value. */
export interface Field<V> {
  /** @throws FieldFault what is wrong, in words; caught by the entry's decoder, which returns it */
  read(value: unknown): V
  write(value: V): unknown
}

export type FieldValue<F> = F extends Field<infer V> ? V : never

/** Fields by name, in the order in which they stand in the array. */
export type Shape = Readonly<Record<string, Field<unknown>>>

export type ShapeValue<S extends Shape> = { readonly [Name in keyof S]: FieldValue<S[Name]> }

/** A field that is wrong, and where; the way to it grows while the fault comes back. */
export class FieldFault extends Error {
  override readonly name = 'FieldFault'
  path = ''
}

/** Fields in the order in which they are written. */
export type Fields = readonly (readonly [name: string, field: Field<unknown>])[]

/** A whole number from 0. */
export function uint(most: number = Number.MAX_SAFE_INTEGER): Field<number> {
  return {
    read(value) {
      if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most)
        return value
      throw new FieldFault(`not a whole number from 0 to ${most}`)
    },
    write: (value) => value,
  }
}

/** Microcredits. @param least 0n or 1n */
export function amount(least: bigint): Field<bigint> {
  return {
    read(value) {
      const number = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
      if (typeof number === 'bigint' && number >= least && number <= MOST_MICROCREDITS) return number
      throw new FieldFault(`not microcredits from ${least} to ${MOST_MICROCREDITS}`)
    },
    write: (value) => value,
  }
}

/** Microcredits that may be below zero, as balances of issuance and transit are. */
export const balance: Field<bigint> = {
  read(value) {
    const number = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
    if (typeof number === 'bigint' && number >= -MOST_MICROCREDITS && number <= MOST_MICROCREDITS)
      return number
    throw new FieldFault(`not a balance of at most ${MOST_MICROCREDITS} microcredits either way`)
  },
  write: (value) => value,
}

export function bytes(least: number, most: number): Field<Uint8Array> {
  return {
    read(value) {
      if (value instanceof Uint8Array && value.length >= least && value.length <= most) return value
      throw new FieldFault(`not ${least === most ? least : `${least} to ${most}`} bytes`)
    },
    write: (value) => value,
  }
}

/** Text of a form that the whole of it must have. */
export function matching(form: RegExp, what: string): Field<string> {
  return {
    read(value) {
      if (typeof value === 'string' && form.test(value)) return value
      throw new FieldFault(`not ${what}`)
    },
    write: (value) => value,
  }
}

/** Words for people: no control characters, may be empty. */
export function text(mostCharacters: number): Field<string> {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  const control = /[\u0000-\u001f\u007f]/
  return {
    read(value) {
      const fits = typeof value === 'string' && value.length <= mostCharacters && !control.test(value)
      if (fits) return value
      throw new FieldFault(`not text of at most ${mostCharacters} characters`)
    },
    write: (value) => value,
  }
}

export const flag: Field<boolean> = {
  read(value) {
    if (typeof value === 'boolean') return value
    throw new FieldFault(`not true or false`)
  },
  write: (value) => value,
}

/** One of some words, written as its place among them: only ever add words at the end. */
export function choice<const Word extends string>(...words: readonly Word[]): Field<Word> {
  return {
    read(value) {
      const word = typeof value === 'number' ? words[value] : undefined
      if (word !== undefined) return word
      throw new FieldFault(`a choice that this version does not know`)
    },
    write: (value) => words.indexOf(value),
  }
}

export function list<V>(of: Field<V>, least: number, most: number): Field<readonly V[]> {
  return {
    read(value) {
      if (!Array.isArray(value) || value.length < least || value.length > most) {
        throw new FieldFault(`not a list of ${least} to ${most}`)
      }
      return value.map((each, at) => readAt(at, of, each))
    },
    write: (value) => value.map((each) => of.write(each)),
  }
}

/** Written as null when it is absent. */
export function optional<V>(of: Field<V>): Field<V | undefined> {
  return {
    read: (value) => (value === null ? undefined : of.read(value)),
    write: (value) => (value === undefined ? null : of.write(value)),
  }
}

/** Fields within a field. */
export function group<S extends Shape>(shape: S): Field<ShapeValue<S>> {
  const fields: Fields = Object.entries(shape)
  return {
    read: (value) => readFields(fields, value) as ShapeValue<S>,
    write: (value) => writeFields(fields, value),
  }
}

/**
 * @param from values before this one are not the fields'
 * @throws FieldFault
 */
export function readFields(fields: Fields, values: unknown, from = 0): Readonly<Record<string, unknown>> {
  if (!Array.isArray(values) || values.length !== from + fields.length) {
    throw new FieldFault(`not an array of ${from + fields.length}`)
  }
  const read: Record<string, unknown> = {}
  for (let at = 0; at < fields.length; at++) {
    const [name, field] = fields[at] as Fields[number]
    read[name] = readAt(name, field, values[from + at])
  }
  return read
}

export function writeFields(fields: Fields, values: Readonly<Record<string, unknown>>): unknown[] {
  return fields.map(([name, field]) => field.write(values[name]))
}

function readAt<V>(place: string | number, field: Field<V>, value: unknown): V {
  try {
    return field.read(value)
  } catch (cause) {
    if (cause instanceof FieldFault)
      cause.path = within(typeof place === 'number' ? `[${place}]` : place, cause.path)
    throw cause
  }
}

function within(place: string, path: string): string {
  return path === '' || path.startsWith('[') ? `${place}${path}` : `${place}.${path}`
}
