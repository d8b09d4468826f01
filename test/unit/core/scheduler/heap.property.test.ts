import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Chain, type ChainLink } from '../../../../src/core/scheduler/chain.js'
import { Heap } from '../../../../src/core/scheduler/heap.js'

interface Item {
  value: number
  place: number
}

it('a heap gives its items in order, whatever was added, changed and removed', () => {
  const act = fc.tuple(fc.constantFrom('push', 'push', 'pop', 'update', 'remove'), fc.nat(1_000), fc.nat(100))
  fc.assert(
    fc.property(fc.array(act, { maxLength: 200 }), (acts) => {
      const heap = new Heap<Item>((a, b) => a.value < b.value)
      let items: Item[] = []
      for (const [name, pick, value] of acts) {
        const item = items[pick % Math.max(1, items.length)]
        if (name === 'push') {
          const made = { value, place: -1 }
          items.push(made)
          heap.push(made)
        } else if (name === 'pop') {
          const least = heap.pop()
          expect(least?.value).toBe(
            items.length === 0 ? undefined : Math.min(...items.map((each) => each.value)),
          )
          items = items.filter((each) => each !== least)
        } else if (item !== undefined && name === 'update') {
          item.value = value
          heap.update(item)
        } else if (item !== undefined) {
          heap.remove(item)
          heap.remove(item)
          expect(heap.has(item)).toBe(false)
          items = items.filter((each) => each !== item)
        }
        expect(heap.size).toBe(items.length)
      }
      const drained: number[] = []
      for (let top = heap.pop(); top !== undefined; top = heap.pop()) drained.push(top.value)
      expect(drained).toEqual(items.map(({ value }) => value).sort((a, b) => a - b))
    }),
  )
})

it('a chain keeps its order, whatever is added at either end and removed anywhere', () => {
  const act = fc.tuple(fc.constantFrom('append', 'prepend', 'remove'), fc.nat(1_000))
  fc.assert(
    fc.property(fc.array(act, { maxLength: 100 }), (acts) => {
      const chain = new Chain<number>()
      const links: ChainLink<number>[] = []
      acts.forEach(([name, pick], index) => {
        if (name === 'append') links.push(chain.append(index))
        else if (name === 'prepend') links.unshift(chain.prepend(index))
        else {
          const [link] = links.splice(pick % Math.max(1, links.length), 1)
          if (link !== undefined) chain.remove(link)
        }
        expect([...chain.values()]).toEqual(links.map(({ item }) => item))
        expect(chain.first()).toBe(links[0]?.item)
        expect(chain.size).toBe(links.length)
      })
    }),
  )
})
