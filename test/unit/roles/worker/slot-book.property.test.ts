import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SlotBook } from '../../../../src/roles/worker/slot-book.js'

const coordinators = ['a', 'b', 'c']

test('whatever happens, no slot is offered twice and none is given out that is not there', () => {
  const act = fc.oneof(
    fc.record({ type: fc.constant('take' as const) }),
    fc.record({ type: fc.constant('back' as const) }),
    fc.record({ type: fc.constant('home' as const), who: fc.constantFrom(undefined, ...coordinators) }),
    fc.record({ type: fc.constant('lend' as const), who: fc.constantFrom(...coordinators) }),
    fc.record({ type: fc.constant('bring' as const) }),
    fc.record({ type: fc.constant('drain' as const) }),
  )
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(act, { maxLength: 60 }), (total, acts) => {
      const slots = new SlotBook(total)
      let taken = 0
      for (const each of acts) {
        if (each.type === 'take') {
          if (slots.take()) taken++
        } else if (each.type === 'back') {
          if (taken > 0) {
            taken--
            slots.giveBack()
          }
        } else if (each.type === 'home') slots.belongTo(each.who)
        else if (each.type === 'lend') slots.lend(each.who)
        else if (each.type === 'bring') slots.bringHome()
        else slots.drain()
        expect(slots.busy).toBe(taken)
        const offered = coordinators.map((who) => slots.offerTo(who).free)
        expect(offered.reduce((sum, free) => sum + free, taken)).toBeLessThanOrEqual(total)
        expect(Math.min(...offered)).toBeGreaterThanOrEqual(0)
      }
    }),
  )
})
