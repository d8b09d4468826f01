import { expect, it } from 'vitest'
import type { Refusal } from '../../../../src/core/refusal.js'
import { RANGES_AHEAD } from '../../../../src/roles/replication/constants.js'
import type { Range } from '../../../../src/roles/replication/range-intake.js'
import { RangesAhead } from '../../../../src/roles/replication/ranges-ahead.js'

const LENGTH = 10

/** A coordinator that begins and ends its answers when the test says so. */
function source() {
  const asked: { readonly from: number; readonly begin: () => void; readonly end: () => void }[] = []
  const range = (_origin: string, from: number, begun: (size: number) => void): Promise<Range | Refusal> =>
    new Promise((resolve) => {
      const size = from + LENGTH
      const end = (): void =>
        resolve({ from, size, entries: [], checkpoint: new Uint8Array(), path: [] } satisfies Range)
      asked.push({ from, begin: () => begun(size), end })
    })
  return { asked, range }
}

it('asks for the next range when the first piece of the last one tells where it ends', async () => {
  const { asked, range } = source()
  const ahead = new RangesAhead({ range }, { origin: 'log', from: 0 }, () => 1_000)
  const first = ahead.take()
  expect(asked.map(({ from }) => from)).toEqual([0])
  asked[0]?.begin()
  expect(asked.map(({ from }) => from)).toEqual([0, 10])
  asked[0]?.end()
  expect(await first).toMatchObject({ from: 0 })
})

it('never has more than its bound under way beyond the one that is used', () => {
  const { asked, range } = source()
  const ahead = new RangesAhead({ range }, { origin: 'log', from: 0 }, () => 1_000)
  ahead.take()
  for (let each = 0; each < asked.length; each++) asked[each]?.begin()
  expect(asked).toHaveLength(1 + RANGES_AHEAD)
  ahead.take()
  expect(asked.map(({ from }) => from)).toEqual([0, 10, 20, 30].slice(0, 2 + RANGES_AHEAD))
})

it('asks for nothing that the other one does not say it has, and goes on when it says more', () => {
  const { asked, range } = source()
  let size = LENGTH
  const ahead = new RangesAhead({ range }, { origin: 'log', from: 0 }, () => size)
  expect(ahead.take()).toBeDefined()
  asked[0]?.begin()
  expect(ahead.take()).toBeUndefined()
  size = LENGTH + 1
  expect(ahead.take()).toBeDefined()
  expect(asked.map(({ from }) => from)).toEqual([0, 10])
})
