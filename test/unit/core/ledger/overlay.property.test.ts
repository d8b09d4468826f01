import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Overlay } from '../../../../src/core/ledger/overlay.js'
import type { Change, LedgerView } from '../../../../src/core/ledger/records.js'

const UNDER = 7n
/** A state in which every balance is there, and nothing else. */
const under = {
  get: (table: string) => (table === 'balance' ? UNDER : undefined),
} as LedgerView

const key = fc.nat(40).map(String)
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    table: fc.constant('balance' as const),
    key,
    value: fc.option(fc.bigInt({ min: 0n, max: 99n }), { nil: undefined }),
  }),
  fc.record({ table: fc.constant('arrival' as const), key, value: fc.record({ index: fc.nat(99) }) }),
)

it('shows the last change of each record, and what lies under it, however many there are', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 100 }), (all) => {
      const overlay = new Overlay(under)
      const last = new Map<string, Change>()
      for (const each of all) {
        overlay.set(each)
        last.set(`${each.table}/${each.key}`, each)
        expect(overlay.get(each.table, each.key)).toEqual(each.value)
      }
      expect(new Set(overlay.changes())).toEqual(new Set(last.values()))
      expect(overlay.changes()).toHaveLength(last.size)
      for (let at = 0; at <= 40; at++) {
        const balance = last.get(`balance/${at}`)
        expect(overlay.get('balance', String(at))).toBe(balance === undefined ? UNDER : balance.value)
        expect(overlay.get('arrival', String(at))).toEqual(last.get(`arrival/${at}`)?.value)
      }
    }),
  )
})
