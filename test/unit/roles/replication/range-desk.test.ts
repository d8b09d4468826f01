import { afterEach, expect, it } from 'vitest'
import { RANGES_SERVED, RANGES_WAITING } from '../../../../src/roles/replication/constants.js'
import { RangeDesk } from '../../../../src/roles/replication/range-desk.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { quietLog } from '../../../contract/network/adapters.js'
import { ORIGIN } from '../../../helpers/ledger-log.js'
import { NumberedLog } from '../../../helpers/raw-logs.js'
import { SpokenLink } from '../../../helpers/spoken-link.js'

const clock = createVirtualClock(0)
afterEach(() => clock.runUntilIdle())

it('answers every ask that may wait, each from where it was asked, and refuses what is not here', async () => {
  const log = await new NumberedLog().add([1, 2, 3])
  const desk = new RangeDesk(quietLog, (origin) => (origin === ORIGIN ? log : undefined))
  const asker = new SpokenLink(clock)
  const count = RANGES_SERVED + RANGES_WAITING
  for (let ask = 1; ask <= count; ask++) desk.ask(asker.link, { ask, origin: ORIGIN, from: BigInt(ask % 3) })
  await clock.advance(0)
  const pieces = asker.said('rangePiece')
  expect(asker.said('rangeRefused')).toEqual([])
  expect(new Set(pieces.map(({ ask }) => ask)).size).toBe(count)
  for (const { ask, entries, checkpoint } of pieces) {
    expect([entries.length, checkpoint]).toEqual([3 - (ask % 3), log.note])
  }
  desk.ask(asker.link, { ask: 1, origin: ORIGIN, from: 3n })
  desk.ask(asker.link, { ask: 2, origin: `${ORIGIN}7`, from: 0n })
  await clock.advance(0)
  const notFound = { code: 'not-found' }
  expect(asker.said('rangeRefused')).toMatchObject([
    { ask: 1, why: notFound },
    { ask: 2, why: notFound },
  ])
})

it('lets only so many wait, for each coordinator alone', async () => {
  const log = await new NumberedLog().add([1, 2, 3])
  const desk = new RangeDesk(quietLog, () => log)
  const [greedy, modest] = [new SpokenLink(clock), new SpokenLink(clock, 'modest')]
  const count = RANGES_SERVED + RANGES_WAITING + 1
  for (let ask = 1; ask <= count; ask++) desk.ask(greedy.link, { ask, origin: ORIGIN, from: 0n })
  desk.ask(modest.link, { ask: 1, origin: ORIGIN, from: 0n })
  await clock.advance(0)
  expect(greedy.said('rangeRefused')).toMatchObject([{ ask: count, why: { code: 'rate-limited' } }])
  expect(greedy.said('rangePiece')).toHaveLength(count - 1)
  expect(modest.said('rangePiece')).toHaveLength(1)
})

it('reads nothing for a link that is over', async () => {
  const log = await new NumberedLog().add([1, 2, 3])
  let looked = 0
  const desk = new RangeDesk(quietLog, () => {
    looked++
    return log
  })
  const asker = new SpokenLink(clock)
  for (let ask = 1; ask <= 10; ask++) desk.ask(asker.link, { ask, origin: ORIGIN, from: 0n })
  asker.end()
  await clock.advance(0)
  expect(looked).toBe(0)
  expect(asker.said('rangePiece')).toEqual([])
})
