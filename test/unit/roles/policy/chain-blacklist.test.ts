import { expect, it } from 'vitest'
import { PolicyBook } from '../../../../src/core/policy/policy-book.js'
import { admits, isListed } from '../../../../src/core/policy/policy-view.js'
import { ChainBlacklist } from '../../../../src/roles/policy/chain-blacklist.js'
import { keyText } from '../../../../src/wire/policy/key-text.js'
import { SPARE, WORKER } from '../../../helpers/sample-policy.js'

const ENTRY = { reason: 'dos-behaviour', evidence: new Uint8Array(32), reporter: '', sequence: 4 } as const
const NODE = { agent: 'attic', account: 'ann', role: 'worker', publicKey: WORKER.publicKey } as const

function listOf(subject: string, expiresMs = 0) {
  const clock = { nowMs: 100 }
  const book = new PolicyBook()
  book.absorb([
    { table: 'node', key: WORKER.peer, value: { ...NODE, state: 'active' } },
    { table: 'blacklist', key: subject, value: { ...ENTRY, expiresMs } },
  ])
  return { clock, list: new ChainBlacklist(book, book.blacklisted, () => clock.nowMs) }
}

it.each([`peer:${WORKER.peer}`, `key:${keyText(WORKER.publicKey)}`, 'account:ann'])(
  'a peer is kept out as itself, by its key and with its account: %s',
  (subject) => {
    const { list } = listOf(subject)
    expect(list.peer(WORKER.peer)).toMatchObject({ code: 'blacklisted', next: expect.stringContaining('4') })
    expect(list.peer(SPARE.peer)).toBe(undefined)
    expect(list.account('ann')?.code).toBe(subject === 'account:ann' ? 'blacklisted' : undefined)
    expect(list.account('bob')).toBe(undefined)
  },
)

it('an entry ends by itself, at the moment that it says and not before', () => {
  const { clock, list } = listOf('account:ann', 200)
  clock.nowMs = 199
  expect(list.peer(WORKER.peer)?.code).toBe('blacklisted')
  clock.nowMs = 200
  expect([list.peer(WORKER.peer), list.account('ann')]).toEqual([undefined, undefined])
})

it('keeps out whomever the lists admit, in every role and in an open network too', () => {
  const all = new Set([WORKER.peer, SPARE.peer])
  const { list: blacklist } = listOf(`peer:${WORKER.peer}`)
  for (const admission of ['listed', 'open'] as const) {
    const view = { network: 'n', admission, coordinators: all, gateways: all, workers: all, blacklist }
    for (const role of ['coordinator', 'gateway', 'worker'] as const) {
      expect(admits(view, { peerId: WORKER.peer, role })?.code).toBe('blacklisted')
      expect(admits(view, { peerId: SPARE.peer, role })).toBe(undefined)
    }
    expect([isListed(view, WORKER.peer), isListed(view, SPARE.peer)]).toEqual([false, true])
  }
})
