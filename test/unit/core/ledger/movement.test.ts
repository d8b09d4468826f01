import { describe, expect, it } from 'vitest'
import { DEFAULT_TERMS } from '../../../../src/core/economy/terms.js'
import type { TransferInEvidence } from '../../../../src/core/ledger/facts.js'
import { Book, POLICY_DIGEST, STATEMENT, wordOf } from '../../../helpers/ledger-book.js'

const HOME = 'HomeA'
const AWAY = 'HomeB'
const DIGEST = new Uint8Array(32).fill(7)

function newBook(): Book {
  const book = new Book(HOME, { ...DEFAULT_TERMS, mostAllotted: 1_000n })
  book.open('ann')
  book.open('bob')
  book.open('cid', AWAY)
  book.grant('ann', 10_000n, 'pay-1')
  return book
}

const arriving = (changes: Partial<TransferInEvidence> = {}): TransferInEvidence => ({
  transfer: new Uint8Array(16).fill(3),
  nature: 'transfer',
  home: AWAY,
  epoch: 1,
  index: 9,
  to: 'ann',
  amount: 50n,
  toHome: HOME,
  final: true,
  withinCut: true,
  ...changes,
})

function arrive(book: Book, by: TransferInEvidence, changes: Partial<TransferInEvidence> = {}): string {
  const { toHome: _to, final: _final, withinCut: _cut, ...said } = { ...by, ...changes }
  return wordOf(book.enter('transfer-in', { ...said, proof: STATEMENT }, by))
}

describe('transfers', () => {
  it('stay within a home, or go into transit to another', () => {
    const book = newBook()
    expect(wordOf(book.transferOut('ann', 'bob', HOME, 100n))).toBe('ok')
    expect(wordOf(book.transferOut('ann', 'cid', AWAY, 200n))).toBe('ok')
    expect(['ann', 'bob', 'cid', `transit:${AWAY}`].map((each) => book.balance(each))).toEqual([
      9_700n,
      100n,
      0n,
      200n,
    ])
    expect(wordOf(book.transferOut('ann', 'cid', HOME, 1n))).toBe('not-home')
    expect(wordOf(book.transferOut('cid', 'ann', HOME, 1n))).toBe('not-home')
    expect(wordOf(book.transferOut('ann', 'bob', HOME, 9_701n))).toBe('insufficient-credits')
  })

  it('arrive once, when final and within the epoch that holds', () => {
    const book = newBook()
    expect(arrive(book, arriving({ final: false }))).toBe('not-final')
    expect(arrive(book, arriving({ withinCut: false }))).toBe('not-home')
    expect(arrive(book, arriving({ toHome: 'HomeC' }))).toBe('not-home')
    expect(arrive(book, arriving({ home: HOME }))).toBe('not-home')
    expect(arrive(book, arriving({ to: 'eve' }))).toBe('account-unknown')
    for (const change of [
      { amount: 51n },
      { to: 'bob' },
      { index: 8 },
      { epoch: 2 },
      { nature: 'settle' as const },
    ]) {
      expect(arrive(book, arriving(), change)).toBe('wrong-evidence')
    }
    expect(arrive(book, arriving())).toBe('ok')
    expect([book.balance('ann'), book.balance(`transit:${AWAY}`)]).toEqual([10_050n, -50n])
    expect(arrive(book, arriving())).toBe('entry-conflict')
    expect(arrive(book, arriving({ index: 10, amount: 1n }))).toBe('entry-conflict')
    expect(arrive(book, arriving({ to: 'bob' }))).toBe('ok')
    expect(arrive(book, arriving({ home: 'HomeC' }))).toBe('ok')
    expect(arrive(book, arriving({ nature: 'settle' }))).toBe('ok')
    // Of another home by now, or always: they go on there.
    expect(arrive(book, arriving({ to: 'cid' }))).toBe('ok')
    expect(wordOf(book.enter('return', { account: 'cid', toHome: AWAY, amount: 50n }, undefined))).toBe('ok')
    expect(book.balance('cid')).toBe(0n)
  })

  it('of an epoch that policy does not know yet are refused', () => {
    const book = newBook()
    const said = { sequence: 1, previous: POLICY_DIGEST, digest: DIGEST }
    const handover = { home: AWAY, epoch: 2, coordinator: 'HomeC' }
    const by = { ...said, terms: DEFAULT_TERMS, handover }
    expect(wordOf(book.enter('policy', { ...said, statement: STATEMENT }, by))).toBe('ok')
    expect(arrive(book, arriving({ epoch: 3 }))).toBe('not-home')
    expect(arrive(book, arriving({ epoch: 2 }))).toBe('ok')
    expect(arrive(book, arriving({ epoch: 1, to: 'bob' }))).toBe('ok')
  })
})

describe('allotments', () => {
  it('are bounded by what is out, and come back', () => {
    const book = newBook()
    expect(wordOf(book.allot('ann', AWAY, 1_000n))).toBe('ok')
    expect(wordOf(book.allot('ann', AWAY, 1n))).toBe('over-allotment')
    expect(wordOf(book.allot('ann', HOME, 1n))).toBe('not-home')
    expect(wordOf(book.allot('cid', 'HomeC', 1n))).toBe('not-home')
    expect(wordOf(book.allot('ann', 'HomeC', 1_000n))).toBe('ok')
    expect(arrive(book, arriving({ nature: 'return', amount: 400n }))).toBe('ok')
    expect(wordOf(book.allot('ann', AWAY, 401n))).toBe('over-allotment')
    expect(wordOf(book.allot('ann', AWAY, 400n))).toBe('ok')
    expect(book.balance('ann')).toBe(8_000n)
  })

  it('are not returned in excess, whatever the other home claims', () => {
    const book = newBook()
    expect(arrive(book, arriving({ nature: 'return' }))).toBe('over-allotment')
    book.allot('ann', AWAY, 100n)
    expect(arrive(book, arriving({ nature: 'return', amount: 101n }))).toBe('over-allotment')
    expect(arrive(book, arriving({ nature: 'return', amount: 100n }))).toBe('ok')
    expect(arrive(book, arriving({ nature: 'return', amount: 1n, index: 12, home: 'HomeC' }))).toBe(
      'over-allotment',
    )
  })

  it('are spent elsewhere as an account of their own, under the gateways of the owner', () => {
    const book = new Book(AWAY)
    book.open('ann', HOME, ['GatewayA'])
    book.open('bob', AWAY)
    book.enrol('Worker', 'bob')
    const slice = `ann@${AWAY}`
    const by = arriving({ nature: 'allot', home: HOME, toHome: AWAY, to: slice, amount: 500n })
    expect(wordOf(book.hold('ann:1', slice, 1n))).toBe('account-unknown')
    expect(arrive(book, { ...by, to: 'ann' })).toBe('over-allotment')
    expect(arrive(book, { ...by, to: `ann@${HOME}` })).toBe('over-allotment')
    expect(arrive(book, { ...by, home: 'HomeC' })).toBe('over-allotment')
    expect(arrive(book, { ...by, to: `eve@${AWAY}` })).toBe('account-unknown')
    expect(arrive(book, by)).toBe('ok')
    expect(wordOf(book.hold('ann:1', slice, 501n, { gateway: 'GatewayA' }))).toBe('insufficient-credits')
    expect(wordOf(book.hold('ann:1', slice, 400n))).toBe('not-admitted')
    expect(wordOf(book.hold('ann:1', slice, 400n, { gateway: 'GatewayA' }))).toBe('ok')
    const back = (account: string, toHome: string, amount: bigint) =>
      wordOf(book.enter('return', { account, toHome, amount }, undefined))
    expect(back(slice, HOME, 101n)).toBe('insufficient-credits')
    expect(back(slice, 'HomeC', 1n)).toBe('not-home')
    expect(back('bob', AWAY, 1n)).toBe('over-allotment')
    expect(back(`bob@${HOME}`, AWAY, 1n)).toBe('over-allotment')
    expect(back(`eve@${AWAY}`, HOME, 1n)).toBe('account-unknown')
    expect(back(slice, HOME, 100n)).toBe('ok')
    // Sent 500 here and 100 back: the difference was spent, or is held.
    expect([book.balance(slice), book.balance(`transit:${HOME}`)]).toEqual([0n, -400n])
  })
})

describe('supply', () => {
  const granting = (changes: object = {}) => {
    const said = { account: 'ann', amount: 5n, source: 'issuance', reference: 'pay-2', ...changes } as const
    return [{ ...said, statement: STATEMENT }, said] as const
  }

  it('grants once for one reference, at the home only, out of what the source has', () => {
    const book = newBook()
    expect(wordOf(book.enter('grant', ...granting()))).toBe('ok')
    expect(wordOf(book.enter('grant', ...granting()))).toBe('entry-conflict')
    expect(wordOf(book.enter('grant', ...granting({ account: 'cid', reference: 'pay-3' })))).toBe('not-home')
    expect(wordOf(book.enter('grant', ...granting({ account: 'eve', reference: 'pay-3' })))).toBe(
      'account-unknown',
    )
    for (const source of ['treasury', 'reserve']) {
      expect(wordOf(book.enter('grant', ...granting({ source, reference: source })))).toBe(
        'insufficient-credits',
      )
    }
    const most = { amount: 2n ** 63n - 1n, reference: 'pay-4' }
    expect(wordOf(book.enter('grant', ...granting(most)))).toBe('wrong-amount')
  })

  const issuing = (changes: object = {}) => {
    const said = {
      window: 1,
      part: 0,
      last: true,
      inputs: DIGEST,
      rows: [
        { account: 'ann', amount: 70n },
        { account: 'bob', amount: 20n },
      ],
      coordinator: 5n,
      reserve: 5n,
      policy: POLICY_DIGEST,
      ...changes,
    }
    return [said, said] as const
  }

  it('issues what everyone computes, and nothing else', () => {
    const book = newBook()
    const [entry, said] = issuing()
    const one = { account: 'ann', amount: 71n }
    expect(wordOf(book.enter('issue', { ...entry, rows: [one, ...entry.rows.slice(1)] }, said))).toBe(
      'wrong-evidence',
    )
    expect(wordOf(book.enter('issue', { ...entry, reserve: 6n }, said))).toBe('wrong-evidence')
    expect(wordOf(book.enter('issue', { ...entry, policy: DIGEST }, said))).toBe('wrong-evidence')
    expect(wordOf(book.enter('issue', ...issuing({ rows: entry.rows.toReversed() })))).toBe('wrong-amount')
    expect(wordOf(book.enter('issue', ...issuing({ rows: [entry.rows[0], entry.rows[0]] })))).toBe(
      'wrong-amount',
    )
    expect(wordOf(book.enter('issue', ...issuing({ rows: [{ account: 'eve', amount: 1n }] })))).toBe(
      'account-unknown',
    )
    expect(wordOf(book.enter('issue', entry, said))).toBe('ok')
    expect([book.balance('bob'), book.balance('fee:HomeA'), book.balance('sys:reserve')]).toEqual([
      20n,
      5n,
      5n,
    ])
  })

  it('issues windows in order, and the parts of each', () => {
    const book = newBook()
    const word = (window: number, part: number, last: boolean) =>
      wordOf(book.enter('issue', ...issuing({ window, part, last })))
    expect(word(3, 1, false)).toBe('entry-conflict')
    expect(word(3, 0, false)).toBe('ok')
    expect(word(4, 0, true)).toBe('entry-conflict')
    expect(word(3, 0, true)).toBe('entry-conflict')
    expect(word(3, 2, true)).toBe('entry-conflict')
    expect(word(3, 1, true)).toBe('ok')
    expect(word(3, 2, true)).toBe('entry-conflict')
    expect(word(3, 0, true)).toBe('entry-conflict')
    expect(word(5, 0, true)).toBe('ok')
  })

  it('lets the coordinator draw the fees it has earned', () => {
    const book = newBook()
    book.must('issue', ...issuing())
    expect(wordOf(book.enter('fee', { account: 'bob', amount: 6n }, undefined))).toBe('insufficient-credits')
    expect(wordOf(book.enter('fee', { account: 'bob', amount: 3n }, undefined))).toBe('ok')
    expect(wordOf(book.enter('fee', { account: 'cid', amount: 2n }, undefined))).toBe('not-home')
    expect([book.balance('bob'), book.balance('fee:HomeA')]).toEqual([23n, 2n])
  })
})
