import fc from 'fast-check'
import { expect, it } from 'vitest'
import { EntryIndex } from '../../../../src/roles/ledger/entry-index.js'

const id = fc.oneof(
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  // Alike but for one place, or nearly nothing.
  fc.nat(40).map((n) => n.toString(16).padStart(32, '0')),
  fc.nat(40).map((n) => n.toString(16).padEnd(32, 'f')),
)
const key = fc.tuple(fc.constantFrom('hold', 'settle', 'transfer-out'), id).map((parts) => parts.join('/'))

it('finds what a map of texts would find', () => {
  const steps = fc.array(fc.tuple(key, fc.maxSafeInteger().map(Math.abs)), { maxLength: 300 })
  fc.assert(
    fc.property(steps, fc.array(key, { maxLength: 50 }), (set, asked) => {
      const index = new EntryIndex()
      const naive = new Map<string, number>()
      for (const [each, at] of set) {
        index.set(each, at)
        naive.set(each, at)
      }
      expect(index.size).toBe(naive.size)
      for (const each of [...naive.keys(), ...asked]) expect(index.get(each)).toBe(naive.get(each))
    }),
  )
})

it('keeps all of more than fit into its first part', () => {
  const index = new EntryIndex()
  const keys = Array.from({ length: 40_000 }, (_, n) => `grant/${n.toString(16).padStart(32, '0')}`)
  for (const [at, each] of keys.entries()) index.set(each, 2 ** 40 + at)
  expect(index.size).toBe(keys.length)
  expect(keys.every((each, at) => index.get(each) === 2 ** 40 + at)).toBe(true)
  expect(index.get(`open/${'1'.repeat(32)}`)).toBeUndefined()
})

it('has nothing under what is no key of an entry', () => {
  const index = new EntryIndex()
  const good = `hold/${'0a'.repeat(16)}`
  index.set(good, 7)
  expect(index.get(good)).toBe(7)
  for (const bad of [
    '',
    'hold/',
    good.toUpperCase(),
    good.replace('a', 'g'),
    good.replace('a', ':'),
    `x${good}`,
  ])
    expect(index.get(bad)).toBeUndefined()
})
