import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isRefusal, refusal } from '../../../../src/core/refusal.js'
import { Homes } from '../../../helpers/ledger-homes.js'
import { type Bed, chat, type FakeCoordinator, makeBed } from './gateway-bed.js'

let bed: Bed
/** The home of ann, who is stood in for by the second; that of bob, who is stood in for by the first. */
let first: FakeCoordinator
let second: FakeCoordinator

const ann = (id: string) => chat({ id, account: 'ann' })
const bob = (id: string) => chat({ id, account: 'bob' })
const lose = ({ peerId }: FakeCoordinator): void => bed.mesh.cut(bed.signer.peerId, peerId, 'closed')
const find = ({ peerId }: FakeCoordinator): void => bed.mesh.heal(bed.signer.peerId, peerId)

beforeEach(async () => {
  const homes = await Homes.of(2)
  const [one, two] = homes.all
  if (one === undefined || two === undefined) throw new Error('there are two')
  await homes.openAccount('ann', one)
  await homes.openAccount('bob', two)
  bed = await makeBed({ known: [one.peerId, two.peerId], chain: homes.chain })
  first = bed.coordinator(one.peerId)
  second = bed.coordinator(two.peerId)
})

afterEach(() => bed.clock.dispose())

/** As a coordinator that was allotted nothing, or not enough. */
function spendsNothing(coordinator: FakeCoordinator, account: string): void {
  coordinator.no = (header) =>
    header.account === account ? refusal('not-home', `the home of ${account} is elsewhere`) : undefined
}

describe('tasks of accounts with different homes', () => {
  it('are ordered at the home of each, at the same time', async () => {
    spendsNothing(first, 'bob')
    spendsNothing(second, 'ann')
    await bed.submit(ann('a1'))
    await bed.submit(bob('b1'))
    await bed.submit(ann('a2'))
    expect(first.orders.flat()).toEqual(['ann:a1', 'ann:a2'])
    expect(second.orders.flat()).toEqual(['bob:b1'])
  })

  it('go over one stream to each, whoever wants it', async () => {
    await bed.submit(ann('a1'))
    await bed.submit(bob('b1'))
    await bed.clock.advance(60_000)
    expect([first.attaches, second.attaches]).toEqual([1, 1])
    expect(
      bed.gateway
        .status()
        .coordinators.map(({ peerId }) => peerId)
        .sort(),
    ).toEqual([first.peerId, second.peerId].sort())
  })

  it('are explained by the coordinator that has them', async () => {
    await bed.submit(ann('a1'))
    await bed.submit(bob('b1'))
    lose(first)
    await bed.clock.advance(100)
    expect(await bed.settle(bed.gateway.explain('ann', 'a1'))).toMatchObject({ workers: 0 })
    expect(await bed.settle(bed.gateway.explain('bob', 'b1'))).toMatchObject({ workers: 3 })
  })
})

describe('a home that is lost', () => {
  it('has its tasks taken over by who stands in, after the grace, and those of others left alone', async () => {
    await bed.submit(ann('a1'))
    await bed.submit(bob('b1'))
    lose(first)
    await bed.clock.advance(3_000)
    expect(second.orders.flat()).toEqual(['bob:b1'])
    await bed.until(() => second.orders.flat().includes('ann:a1'))
    await bed.submit(ann('a2'))
    expect(second.orders.flat()).toEqual(['bob:b1', 'ann:a1', 'ann:a2'])
    expect(second.syncs).toEqual([['ann:a1']])
  })

  it('gets what comes once it is back; what stands elsewhere stays there, and it is told so', async () => {
    await bed.submit(ann('a1'))
    lose(first)
    await bed.until(() => second.orders.flat().includes('ann:a1'))
    find(first)
    await bed.until(() => first.cancels.length === 1)
    expect(first.cancels).toMatchObject([{ taskId: 'ann:a1', reason: 'moved' }])
    await bed.submit(ann('a2'))
    expect(first.orders.flat()).toEqual(['ann:a1', 'ann:a2'])
    expect(second.orders.flat()).toEqual(['ann:a1'])
  })

  it('is waited for when who stands in may spend nothing: what was promised stays, the rest is refused', async () => {
    spendsNothing(second, 'ann')
    await bed.submit(ann('a1'))
    lose(first)
    const late = bed.settle(bed.gateway.submit(ann('a2')))
    const answer = await late
    expect(isRefusal(answer) && answer).toMatchObject({ code: 'no-coordinator', retryAfterMs: 5_000 })
    await bed.clock.advance(120_000)
    expect(await bed.view('a1')).toMatchObject({ state: 'submitting' })
    find(first)
    await bed.until(() => first.attached)
    await bed.clock.advance(10_000)
    expect(await bed.view('a1')).toMatchObject({ state: 'queued', coordinator: first.peerId })
  })

  it('refuses by itself what its account lacks: nobody is asked again', async () => {
    first.no = () => refusal('insufficient-credits', 'ann has 0 microcredits')
    const answer = await bed.settle(bed.gateway.submit(ann('a1')))
    expect(isRefusal(answer) && answer.code).toBe('insufficient-credits')
  })
})

it('a gateway that starts again finds its tasks where they were, home or not', async () => {
  await bed.submit(ann('a1'))
  lose(first)
  await bed.until(() => second.orders.flat().includes('ann:a1'))
  await bed.submit(bob('b1'))
  await bed.restart()
  await bed.until(() => second.syncs.flat().includes('ann:a1') && second.syncs.flat().includes('bob:b1'))
  find(first)
  await bed.clock.advance(10_000)
  expect(await bed.view('a1')).toMatchObject({ state: 'queued', coordinator: second.peerId })
})
