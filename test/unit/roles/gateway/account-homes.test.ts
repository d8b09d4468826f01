import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AccountHomes } from '../../../../src/roles/gateway/account-homes.js'
import { createVirtualClock, type VirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { statements } from '../../../../src/wire/envelope.js'
import { isMalformed } from '../../../../src/wire/frame.js'
import { TaskKind } from '../../../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import { type Home, Homes } from '../../../helpers/ledger-homes.js'

const WINDOW_MS = 10 * 60_000

let clock: VirtualClock
let all: Homes
let first: Home
let second: Home
let third: Home
let cut: Set<string>
let homes: AccountHomes

beforeEach(async () => {
  clock = createVirtualClock(1_800_000_000_000)
  all = await Homes.of(3)
  ;[first, second, third] = all.all as [Home, Home, Home]
  await all.openAccount('ann', first)
  await all.openAccount('bob', second)
  cut = new Set()
  homes = new AccountHomes({ chain: all.chain, clock, admits: (peer) => !cut.has(peer) })
})

afterEach(() => clock.dispose())

function header(account: string, priceCapMicrocredits: bigint) {
  const said = {
    id: `${account}:1`,
    kind: TaskKind.CHAT,
    account,
    model: 'tiny',
    maxOutputTokens: 1_000_000,
    priceCapMicrocredits,
    maxAttempts: 1,
    maxRunMs: 1_000,
    payloadDigest: new Uint8Array(32),
    payloadBytes: 10,
    gateway: first.peerId,
    submittedMs: 1n,
  }
  const order = statements.order.decode(statements.order.encode({ headers: [said] }))
  const [made] = isMalformed(order) ? [] : order.headers
  if (made === undefined) throw new Error('no header')
  return made
}

describe('homes of accounts', () => {
  it('are where policy says, also after a hand-over', async () => {
    expect(homes.coordinatorOf('ann')).toBe(first.peerId)
    expect(homes.coordinatorOf('eve')).toBeUndefined()
    await all.say('handover', { home: first.peerId, epoch: 2, coordinator: third.peerId })
    expect(homes.coordinatorOf('ann')).toBe(third.peerId)
  })

  it('are told with what they were used for, the most used first', () => {
    expect(homes.accounts).toEqual([])
    homes.used(header('bob', 5n))
    homes.used(header('ann', 7n))
    expect(homes.accounts).toMatchObject([
      { account: 'ann', used: 7n },
      { account: 'bob', used: 5n },
    ])
    homes.used(header('bob', 5n))
    expect(homes.accounts.map(({ account }) => account)).toEqual(['bob', 'ann'])
  })

  it('have another one to stand in, that is admitted', () => {
    const ann = { home: first.peerId, coordinator: first.peerId }
    const bob = { home: second.peerId, coordinator: second.peerId }
    expect([homes.spareOf(ann), homes.spareOf(bob)]).toEqual([second.peerId, first.peerId])
    expect([homes.standInOf('ann'), homes.standInOf('eve')]).toEqual([second.peerId, undefined])
    cut.add(second.peerId)
    expect(homes.spareOf(ann)).toBe(third.peerId)
    cut.add(third.peerId)
    expect(homes.spareOf(ann)).toBeUndefined()
  })

  it('count what was used in this window and the one before, and forget the rest', async () => {
    homes.used(header('ann', 7n))
    await clock.advance(WINDOW_MS + 1)
    homes.used(header('ann', 2n))
    expect(homes.accounts).toMatchObject([{ account: 'ann', used: 9n }])
    await clock.advance(WINDOW_MS + 1)
    expect(homes.accounts).toMatchObject([{ account: 'ann', used: 2n }])
    await clock.advance(3 * WINDOW_MS)
    expect(homes.accounts).toEqual([])
  })

  it('are none where tasks are not paid', () => {
    const none = new AccountHomes({ chain: undefined, clock, admits: () => true })
    none.used(header('ann', 7n))
    expect([none.accounts, none.standInOf('ann'), none.coordinatorOf('ann')]).toEqual([
      [],
      undefined,
      undefined,
    ])
  })
})
