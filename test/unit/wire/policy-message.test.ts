import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDsse } from '../../../src/wire/dsse.js'
import { isMalformed } from '../../../src/wire/frame.js'
import { LONG_STATEMENT_BYTES, STATEMENT_BYTES } from '../../../src/wire/limits.js'
import { peerIdOf, publicKeyOf } from '../../../src/wire/peer-id.js'
import { keyText, parseKeyText } from '../../../src/wire/policy/key-text.js'
import {
  decodePolicy,
  encodePolicy,
  networkIdOf,
  type PolicyMessage,
  policyDigest,
  readPolicy,
} from '../../../src/wire/policy/policy-message.js'
import { seededKey } from '../../helpers/note-signers.js'
import { ANN, messageOf, SAMPLE_BODIES, sampleChain, signed } from '../../helpers/sample-policy.js'

interface Payload {
  readonly name: string
  readonly hex: string
  readonly accept: boolean
  readonly expect: unknown
  readonly digest?: string
  readonly network?: string
}

const { payloads }: { payloads: readonly Payload[] } = JSON.parse(
  readFileSync(new URL('../../../protocols/vectors/policy.json', import.meta.url), 'utf8'),
)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const SAMPLES = sampleChain().map(({ message }) => message)

function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, each: unknown) => {
      if (typeof each === 'bigint') return String(each)
      return each instanceof Uint8Array ? hex(each) : each
    }),
  )
}

describe('policy payload vectors', () => {
  it.each(payloads)('$name', (vector) => {
    const bytes = Uint8Array.from(Buffer.from(vector.hex, 'hex'))
    const message = decodePolicy(bytes)
    expect(isMalformed(message)).toBe(!vector.accept)
    if (isMalformed(message)) {
      expect(message.code).toBe(vector.expect)
      return
    }
    expect(plain(message)).toEqual(vector.expect)
    expect(hex(encodePolicy(message))).toBe(vector.hex)
    expect(hex(policyDigest(bytes))).toBe(vector.digest)
    if (vector.network !== undefined) expect(networkIdOf(policyDigest(bytes))).toBe(vector.network)
  })

  it('hold one of each kind, and many refused', () => {
    const kinds = payloads.flatMap(({ accept, expect: value }) =>
      accept ? [(value as PolicyMessage).kind] : [],
    )
    expect(kinds.toSorted()).toEqual(SAMPLES.map(({ kind }) => kind).toSorted())
    expect(payloads.filter(({ accept }) => !accept).length).toBeGreaterThan(30)
  })
})

describe('policy messages', () => {
  it.each(SAMPLES)('$kind is read as it was written, in an envelope too', (message) => {
    expect(decodePolicy(encodePolicy(message))).toEqual(message)
    const read = readPolicy(signed(message, ANN))
    expect(!isMalformed(read) && read.message).toEqual(message)
  })

  it('of another type are refused as such, and too large ones before they are read', () => {
    const payload = encodePolicy(SAMPLES[0] as PolicyMessage)
    const codes = [
      formatDsse({ payloadType: 'application/vnd.edgecoder.policy.v2+cbor', payload, signatures: [] }),
      formatDsse({ payloadType: '', payload, signatures: [] }),
      new Uint8Array(LONG_STATEMENT_BYTES + 1),
    ].map((bytes) => {
      const read = readPolicy(bytes)
      return isMalformed(read) && read.code
    })
    expect(codes).toEqual(['wrong-type', 'wrong-type', 'frame-too-large'])
  })

  it('fit into the entries that carry them, with every list full and all signatures there', () => {
    const everyone = Array.from({ length: 32 }, (_, at) => seededKey(at + 1))
    const members = Array.from({ length: 128 }, (_, at) => {
      const { publicKey } = seededKey(at + 60)
      return { peer: peerIdOf(publicKey), publicKey }
    })
    const authority = { keys: everyone.slice(0, 16).map(({ publicKey }) => publicKey), threshold: 16 }
    const powers = (
      [
        'keys',
        'terms',
        'coordinators',
        'gateways',
        'accounts',
        'enrol',
        'node-state',
        'grant',
        'reverse',
        'handover',
      ] as const
    ).map((power) => ({ power, authority }))
    const peers = members.map(({ peer }) => peer)
    const genesis = messageOf('genesis', {
      ...SAMPLE_BODIES.genesis,
      root: authority,
      powers,
      coordinators: members.slice(0, 64),
      gateways: peers,
    })
    const after = { network: 'n'.repeat(32), sequence: 10 ** 9, digest: new Uint8Array(32) }
    const long = [
      genesis,
      messageOf('keys', { root: authority, powers }, after),
      messageOf('coordinators', { admit: members.slice(0, 64), remove: peers.slice(64) }, after),
      messageOf('gateways', { admit: peers, remove: peers }, after),
    ]
    for (const message of long) {
      const bytes = signed(message, ...everyone)
      expect(isMalformed(readPolicy(bytes))).toBe(false)
      expect(bytes.length).toBeLessThanOrEqual(LONG_STATEMENT_BYTES)
    }
    const reason = '\u{10000}'.repeat(128)
    const short = [
      messageOf('account', { ...SAMPLE_BODIES.account, gateways: peers.slice(0, 8) }, after),
      messageOf('node-state', { ...SAMPLE_BODIES['node-state'], reason }, after),
      messageOf('reverse', { ...SAMPLE_BODIES.reverse, key: 'k'.repeat(128), reason }, after),
      messageOf('enrol', { ...SAMPLE_BODIES.enrol, agent: 'a'.repeat(128) }, after),
      messageOf('grant', { ...SAMPLE_BODIES.grant, reference: 'r'.repeat(128) }, after),
    ]
    for (const message of short) {
      const bytes = signed(message, ...everyone)
      expect(isMalformed(readPolicy(bytes))).toBe(false)
      expect(bytes.length).toBeLessThanOrEqual(STATEMENT_BYTES)
    }
  })

  it('name the field that is wrong', () => {
    const read = decodePolicy(
      encodePolicy(
        messageOf(
          'keys',
          { ...SAMPLE_BODIES.keys, root: { keys: [new Uint8Array(32)], threshold: 1 } },
          { network: 'n', sequence: 1, digest: new Uint8Array(32) },
        ),
      ),
    )
    expect(isMalformed(read) && read.detail).toBe(
      'keys: root.keys[0]: the public key is a point of small order',
    )
  })

  it('any bytes are read or refused, never thrown at; with a byte changed they are another message', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void decodePolicy(bytes)),
      { numRuns: 1_000 },
    )
    fc.assert(
      fc.property(
        fc.constantFrom(...SAMPLES),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (message, pick, flip) => {
          const hurt = encodePolicy(message)
          const at = pick % hurt.length
          hurt[at] = (hurt[at] ?? 0) ^ flip
          const other = decodePolicy(hurt)
          if (!isMalformed(other)) expect(plain(other)).not.toEqual(plain(message))
        },
      ),
      { numRuns: 3_000 },
    )
  })
})

describe('keys and peer ids as text', () => {
  it('are read as they were written; anything else is not read', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 255 }), fc.nat(), fc.string(), (fill, pick, other) => {
        const { publicKey } = seededKey(fill)
        expect(parseKeyText(keyText(publicKey))).toEqual(publicKey)
        expect(publicKeyOf(peerIdOf(publicKey))).toEqual(publicKey)
        expect(isMalformed(parseKeyText(other))).toBe(true)
        expect(publicKeyOf(other)).toBeUndefined()
        const peer = peerIdOf(publicKey)
        expect(publicKeyOf(peer.slice(0, pick % peer.length))).toBeUndefined()
      }),
      { numRuns: 100 },
    )
    const zero = parseKeyText(`ed25519:${'A'.repeat(43)}`)
    expect(isMalformed(zero) && zero.detail).toContain('small order')
    // The last character of 43 has two bits that say nothing: they must be zero.
    expect(isMalformed(parseKeyText(`ed25519:${'A'.repeat(42)}B`))).toBe(true)
  })
})
