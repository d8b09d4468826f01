import { beforeEach, describe, expect, it } from 'vitest'
import { DEFAULT_TERMS } from '../../../../src/core/economy/terms.js'
import type { Clock } from '../../../../src/ports/clock.js'
import { EconomyDesk } from '../../../../src/roles/coordinator/economy-desk.js'
import { chainStatements, termQuotes } from '../../../../src/roles/ledger/chain-evidence.js'
import { nextPriceWindow, nextWorkWindow } from '../../../../src/roles/ledger/economy-wishes.js'
import { createEvidenceReader } from '../../../../src/roles/ledger/evidence.js'
import { systemClock } from '../../../../src/services/clock/system-clock.js'
import { createMetrics } from '../../../../src/services/observe/metrics.js'
import { BEGIN_MS, EconomyHomes } from '../../../helpers/economy-homes.js'
import type { Book } from '../../../helpers/ledger-book.js'
import { memoryLog } from '../../../helpers/memory-log.js'

const { windowMs, recalculateMs } = DEFAULT_TERMS.issuance

let homes: EconomyHomes
let nowMs: number
let desks: readonly EconomyDesk[]

const clock: Clock = { ...systemClock(), nowMs: () => nowMs }

/** The desk of a home, as it is after a start. */
function deskOf(book: Book): EconomyDesk {
  const ledger = {
    view: book.state,
    append: (wish: Parameters<EconomyHomes['enter']>[1]) => homes.enter(book, wish),
  }
  return new EconomyDesk({ ...homes.sources, ledger, clock, log: memoryLog(), metrics: createMetrics() })
}

const round = (...which: readonly number[]) => {
  for (const at of which) desks[at]?.round()
}
const issuedAt = (at: number) => homes.book(at).state.get('window', '')?.window
const closed = () => homes.book(0).state.get('issuance', '')

beforeEach(async () => {
  homes = await EconomyHomes.of(2)
  nowMs = BEGIN_MS
  desks = [0, 1].map((at) => deskOf(homes.book(at)))
})

describe('the desk that closes issuance windows', () => {
  it('writes nothing before a window is due, nor when nobody has worked', () => {
    homes.work(homes.book(0), homes.account(0, 0), 100, nowMs)
    const sizes = [homes.book(0).size, homes.book(1).size]
    nowMs = BEGIN_MS + windowMs - 1
    round(0, 1)
    expect([homes.book(0).size, homes.book(1).size]).toEqual(sizes)
    nowMs += 1
    round(0, 1, 0, 1)
    expect(closed()?.window).toBe(0)
    const after = [homes.book(0).size, homes.book(1).size]
    nowMs += 10 * windowMs
    round(0, 1, 0, 1)
    expect([homes.book(0).size, homes.book(1).size]).toEqual(after)
  })

  it('gives other homes time to close what was worked there, and no longer than policy says', () => {
    homes.work(homes.book(0), homes.account(0, 0), 100, nowMs)
    homes.work(homes.book(1), homes.account(1, 0), 100, nowMs)
    nowMs = BEGIN_MS + windowMs
    round(0)
    expect(closed()).toBeUndefined()
    // The other home has closed it, and it is not final yet.
    homes.final.set(homes.book(1).home, homes.book(1).size)
    round(1, 0)
    expect(closed()).toBeUndefined()
    nowMs += recalculateMs
    round(0)
    expect(closed()?.inputs).toHaveLength(1)
    homes.final.clear()
    nowMs = (closed()?.timeMs ?? 0) + windowMs
    round(0, 1)
    expect(closed()?.inputs).toHaveLength(2)
    expect(homes.book(1).balance(homes.account(1, 0)) > 0n).toBe(true)
  })

  it('pays when the window is final, once, whatever restarts, and catches up with windows that it missed', () => {
    homes.work(homes.book(0), homes.account(0, 0), 100, nowMs)
    homes.work(homes.book(1), homes.account(1, 0), 100, nowMs)
    nowMs = BEGIN_MS + windowMs
    homes.final.set(homes.book(0).home, homes.book(0).size)
    round(1, 0, 1)
    expect([closed()?.window, issuedAt(0), issuedAt(1)]).toEqual([0, 0, undefined])
    for (const later of [1, 2]) {
      homes.work(homes.book(0), homes.account(1, 1), 100, nowMs)
      nowMs = BEGIN_MS + (1 + later) * windowMs
      round(0)
    }
    expect(closed()?.window).toBe(2)
    homes.final.clear()
    desks = [0, 1].map((at) => deskOf(homes.book(at)))
    round(1, 1, 1, 1)
    expect(issuedAt(1)).toBe(2)
    const size = homes.book(1).size
    desks = [0, 1].map((at) => deskOf(homes.book(at)))
    round(0, 1, 0, 1)
    expect(homes.book(1).size).toBe(size)
  })

  it('pays nothing while an incident closes payouts; windows are closed meanwhile, and paid when it is over', async () => {
    const book = homes.book(0)
    const inForce = (sequence: number): void => {
      const policy = book.state.get('policy', '')
      if (policy === undefined) throw new Error('no policy')
      book.state.absorb([{ table: 'policy', key: '', value: { ...policy, sequence } }])
    }
    const incident = { reason: 'forged results', reconciled: [], override: '' }
    await homes.say('incident', { ...incident, closed: ['payouts'] })
    inForce(1)
    for (const window of [0, 1]) {
      homes.work(book, homes.account(0, 0), 100, nowMs)
      nowMs = BEGIN_MS + (1 + window) * windowMs + recalculateMs
      round(0, 0)
      expect(closed()?.window).toBe(window)
    }
    expect(issuedAt(0)).toBeUndefined()
    await homes.say('incident', { ...incident, closed: [], override: 'it was an error' })
    round(0)
    expect(issuedAt(0)).toBeUndefined()
    inForce(2)
    round(0, 0)
    expect(issuedAt(0)).toBe(1)
  })

  it('recalculates the open window as often as policy says', () => {
    homes.work(homes.book(1), homes.account(1, 0), 100, nowMs)
    round(0)
    expect(desks[0]?.recalculated).toMatchObject({ atMs: BEGIN_MS, figures: { work: 20_000n } })
    homes.work(homes.book(1), homes.account(1, 0), 100, nowMs)
    nowMs += recalculateMs - 1
    round(0)
    expect(desks[0]?.recalculated).toMatchObject({ atMs: BEGIN_MS, figures: { work: 20_000n } })
    nowMs += 1
    round(0)
    expect(desks[0]?.recalculated).toMatchObject({ atMs: nowMs, figures: { work: 40_000n } })
  })
})

describe('a window whose time is still to come', () => {
  const AHEAD_MS = 600_001
  it('waits at who cosigns, and does not at who audits', async () => {
    const book = homes.book(0)
    homes.work(book, homes.account(0, 0), 100, nowMs)
    const timeMs = BEGIN_MS + AHEAD_MS
    const parts = { statements: chainStatements(homes.chain), quotes: termQuotes }
    const [witness, audit] = [{ ...parts, clock }, parts].map((each) =>
      createEvidenceReader(each, { network: 'net' }),
    )
    for (const wish of [nextPriceWindow(book.state, timeMs), nextWorkWindow(book.state, timeMs)]) {
      if (wish === undefined) throw new Error('no window is due')
      nowMs = BEGIN_MS
      expect(await witness?.prove(wish.entry)).toMatchObject({ code: 'not-final' })
      expect(await audit?.prove(wish.entry)).toBeTypeOf('function')
      nowMs = BEGIN_MS + 1
      expect(await witness?.prove(wish.entry)).toBeTypeOf('function')
    }
  })
})
