import { expect, it } from 'vitest'
import { lookAhead } from '../../../../src/roles/ledger/look-ahead.js'

/** Items 0, 1, 2 …, and a note of each that was asked for, prepared or given back. */
function source(count: number, fails?: number) {
  const seen: string[] = []
  async function* items(): AsyncIterable<number> {
    try {
      for (let n = 0; n < count; n++) {
        seen.push(`read ${n}`)
        if (n === fails) throw new Error(`item ${n} cannot be read`)
        yield n
      }
    } finally {
      seen.push('closed')
    }
  }
  const prepare = async (n: number): Promise<string> => {
    seen.push(`prepare ${n}`)
    return `prepared ${n}`
  }
  return { seen, items: items(), prepare }
}

it('gives every item in order with what was prepared of it', async () => {
  const { items, prepare } = source(3)
  const given: unknown[] = []
  for await (const each of lookAhead(items, prepare)) given.push(each)
  expect(given).toEqual([0, 1, 2].map((n) => [n, `prepared ${n}`]))
})

it('gets and prepares the next item while the present one is used, and no more than that', async () => {
  const { seen, items, prepare } = source(5)
  const ahead = lookAhead(items, prepare)[Symbol.asyncIterator]()
  await ahead.next()
  await new Promise(setImmediate)
  expect(seen).toEqual(['read 0', 'prepare 0', 'read 1', 'prepare 1'])
  await ahead.return?.()
  expect(seen.at(-1)).toBe('closed')
})

it('ends with the fault of an item that cannot be read, after those before it', async () => {
  const { seen, items, prepare } = source(3, 1)
  const given: number[] = []
  const run = async () => {
    for await (const [n] of lookAhead(items, prepare)) given.push(n)
  }
  await expect(run()).rejects.toThrow('item 1 cannot be read')
  expect(given).toEqual([0])
  expect(seen.at(-1)).toBe('closed')
})

it('closes its source when its user stops, whatever the next item holds', async () => {
  const { seen, items } = source(3)
  const prepare = (n: number) => (n === 0 ? Promise.resolve() : Promise.reject(new Error('never asked for')))
  for await (const _ of lookAhead(items, prepare)) break
  expect(seen.at(-1)).toBe('closed')
})
