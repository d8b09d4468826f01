import { type DescField, type DescMessage, getOption, type Message, ScalarType } from '@bufbuild/protobuf'
import * as limits from './generated/edgecoder/limits/v1/limits_pb.js'

type Check = (message: Readonly<Record<string, unknown>>, path: string) => string | undefined
type ValueCheck = (value: unknown, path: string) => string | undefined

const compiled = new WeakMap<DescMessage, Check>()
const IDENTIFIER = /^[A-Za-z0-9._:-]+$/

/**
 * Checks a decoded message, and all in it, against the bounds that its .proto file states.
 *
 * @returns a sentence naming the field and the bound it breaks, or undefined when all hold
 * @see protocols/edgecoder/limits/v1/limits.proto
 */
export function boundsBroken(schema: DescMessage, message: Message): string | undefined {
  return checkOf(schema)(message as unknown as Record<string, unknown>, '')
}

function checkOf(schema: DescMessage): Check {
  const known = compiled.get(schema)
  if (known !== undefined) return known
  let checks: readonly Check[] = []
  const check: Check = (message, path) => {
    for (const each of checks) {
      const broken = each(message, path)
      if (broken !== undefined) return broken
    }
    return undefined
  }
  compiled.set(schema, check)
  checks = [
    ...schema.oneofs.map(oneofCheck),
    ...schema.fields.filter((f) => f.oneof === undefined).map(fieldCheck),
  ]
  return check
}

function oneofCheck(oneof: DescMessage['oneofs'][number]): Check {
  const byCase = new Map(oneof.fields.map((field) => [field.localName, valueCheck(field)]))
  return (message, path) => {
    const chosen = message[oneof.localName] as { case: string | undefined; value: unknown }
    if (chosen.case === undefined)
      return `${path}${oneof.name}: nothing chosen, or a kind this version does not know`
    return byCase.get(chosen.case)?.(chosen.value, `${path}${chosen.case}`)
  }
}

function fieldCheck(field: DescField): Check {
  const name = field.localName
  const must = getOption(field, limits.required)
  const maxItems = getOption(field, limits.max_items)
  const check = valueCheck(field)
  if (field.fieldKind === 'list') {
    return (message, path) => {
      const items = message[name] as readonly unknown[]
      if (must && items.length === 0) return `${path}${field.name}: is required`
      if (items.length > maxItems) return `${path}${field.name}: ${items.length} items, at most ${maxItems}`
      for (let i = 0; i < items.length; i++) {
        const broken = check(items[i], `${path}${field.name}[${i}]`)
        if (broken !== undefined) return broken
      }
      return undefined
    }
  }
  return (message, path) => {
    const value = message[name]
    if (isAbsent(value)) return must ? `${path}${field.name}: is required` : undefined
    return check(value, `${path}${field.name}`)
  }
}

function isAbsent(value: unknown): boolean {
  if (value === undefined || value === '' || value === 0 || value === 0n) return true
  return value instanceof Uint8Array && value.length === 0
}

function valueCheck(field: DescField): ValueCheck {
  if (field.message !== undefined) {
    const schema = field.message
    return (value, path) => checkOf(schema)(value as Record<string, unknown>, `${path}.`)
  }
  if (field.enum !== undefined) {
    const known = new Set(field.enum.values.map((value) => value.number))
    return (value, path) =>
      known.has(value as number) ? undefined : `${path}: ${value} is not a known value`
  }
  if (field.scalar === ScalarType.STRING) return stringCheck(field)
  if (field.scalar === ScalarType.BYTES) return bytesCheck(field)
  const maxValue = getOption(field, limits.max_value)
  if (maxValue === 0n) return () => undefined
  return (value, path) =>
    BigInt(value as number | bigint) <= maxValue ? undefined : `${path}: ${value} is over ${maxValue}`
}

function stringCheck(field: DescField): ValueCheck {
  const maxBytes = getOption(field, limits.max_bytes)
  const identifier = getOption(field, limits.identifier)
  return (value, path) => {
    const text = value as string
    if (text.length > maxBytes || (text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes)) {
      return `${path}: over ${maxBytes} bytes`
    }
    return identifier && !IDENTIFIER.test(text) ? `${path}: may hold A-Z a-z 0-9 . _ : - only` : undefined
  }
}

function bytesCheck(field: DescField): ValueCheck {
  const maxBytes = getOption(field, limits.max_bytes)
  const exactBytes = getOption(field, limits.exact_bytes)
  return (value, path) => {
    const { length } = value as Uint8Array
    if (exactBytes !== 0)
      return length === exactBytes ? undefined : `${path}: ${length} bytes, must be ${exactBytes}`
    return length <= maxBytes ? undefined : `${path}: ${length} bytes, at most ${maxBytes}`
  }
}
