import { beforeEach, describe, expect, it } from 'vitest'
import { isRefusal } from '../../../../src/core/refusal.js'
import type { Wish } from '../../../../src/roles/ledger/log-writer.js'
import { derivedEntryId } from '../../../../src/wire/ledger/entry.js'
import { type Home, Homes } from '../../../helpers/ledger-homes.js'

let homes: Homes
let old: Home
let next: Home

beforeEach(async () => {
  homes = await Homes.of(3)
  ;[old, next] = homes.all as [Home, Home, Home]
  await homes.openAccount('ann', old)
  await homes.openAccount('bob', old)
  await homes.say('grant', { account: 'ann', amount: 1_000n, source: 'issuance', reference: 'g1' })
})

function transfer(id: string): Wish {
  const said = { from: 'ann', to: 'bob', toHome: old.peerId, amount: 5n }
  const entryId = derivedEntryId('transfer-out', id)
  const statement = Uint8Array.of(1)
  const entry = { kind: 'transfer-out', id: entryId, timeMs: 1, ...said, statement } as const
  return { kind: 'transfer-out', entry, evidence: said }
}

function handOver(): Promise<void> {
  return homes.say('handover', { home: old.peerId, epoch: 2, coordinator: next.peerId })
}

describe('a home that was handed over', () => {
  it('signs nothing more, takes nothing more, and says so once', async () => {
    const before = old.desk.log.head
    await handOver()
    expect(old.desk.closed).toMatchObject({ code: 'log-sealed' })
    expect(old.desk.check(transfer('a'))).toMatchObject({ code: 'log-sealed' })
    const outcome = old.desk.append(transfer('a'))
    expect(isRefusal(outcome) && outcome.code).toBe('log-sealed')
    await homes.openAccount('cid', next)
    await old.settle()
    expect(old.desk.log.head).toEqual(before)
    const said = old.logged.events.filter(({ event }) => event === 'log-sealed')
    expect(said).toMatchObject([
      { fields: { origin: old.origin, detail: expect.stringContaining(next.peerId) } },
    ])
    // The others have entered the message, and go on.
    expect(next.desk.view.get('home', old.peerId)).toEqual({ epoch: 2, coordinator: next.peerId })
    expect(next.desk.closed).toBeUndefined()
  })

  it('does not sign what it had appended a moment before', async () => {
    const before = old.desk.log.head
    expect(isRefusal(old.desk.append(transfer('a')))).toBe(false)
    const handing = handOver()
    await handing
    await old.settle()
    expect(old.desk.log.head).toEqual(before)
  })

  it('is sealed also when it comes back', async () => {
    const before = old.desk.log.head
    await handOver()
    await old.crash()
    expect(old.desk.closed).toMatchObject({ code: 'log-sealed' })
    expect(old.desk.log.head?.size).toBe(before?.size)
    expect(old.logged.events.filter(({ event }) => event === 'log-sealed')).toHaveLength(2)
  })
})
