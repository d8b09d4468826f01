import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { refusal } from '../../../../src/core/refusal.js'
import { type Home, Homes } from '../../../helpers/ledger-homes.js'
import { type Bed, chat, type FakeCoordinator, makeBed } from './gateway-bed.js'

let homes: Homes
let bed: Bed
let old: FakeCoordinator
let next: FakeCoordinator

beforeEach(async () => {
  homes = await Homes.of(2)
  const [first, second] = homes.all as [Home, Home]
  await homes.openAccount('ann', first)
  await homes.openAccount('bob', second)
  const known = [first.peerId, second.peerId]
  bed = await makeBed({ known, chain: homes.chain })
  old = bed.coordinator(first.peerId)
  next = bed.coordinator(second.peerId)
})

afterEach(() => bed.clock.dispose())

const handOver = () => homes.say('handover', { home: old.peerId, epoch: 2, coordinator: next.peerId })

describe('tasks of an account whose home is handed over', () => {
  it('go on at its successor, though the old coordinator is there', async () => {
    await bed.submit(chat({ id: 'one' }))
    await handOver()
    await bed.until(() => next.headers.has('ann:one'))
    expect(next.headers.get('ann:one')?.fenceFloor).toBeGreaterThan(0n)
    await bed.until(() => old.cancels.some(({ reason }) => reason === 'moved'))
    await bed.clock.advance(100)
    expect((await bed.view('one'))?.state).toBe('queued')
  })

  it('wait at a coordinator that has not heard yet that it is the home', async () => {
    await bed.submit(chat({ id: 'one' }))
    let asked = 0
    next.no = () => (asked++ < 3 ? refusal('not-home', 'the home of ann is another') : undefined)
    await handOver()
    await bed.until(() => next.headers.has('ann:one'))
    await bed.clock.advance(1_000)
    expect(asked).toBe(4)
    expect((await bed.view('one'))?.state).toBe('queued')
  })

  it('are not refused when the order was on its way to the coordinator that had the home', async () => {
    let asked = 0
    old.no = () => {
      asked++
      return refusal('log-sealed', 'epoch 2 is written by another')
    }
    const submitting = bed.gateway.submit(chat({ id: 'one' }))
    await bed.until(() => asked > 0)
    await handOver()
    expect(await bed.settle(submitting)).toMatchObject({ existed: false, task: { state: 'queued' } })
    expect(next.headers.has('ann:one')).toBe(true)
  })

  it('are not taken from where they are when it was another home that was handed over', async () => {
    await bed.submit(chat({ id: 'one', account: 'bob' }))
    await handOver()
    await bed.clock.advance(20_000)
    expect(next.orders).toEqual([['bob:one']])
    expect(next.cancels).toEqual([])
  })

  it('come back when the home is handed back', async () => {
    await bed.submit(chat({ id: 'one' }))
    await handOver()
    await bed.until(() => next.headers.has('ann:one'))
    await homes.say('handover', { home: old.peerId, epoch: 3, coordinator: old.peerId })
    await bed.until(() => next.cancels.some(({ reason }) => reason === 'moved'))
    await bed.clock.advance(100)
    expect(await bed.view('one')).toMatchObject({ state: 'queued', coordinator: old.peerId })
  })
})
