import { MOST_MICROCREDITS } from '../limits.js'

/** One place in an entry: its plain CBOR value ↔ its checked value. */
export interface Field<V> {
  /** @throws FieldFault what is wrong, in words; caught by the entry's decoder, which returns it */
  read(value: unknown, path: string): V
  write(value: V): unknown
}

export type FieldValue<F> = F extends Field<infer V> ? V : never

/** Fields by name, in the order in which they stand in the array. */
export type Shape = Readonly<Record<string, Field<unknown>>>

export type ShapeValue<S extends Shape> = { readonly [Name in keyof S]: FieldValue<S[Name]> }

export class FieldFault extends Error {
  override readonly name = 'FieldFault'
}

/** A whole number from 0. */
export function uint(most: number = Number.MAX_SAFE_INTEGER): Field<number> {
  return {
    read(value, path) {
      if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most)
        return value
      throw new FieldFault(`${path}: not a whole number from 0 to ${most}`)
    },
    write: (value) => value,
  }
}

/** Microcredits. @param least 0n or 1n */
export function amount(least: bigint): Field<bigint> {
  return {
    read(value, path) {
      const number = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
      if (typeof number === 'bigint' && number >= least && number <= MOST_MICROCREDITS) return number
      throw new FieldFault(`${path}: not microcredits from ${least} to ${MOST_MICROCREDITS}`)
    },
    write: (value) => value,
  }
}

export function bytes(least: number, most: number): Field<Uint8Array> {
  return {
    read(value, path) {
      if (value instanceof Uint8Array && value.length >= least && value.length <= most) return value
      throw new FieldFault(`${path}: not ${least === most ? least : `${least} to ${most}`} bytes`)
    },
    write: (value) => value,
  }
}

/** Text of a form that the whole of it must have. */
export function matching(form: RegExp, what: string): Field<string> {
  return {
    read(value, path) {
      if (typeof value === 'string' && form.test(value)) return value
      throw new FieldFault(`${path}: not ${what}`)
    },
    write: (value) => value,
  }
}

/** Words for people: no control characters, may be empty. */
export function text(mostCharacters: number): Field<string> {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  const control = /[\u0000-\u001f\u007f]/
  return {
    read(value, path) {
      const fits = typeof value === 'string' && value.length <= mostCharacters && !control.test(value)
      if (fits) return value
      throw new FieldFault(`${path}: not text of at most ${mostCharacters} characters`)
    },
    write: (value) => value,
  }
}

export const flag: Field<boolean> = {
  read(value, path) {
    if (typeof value === 'boolean') return value
    throw new FieldFault(`${path}: not true or false`)
  },
  write: (value) => value,
}

/** One of some words, written as its place among them: only ever add words at the end. */
export function choice<const Word extends string>(...words: readonly Word[]): Field<Word> {
  return {
    read(value, path) {
      const word = typeof value === 'number' ? words[value] : undefined
      if (word !== undefined) return word
      throw new FieldFault(`${path}: a choice that this version does not know`)
    },
    write: (value) => words.indexOf(value),
  }
}

export function list<V>(of: Field<V>, least: number, most: number): Field<readonly V[]> {
  return {
    read(value, path) {
      if (!Array.isArray(value) || value.length < least || value.length > most) {
        throw new FieldFault(`${path}: not a list of ${least} to ${most}`)
      }
      return value.map((each, at) => of.read(each, `${path}[${at}]`))
    },
    write: (value) => value.map((each) => of.write(each)),
  }
}

/** Written as null when it is absent. */
export function optional<V>(of: Field<V>): Field<V | undefined> {
  return {
    read: (value, path) => (value === null ? undefined : of.read(value, path)),
    write: (value) => (value === undefined ? null : of.write(value)),
  }
}

/** Fields within a field. */
export function group<S extends Shape>(shape: S): Field<ShapeValue<S>> {
  return {
    read: (value, path) => readShape(shape, value, `${path}.`),
    write: (value) => writeShape(shape, value),
  }
}

/** @throws FieldFault */
export function readShape<S extends Shape>(shape: S, value: unknown, path: string): ShapeValue<S> {
  const names = Object.keys(shape)
  if (!Array.isArray(value) || value.length !== names.length) {
    throw new FieldFault(`${path === '' ? 'body' : path}: not an array of ${names.length}`)
  }
  const read: Record<string, unknown> = {}
  names.forEach((name, at) => {
    read[name] = shape[name]?.read(value[at], `${path}${name}`)
  })
  return read as ShapeValue<S>
}

export function writeShape<S extends Shape>(shape: S, value: ShapeValue<S>): readonly unknown[] {
  return Object.keys(shape).map((name) => shape[name]?.write(value[name]))
}
