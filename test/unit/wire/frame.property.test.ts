import { create } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { envelopeCodec, statements } from '../../../src/wire/envelope.js'
import { frames, isMalformed } from '../../../src/wire/frame.js'
import { EnvelopeSchema } from '../../../src/wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import { PADDING } from '../../helpers/padding.js'

const codecs = { ...frames, ...statements, envelope: envelopeCodec }

describe('decoders', () => {
  it.each(Object.entries(codecs))('%s: any bytes are read or refused, never thrown at', (_name, codec) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 512 }), (bytes) => {
        const decoded = codec.decode(bytes)
        if (isMalformed(decoded)) expect(decoded.detail).not.toBe('')
      }),
      { numRuns: 300 },
    )
  })

  it('a true message with any one byte changed is read or refused, never thrown at', () => {
    const bytes = frames.coordinatorToWorker.encode({
      body: {
        case: 'lease',
        value: {
          header: {
            id: 'ann:1',
            kind: 1,
            account: 'ann',
            maxAttempts: 1,
            maxRunMs: 1,
            payloadDigest: new Uint8Array(32),
            payloadBytes: 1,
            gateway: 'g',
            submittedMs: 1n,
          },
          fence: 1n,
          attempt: 1,
          leaseMs: 1,
        },
      },
    })
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (index, flip) => {
        const hurt = bytes.slice()
        hurt[index] = (hurt[index] ?? 0) ^ flip
        expect(() => frames.coordinatorToWorker.decode(hurt)).not.toThrow()
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([
    [frames.workerToCoordinator, 'beat', { progress: [] }],
    [frames.coordinatorToWorker, 'beatAck', { renewed: [] }],
  ] as const)('the usual frame is read as any other, and given to all alike', (codec, kind, value) => {
    const bytes = codec.encode({ body: { case: kind, value: {} } } as never)
    const decoded = codec.decode(Buffer.from(bytes))
    expect(decoded).toMatchObject({ body: { case: kind, value } })
    expect(codec.decode(bytes)).toBe(decoded)
    expect(codec.encode(decoded as never)).toEqual(bytes)
    const list = Object.values(isMalformed(decoded) ? {} : (decoded.body.value ?? {})).find(Array.isArray)
    expect(() => list?.push(1)).toThrow(TypeError)
  })

  it('a frame over its bound is refused before it is parsed', () => {
    const decoded = frames.announcement.decode(new Uint8Array(frames.announcement.maxBytes + 1))
    expect(isMalformed(decoded) && decoded.code).toBe('frame-too-large')
  })

  it('a declared length that runs past the end does not allocate', () => {
    // Field 3 (bytes), length 2^31 - 1, and nothing behind it.
    const decoded = envelopeCodec.decode(Buffer.from('1affffffff07', 'hex'))
    expect(isMalformed(decoded) && decoded.code).toBe('malformed')
  })

  it('what this version does not know is not kept, how deep it lies: no bound is set to it', () => {
    const pad = <T extends object>(value: T): T => Object.assign(value, { $unknown: [PADDING] })
    const envelope = { network: 'n', type: 'x', payload: new Uint8Array(1), issuedMs: 1n }
    const keys = { publicKey: new Uint8Array(32), signature: new Uint8Array(64) }
    const body = {
      case: 'submit',
      value: { ask: 1, order: create(EnvelopeSchema, { ...envelope, ...keys }) },
    } as const
    pad(body.value.order)
    const said = frames.gatewayToCoordinator
    const padded = said.encode({ body })
    expect(padded.length).toBeGreaterThan(60_000)
    const heard = said.decode(padded)
    expect(isMalformed(heard) ? heard : said.encode(heard).length).toBeLessThan(300)
  })
})
