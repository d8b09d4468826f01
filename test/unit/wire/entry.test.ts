import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isMalformed } from '../../../src/wire/frame.js'
import {
  contentDigest,
  decodeEntry,
  derivedEntryId,
  type Entry,
  encodeEntry,
} from '../../../src/wire/ledger/entry.js'
import { ENTRY_BYTES } from '../../../src/wire/limits.js'
import { sha256Tree } from '../../../src/wire/tree-hash.js'
import { ALL_SAMPLES, SAMPLE_ENTRIES } from '../../helpers/sample-entries.js'

interface Vector {
  readonly name: string
  readonly hex: string
  readonly accept: boolean
  readonly expect: unknown
  readonly leafHash?: string
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../../protocols/vectors/entries.json', import.meta.url), 'utf8'),
)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

function plain(entry: Entry): unknown {
  return JSON.parse(
    JSON.stringify(entry, (_key, value: unknown) => {
      if (typeof value === 'bigint') return String(value)
      return value instanceof Uint8Array ? hex(value) : value
    }),
  )
}

function read(bytes: Uint8Array): Entry {
  const entry = decodeEntry(bytes)
  if (isMalformed(entry)) throw new Error(entry.detail)
  return entry
}

describe('entry vectors', () => {
  it.each(vectors)('$name', (vector) => {
    const bytes = Uint8Array.from(Buffer.from(vector.hex, 'hex'))
    const entry = decodeEntry(bytes)
    expect(isMalformed(entry)).toBe(!vector.accept)
    if (isMalformed(entry)) {
      expect(entry.code).toBe(vector.expect)
      expect(entry.detail).not.toBe('')
      return
    }
    expect(plain(entry)).toEqual(vector.expect)
    expect(hex(encodeEntry(entry))).toBe(vector.hex)
    expect(hex(sha256Tree.leaf(bytes))).toBe(vector.leafHash)
  })

  it('hold at least one accepted of each kind, and many refused', () => {
    const kinds = new Set(
      vectors.filter(({ accept }) => accept).map(({ expect: value }) => (value as Entry).kind),
    )
    expect([...kinds].sort()).toEqual(ALL_SAMPLES.map(({ kind }) => kind).sort())
    expect(vectors.filter(({ accept }) => !accept).length).toBeGreaterThan(30)
  })
})

describe('entries', () => {
  it.each(ALL_SAMPLES)('$kind is read as it was written', (entry) => {
    expect(read(encodeEntry(entry))).toEqual(entry)
  })

  it('are read as they were written, whatever their numbers and bytes', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ALL_SAMPLES), fc.infiniteStream(fc.nat(2 ** 32 - 1)), (sample, dice) => {
        const next = () => dice.next().value as number
        const varied = (value: unknown): unknown => {
          if (typeof value === 'number') return (next() >> (next() % 31)) >>> 0
          if (typeof value === 'bigint') return ((BigInt(next()) << 31n) | BigInt(next() >>> 1)) + 1n
          if (value instanceof Uint8Array) return value.map(() => next())
          if (Array.isArray(value)) return value.map(varied)
          if (typeof value !== 'object' || value === null) return value
          return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, varied(each)]))
        }
        const entry = varied(sample) as Entry
        expect(read(encodeEntry(entry))).toEqual(entry)
      }),
      { numRuns: 500 },
    )
  })

  it('are refused over their bounds, however they are built', () => {
    const { genesis, hold, grant } = SAMPLE_ENTRIES
    const row = hold.rows[0] as (typeof hold.rows)[number]
    const codes = [
      new Uint8Array(ENTRY_BYTES + 1),
      Buffer.alloc(ENTRY_BYTES, 0x81),
      encodeEntry({ ...hold, rows: Array(257).fill(row) }),
      encodeEntry({ ...grant, statement: new Uint8Array(8_193) }),
      encodeEntry({ ...genesis, network: 'a b' }),
    ].map((bytes) => {
      const entry = decodeEntry(bytes)
      return isMalformed(entry) && entry.code
    })
    expect(codes).toEqual(['frame-too-large', 'malformed', 'out-of-bounds', 'out-of-bounds', 'out-of-bounds'])
  })

  it('have a digest of what they say, whatever the time', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ALL_SAMPLES), fc.nat(2 ** 40), fc.nat(255), (entry, timeMs, byte) => {
        const digest = (of: Entry) => hex(contentDigest(of, encodeEntry(of)))
        expect(digest({ ...entry, timeMs })).toBe(digest(entry))
        const other = { ...entry, id: Uint8Array.from(entry.id, (each) => each ^ (byte | 1)) }
        expect(digest(other)).not.toBe(digest(entry))
      }),
    )
  })

  it('name the field that is wrong', () => {
    const { hold } = SAMPLE_ENTRIES
    const row = { ...hold.rows[0], task: 'no spaces' } as (typeof hold.rows)[number]
    const entry = decodeEntry(encodeEntry({ ...hold, rows: [row] }))
    expect(isMalformed(entry) && entry.detail).toBe('hold: rows[0].task: not a task id')
  })

  it('have an id that follows from what they are about', () => {
    const id = derivedEntryId('settle', 'ann:1', '4')
    expect(id).toHaveLength(16)
    expect(derivedEntryId('settle', 'ann:1', '4')).toEqual(id)
    for (const other of [derivedEntryId('release', 'ann:1', '4'), derivedEntryId('settle', 'ann:1', '5')]) {
      expect(other).not.toEqual(id)
    }
  })

  it('any bytes are read or refused, never thrown at', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void decodeEntry(bytes)),
      { numRuns: 2_000 },
    )
  })

  it('with a byte changed, are refused or are another entry: no two encodings have one value', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ALL_SAMPLES),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (entry, pick, flip) => {
          const bytes = encodeEntry(entry)
          const hurt = bytes.slice()
          const at = pick % hurt.length
          hurt[at] = (hurt[at] ?? 0) ^ flip
          const other = decodeEntry(hurt)
          if (!isMalformed(other)) expect(plain(other)).not.toEqual(plain(entry))
        },
      ),
      { numRuns: 3_000 },
    )
  })
})
