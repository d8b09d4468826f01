import { describe, expect, it } from 'vitest'
import { KnownIds } from '../../../../src/roles/ledger/known-ids.js'
import { derivedEntryId } from '../../../../src/wire/ledger/entry.js'

const keyOf = (n: number): string => `settle/${Buffer.from(derivedEntryId('settle', `${n}`)).toString('hex')}`

describe('ids that are known', () => {
  it('are all found, and few others', () => {
    const known = new KnownIds()
    for (let n = 0; n < 20_000; n++) known.add(keyOf(n))
    let [lost, strange] = [0, 0]
    for (let n = 0; n < 20_000; n++) if (!known.has(keyOf(n))) lost++
    for (let n = 20_000; n < 120_000; n++) if (known.has(keyOf(n))) strange++
    expect(lost).toBe(0)
    // Two bits of 20,000 in 2^24: one in 175,000.
    expect(strange).toBeLessThan(20)
  })

  it('are told apart by any one character', () => {
    const known = new KnownIds()
    known.add('settle/00ff')
    expect(
      ['settle/00fe', 'settle/10ff', 'Settle/00ff', 'settle/00ff0', ''].map((key) => known.has(key)),
    ).toEqual([false, false, false, false, false])
  })
})
