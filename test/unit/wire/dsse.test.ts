import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDsse, parseDsse, preAuthEncoding, signDsse, signersOf } from '../../../src/wire/dsse.js'
import { isMalformed } from '../../../src/wire/frame.js'
import { keyOfSeed, seededKey } from '../../helpers/note-signers.js'

interface Vectors {
  readonly pae: readonly { readonly payloadType: string; readonly payload: string; readonly expect: string }[]
  readonly keys: readonly { readonly seed: string; readonly public: string }[]
  readonly vectors: readonly {
    readonly name: string
    readonly envelope: string
    readonly keys: readonly string[]
    readonly pae?: string
    readonly accept: boolean
    readonly signers?: readonly string[]
  }[]
}

const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../../protocols/vectors/dsse.json', import.meta.url), 'utf8'),
)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const TYPE = 'application/vnd.edgecoder.test'
const KEYS = [1, 2, 3, 4].map(seededKey)

describe('DSSE vectors', () => {
  it.each(vectors.pae)('what is signed is $expect', ({ payloadType, payload, expect: text }) => {
    expect(Buffer.from(preAuthEncoding(payloadType, Buffer.from(payload))).toString()).toBe(text)
  })

  it.each(vectors.vectors)('$name', async (vector) => {
    const envelope = parseDsse(Buffer.from(vector.envelope))
    expect(isMalformed(envelope)).toBe(!vector.accept)
    if (isMalformed(envelope)) {
      expect(envelope.detail).not.toBe('')
      return
    }
    if (vector.pae !== undefined) {
      expect(hex(preAuthEncoding(envelope.payloadType, envelope.payload))).toBe(vector.pae)
    }
    const keys = vector.keys.map((key) => Buffer.from(key, 'hex'))
    expect((await signersOf(envelope, keys)).map(hex)).toEqual(vector.signers)
    expect(parseDsse(formatDsse(envelope))).toEqual(envelope)
  })

  it('are signed in the same bytes here', () => {
    for (const { envelope, keys, signers } of vectors.vectors.slice(0, 9)) {
      const read = parseDsse(Buffer.from(envelope))
      if (isMalformed(read) || signers?.length !== keys.length) continue
      const made = vectors.keys
        .filter((key) => keys.includes(key.public))
        .map(({ seed }) => signDsse(read, keyOfSeed(Buffer.from(seed, 'hex')), 'x').signature)
      expect(made).toEqual(read.signatures.map(({ signature }) => signature))
    }
  })

  it('hold many that are refused', () => {
    expect(vectors.vectors.filter(({ accept }) => !accept).length).toBeGreaterThan(15)
  })
})

describe('DSSE envelopes', () => {
  it('are read as they were written, and count each key once, whatever the signatures and hints', async () => {
    const signature = fc.record({
      by: fc.option(fc.nat(KEYS.length - 1), { nil: undefined }),
      keyid: fc.constantFrom('', 'one', 'two', 'é"\\'),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 100 }),
        fc.array(signature, { maxLength: 8 }),
        fc.subarray(KEYS),
        async (payload, signatures, trusted) => {
          const bare = { payloadType: TYPE, payload }
          const envelope = {
            ...bare,
            signatures: signatures.map(({ by, keyid }) => {
              const key = KEYS[by ?? -1]
              return key === undefined ? { keyid, signature: new Uint8Array(64) } : signDsse(bare, key, keyid)
            }),
          }
          expect(parseDsse(formatDsse(envelope))).toEqual(envelope)
          const keys = trusted.map(({ publicKey }) => publicKey)
          const signed = await signersOf(envelope, [...keys, ...keys])
          const naive = keys.filter((key) =>
            signatures.some(({ by }) => by !== undefined && KEYS[by]?.publicKey === key),
          )
          expect(signed.map(hex)).toEqual(naive.map(hex))
        },
      ),
      { numRuns: 200 },
    )
  })

  it('any bytes and any JSON are read or refused, never thrown at', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void parseDsse(bytes)))
    fc.assert(fc.property(fc.json(), (json) => void parseDsse(Buffer.from(json))))
    for (const hostile of [Buffer.alloc(30_000, '['), Buffer.from('{"__proto__":{},"signatures":[]}')]) {
      expect(isMalformed(parseDsse(hostile))).toBe(true)
    }
    const large = parseDsse(Buffer.alloc(33_000, ' '))
    expect(isMalformed(large) && large.code).toBe('frame-too-large')
  })

  it('with a byte changed say nothing else that is signed', async () => {
    const key = KEYS[0] as (typeof KEYS)[number]
    const bare = { payloadType: TYPE, payload: Buffer.from('what was meant') }
    const bytes = formatDsse({ ...bare, signatures: [signDsse(bare, key, 'k')] })
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const hurt = bytes.slice()
        hurt[at] = (hurt[at] ?? 0) ^ flip
        const read = parseDsse(hurt)
        if (isMalformed(read) || (await signersOf(read, [key.publicKey])).length === 0) return
        expect(hex(read.payload)).toBe(hex(bare.payload))
        expect(read.payloadType).toBe(TYPE)
      }),
      { numRuns: 500 },
    )
  })
})
