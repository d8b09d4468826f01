import { type DescMessage, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createIdentity } from '../../../src/services/identity/identity.js'
import { envelopeCodec, open, seal, statements } from '../../../src/wire/envelope.js'
import { type Codec, frames, isMalformed } from '../../../src/wire/frame.js'
import { anyMessage, mutated } from '../../helpers/any-message.js'

const codecs: Readonly<Record<string, Codec<DescMessage>>> = {
  ...frames,
  ...statements,
  envelope: envelopeCodec,
}

describe('messages of every kind', () => {
  it.each(Object.entries(codecs))(
    '%s: with any values, whole or hurt, are read or refused',
    (_name, codec) => {
      const bytes = anyMessage(codec.schema).map((message) => toBinary(codec.schema, message))
      fc.assert(
        fc.property(fc.oneof(bytes, mutated(bytes)), (given) => {
          const decoded = codec.decode(given)
          if (isMalformed(decoded)) expect(decoded.detail).toMatch(/^edgecoder\./)
          // What is taken can be passed on.
          else expect(codec.decode(toBinary(codec.schema, decoded))).toEqual(decoded)
        }),
        { numRuns: 300 },
      )
    },
  )
})

describe('statements', () => {
  const { signer } = createIdentity()
  const NOW_MS = 1_800_000_000_000
  const good = seal(
    signer,
    'net',
    statements.acceptance,
    { taskId: 'a:1', fence: 1n, receiptDigest: new Uint8Array(32) },
    NOW_MS,
  )

  it('of any envelope that can be read are opened or refused, never thrown at', async () => {
    const change = fc.record(
      {
        network: fc.constantFrom('net', 'another'),
        type: fc.constantFrom(good.type, 'edgecoder.task.v1.Receipt'),
        payload: mutated(fc.constant(good.payload)),
        publicKey: fc.uint8Array({ minLength: 32, maxLength: 32 }),
        issuedMs: fc.oneof(
          fc.constantFrom(1n, 8_640_000_000_000_001n, 9_007_199_254_740_991n),
          fc.bigInt({ min: 1n, max: 9_007_199_254_740_991n }),
        ),
        signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
      },
      { requiredKeys: [] },
    )
    await fc.assert(
      fc.asyncProperty(
        change,
        fc.option(fc.constant(NOW_MS), { nil: undefined }),
        async (changed, freshAtMs) => {
          const opened = await open({ ...good, ...changed }, 'net', statements.acceptance, freshAtMs)
          if (isMalformed(opened)) expect(opened.detail).not.toBe('')
          else expect(opened.signer).toBe(signer.peerId)
        },
      ),
      { numRuns: 500 },
    )
  })
})
