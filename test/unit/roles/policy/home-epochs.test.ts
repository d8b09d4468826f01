import { beforeEach, describe, expect, it } from 'vitest'
import type { Signer } from '../../../../src/ports/signer.js'
import { rostersSince, writerOf } from '../../../../src/roles/policy/home-epochs.js'
import { type Home, Homes } from '../../../helpers/ledger-homes.js'
import { seededSigner } from '../../../helpers/signed-ledger.js'

let homes: Homes
let first: Home
let second: Home
let third: Home
const FOURTH = seededSigner(40)
const FIFTH = seededSigner(41)

/** Two admitted one after the other, then the first home is handed over. */
beforeEach(async () => {
  homes = await Homes.of(3)
  ;[first, second, third] = homes.all as [Home, Home, Home]
})

const admit = ({ peerId: peer, publicKey }: Signer) =>
  homes.say('coordinators', { admit: [{ peer, publicKey }], remove: [] })
const handOver = (epoch: number, to: Home) =>
  homes.say('handover', { home: first.peerId, epoch, coordinator: to.peerId })
const sizes = (size: number, epoch = 1) => {
  const rosters = rostersSince(homes.chain, { home: first.peerId, epoch }, first.desk.view, size)
  return rosters.map((roster) => roster.size)
}

describe('who writes an epoch', () => {
  it('is who began the home, and then whom each hand-over names', async () => {
    await handOver(2, second)
    await handOver(3, first)
    const writer = (epoch: number) => writerOf(homes.chain, { home: first.peerId, epoch })
    expect([0, 1, 2, 3, 4].map((epoch) => writer(epoch)?.coordinator)).toEqual([
      undefined,
      first.peerId,
      second.peerId,
      first.peerId,
      undefined,
    ])
    expect([writer(2)?.sequence, writer(3)?.sequence]).toEqual([1, 2])
  })
})

describe('groups by whom something may have become final', () => {
  it('are those since the policy that the log had entered at the cut, up to the hand-over', async () => {
    const before = first.desk.log.size
    await admit(FOURTH)
    const between = first.desk.log.size
    await admit(FIFTH)
    const after = first.desk.log.size
    await handOver(2, second)
    await admit(seededSigner(42))
    expect([before, between, after].map((size) => sizes(size))).toEqual([[3, 4, 5], [4, 5], [5]])
    expect(sizes(1)).toEqual([3, 4, 5])
    // Nothing was written: all since there may have been a log.
    expect(sizes(0)).toEqual([3, 4, 5])
  })

  it('of a later epoch begin with the hand-over that it came of', async () => {
    await admit(FOURTH)
    await handOver(2, second)
    await admit(FIFTH)
    await handOver(3, third)
    expect(sizes(0, 2)).toEqual([4, 5])
  })

  it('end with the newest message where the home was not handed over', async () => {
    const size = first.desk.log.size
    await admit(FOURTH)
    expect(sizes(size)).toEqual([3, 4])
  })
})
