import { create, type DescField, type DescMessage, type Message, ScalarType } from '@bufbuild/protobuf'
import fc from 'fast-check'

const DEEPEST = 4

/** Messages of a kind with any values in them that its bytes can carry, within its bounds or not. */
export function anyMessage(schema: DescMessage, depth = 0): fc.Arbitrary<Message> {
  const oneofs = schema.oneofs.map((oneof) => {
    const cases = oneof.fields.map((field) =>
      anyValue(field, depth).map((value) => ({ case: field.localName, value })),
    )
    return [oneof.localName, fc.oneof(...cases)] as const
  })
  const plain = schema.fields
    .filter((field) => field.oneof === undefined && (depth < DEEPEST || field.message === undefined))
    .map((field) => [field.localName, anyValue(field, depth)] as const)
  return fc
    .record(Object.fromEntries([...oneofs, ...plain]), { requiredKeys: oneofs.map(([name]) => name) })
    .map((init) => create(schema, init))
}

/** Bytes of messages with a few bytes changed, left out, put in or said twice. */
export function mutated(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    at: fc.nat(),
    kind: fc.constantFrom('flip', 'cut', 'insert', 'repeat'),
    with: fc.uint8Array({ minLength: 1, maxLength: 6 }),
  })
  return fc.tuple(bytes, fc.array(change, { minLength: 1, maxLength: 4 })).map(([original, changes]) => {
    let hurt = Buffer.from(original)
    for (const { at, kind, with: given } of changes) {
      const index = at % (hurt.length + 1)
      const [before, after] = [hurt.subarray(0, index), hurt.subarray(index)]
      if (kind === 'cut') hurt = Buffer.concat([before, after.subarray(given.length)])
      else if (kind === 'insert') hurt = Buffer.concat([before, given, after])
      else if (kind === 'repeat') hurt = Buffer.concat([before, before, after])
      else hurt = Buffer.concat([before, given, after.subarray(given.length)])
    }
    return new Uint8Array(hurt)
  })
}

function anyValue(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.fieldKind === 'list') return fc.array(anySingle(field, depth), { maxLength: 3 })
  return anySingle(field, depth)
}

function anySingle(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.message !== undefined) return anyMessage(field.message, depth + 1)
  if (field.enum !== undefined) return fc.constantFrom(...field.enum.values.map((value) => value.number))
  switch (field.scalar) {
    case ScalarType.STRING:
      return fc.oneof(fc.constantFrom('a', 'acme:1', '12D3KooW'), fc.string({ maxLength: 20 }))
    case ScalarType.BYTES:
      return fc.constantFrom(0, 1, 32, 64).chain((n) => fc.uint8Array({ minLength: n, maxLength: n }))
    case ScalarType.BOOL:
      return fc.boolean()
    case ScalarType.SINT64:
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    case ScalarType.UINT64:
      return fc.oneof(fc.bigInt({ min: 0n, max: 100n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
    default:
      return fc.oneof(fc.nat(100), fc.integer({ min: 0, max: 2 ** 32 - 1 }))
  }
}
