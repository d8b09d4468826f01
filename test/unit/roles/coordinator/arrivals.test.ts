import { beforeEach, describe, expect, it } from 'vitest'
import { allotmentName, transitAccount } from '../../../../src/core/ledger/account-name.js'
import { type Home, Homes } from '../../../helpers/ledger-homes.js'
import { seededSigner } from '../../../helpers/signed-ledger.js'

const GRANTED = 1_000_000n

let homes: Homes
let first: Home
let second: Home
let third: Home

beforeEach(async () => {
  homes = await Homes.of(3)
  ;[first, second, third] = homes.all as [Home, Home, Home]
  await homes.openAccount('ann', first)
  await homes.openAccount('bob', second)
  await homes.say('grant', { account: 'ann', amount: GRANTED, source: 'issuance', reference: 'g1' })
})

async function everywhere(): Promise<void> {
  await homes.cosignAll()
  for (const home of homes.all) await home.settle()
}

/** Credits under way between two homes. */
function between(a: Home, b: Home): bigint {
  return a.balance(transitAccount(b.peerId)) + b.balance(transitAccount(a.peerId))
}

function events(home: Home, name: string) {
  return home.logged.events.filter(({ event }) => event === name)
}

describe('what another home sends', () => {
  it('arrives once it is final, once, and others find it proven', async () => {
    await first.transferOut('ann', 'bob', second, 300n)
    expect(second.balance('bob')).toBe(0n)
    expect(between(first, second)).toBe(300n)
    await everywhere()
    await everywhere()
    expect(second.balance('bob')).toBe(300n)
    expect(between(first, second)).toBe(0n)
    expect(third.balance('bob')).toBe(0n)
    expect(await homes.check(second)).toBeUndefined()
  })

  it('waits for a quorum, and nothing of it is lost meanwhile', async () => {
    await first.transferOut('ann', 'bob', second, 300n)
    await homes.cosign(first, [])
    await second.settle()
    await homes.cosign(first, [seededSigner(99)])
    await second.settle()
    expect(second.balance('bob')).toBe(0n)
    expect(events(second, 'arrival-waits')).not.toHaveLength(0)
    expect(second.arrivals.parked).toBe(0)
    await homes.cosign(first, [third.signer])
    await second.settle()
    expect(second.balance('bob')).toBe(300n)
  })

  it('is spent as a slice where it was allotted, and goes back', async () => {
    await first.allot('ann', second, 500n)
    await everywhere()
    const slice = allotmentName('ann', second.peerId)
    expect(second.balance(slice)).toBe(500n)
    await second.giveBack('ann', first, 200n)
    await everywhere()
    expect([second.balance(slice), first.balance('ann')]).toEqual([300n, GRANTED - 300n])
    expect(between(first, second)).toBe(0n)
    expect(await homes.check(second)).toBeUndefined()
  })

  it('is taken in many steps, in whatever order it becomes final', async () => {
    for (let n = 1; n <= 300; n++) await first.transferOut('ann', 'bob', second, BigInt(n))
    await everywhere()
    expect(second.balance('bob')).toBe(45_150n)
    expect(await homes.check(second)).toBeUndefined()
  })
})

describe('what cannot be taken in', () => {
  it('is parked aloud, lets others pass, and comes in when policy lets it', async () => {
    await first.transferOut('ann', 'eve', second, 70n)
    await first.transferOut('ann', 'bob', second, 5n)
    await everywhere()
    expect(second.balance('bob')).toBe(5n)
    expect(second.arrivals.parked).toBe(1)
    expect(events(second, 'arrival-parked')).toMatchObject([
      { fields: { to: 'eve', amount: '70', code: 'account-unknown', index: expect.any(Number) } },
    ])
    await second.crash()
    expect(second.arrivals.parked).toBe(1)
    await homes.openAccount('eve', second)
    expect(second.balance('eve')).toBe(70n)
    expect(second.arrivals.parked).toBe(0)
    expect(between(first, second)).toBe(0n)
    await second.crash()
    expect([second.arrivals.parked, second.balance('eve')]).toEqual([0, 70n])
  })
})

describe('a crash', () => {
  it('of the receiver, at any commit, neither loses credits nor takes them in twice', async () => {
    for (let n = 1; n <= 8; n++) {
      await first.transferOut('ann', n % 3 === 0 ? 'eve' : 'bob', second, BigInt(n))
      await homes.cosignAll()
      second.arrivals.wake()
      // Not waited for: the power goes off at whatever point the walk has come to.
      for (let turn = 0; turn < n * 3; turn++) await undefined
      await second.crash()
    }
    await everywhere()
    await homes.openAccount('eve', second)
    await everywhere()
    expect([second.balance('bob'), second.balance('eve')]).toEqual([27n, 9n])
    expect(between(first, second)).toBe(0n)
    expect(await homes.check(second)).toBeUndefined()
  })

  it('after which an older log was put back makes what it lacks come in again, and the rest not', async () => {
    await first.transferOut('ann', 'bob', second, 20n)
    await everywhere()
    const before = second.disk.fork()
    await first.transferOut('ann', 'bob', second, 300n)
    await first.transferOut('ann', 'eve', second, 1n)
    await everywhere()
    const marks: [string, Uint8Array][] = []
    for await (const [key, value] of second.store.range({ gte: 'ledger|0|a|', lt: 'ledger|0|a}' })) {
      marks.push([key, value])
    }
    second.disk.crash()
    await second.arrivals.stop()
    const store = before.open()
    await store.commit(marks.map(([key, value]) => ({ type: 'put', key, value })))
    await store.close()
    second.disk = before
    await second.open()
    expect(second.balance('bob')).toBe(20n)
    await second.arrivals.forget()
    await second.crash()
    expect([second.balance('bob'), second.arrivals.parked]).toEqual([320n, 1])
    expect(await homes.check(second)).toBeUndefined()
  })
})
