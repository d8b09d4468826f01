import { readFileSync } from 'node:fs'
import { type DescMessage, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import { envelopeCodec, statements } from '../../../src/wire/envelope.js'
import { type Codec, frames, isMalformed } from '../../../src/wire/frame.js'

interface Vector {
  readonly name: string
  readonly message: string
  readonly hex: string
  readonly accept: boolean
  readonly expect: JsonValue
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../../protocols/vectors/messages.json', import.meta.url), 'utf8'),
)
const codecs = new Map<string, Codec<DescMessage>>(
  [...Object.values(frames), ...Object.values(statements), envelopeCodec].map((codec) => [
    codec.schema.typeName,
    codec,
  ]),
)

describe('wire vectors', () => {
  it.each(vectors)('$message: $name', (vector) => {
    const codec = codecs.get(vector.message)
    if (codec === undefined) throw new Error(`no codec for ${vector.message}`)
    const decoded = codec.decode(Buffer.from(vector.hex, 'hex'))
    expect(isMalformed(decoded)).toBe(!vector.accept)
    if (isMalformed(decoded)) {
      expect(decoded.code).toBe(vector.expect)
      return
    }
    expect(toJson(codec.schema, decoded)).toEqual(vector.expect)
    // What the words say, we write in the same bytes.
    const again = codec.encode(fromJson(codec.schema, vector.expect))
    expect(Buffer.from(again).toString('hex')).toBe(vector.hex)
  })
})
