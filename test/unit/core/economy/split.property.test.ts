import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { splitByWeight, type Weighted } from '../../../../src/core/economy/split.js'

const parts = fc.uniqueArray(
  fc.record({
    id: fc.string({ minLength: 1, maxLength: 4 }),
    weight: fc.bigInt({ min: 0n, max: 10n ** 12n }),
  }),
  { selector: ({ id }) => id, maxLength: 30 },
)
const amount = fc.bigInt({ min: 0n, max: 10n ** 15n })
const total = (all: readonly bigint[]) => all.reduce((sum, each) => sum + each, 0n)

describe('splitByWeight', () => {
  it('sums exactly, and nobody is off their exact share by a whole microcredit', () => {
    fc.assert(
      fc.property(amount, parts, (sum, all) => {
        const shares = splitByWeight(sum, all)
        const weights = total(all.map(({ weight }) => weight))
        expect(total(shares)).toBe(weights === 0n ? 0n : sum)
        all.forEach(({ weight }, at) => {
          const share = shares[at] as bigint
          if (weight === 0n) expect(share).toBe(0n)
          const off = share * weights - sum * weight
          if (weights > 0n) expect(off < weights && off > -weights).toBe(true)
        })
      }),
    )
  })

  it('does not depend on the order of the input', () => {
    fc.assert(
      fc.property(amount, parts, fc.infiniteStream(fc.nat()), (sum, all, dice) => {
        const shuffled = all.map((part) => [dice.next().value as number, part] as const)
        shuffled.sort(([a], [b]) => a - b)
        const byId = (from: readonly Weighted[]) => {
          const shares = splitByWeight(sum, from)
          return new Map(from.map(({ id }, at) => [id, shares[at]]))
        }
        const other = byId(shuffled.map(([, part]) => part))
        for (const [id, share] of byId(all)) expect(other.get(id)).toBe(share)
      }),
    )
  })

  it('more weight never loses more than the one microcredit that rounding moves', () => {
    fc.assert(
      fc.property(
        amount,
        parts,
        fc.nat(),
        fc.bigInt({ min: 0n, max: 10n ** 12n }),
        (sum, all, pick, more) => {
          fc.pre(all.length > 0)
          const at = pick % all.length
          const raised = all.map((part, place) =>
            place === at ? { ...part, weight: part.weight + more } : part,
          )
          const before = splitByWeight(sum, all)[at] as bigint
          expect((splitByWeight(sum, raised)[at] as bigint) >= before - 1n).toBe(true)
        },
      ),
    )
  })

  it('breaks ties by id', () => {
    const even = ['c', 'a', 'b'].map((id) => ({ id, weight: 1n }))
    expect(splitByWeight(2n, even)).toEqual([0n, 1n, 1n])
    expect(splitByWeight(5n, even)).toEqual([1n, 2n, 2n])
  })
})
