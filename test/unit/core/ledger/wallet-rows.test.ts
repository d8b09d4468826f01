import { describe, expect, it } from 'vitest'
import { walletRows, walletSubject } from '../../../../src/core/ledger/wallet-rows.js'
import { SAMPLE_ENTRIES } from '../../../helpers/sample-entries.js'

const held = SAMPLE_ENTRIES.hold
const payer = held.kind === 'hold' ? (held.rows[0]?.account ?? '') : ''

describe('what an entry was about', () => {
  it.each([
    ['settle', 'ann', 'ann:job-1'],
    ['release', 'ann', 'ann:job-2'],
    ['issue', 'bob', 'window 12'],
    ['transfer-out', 'ann', 'cid'],
    ['transfer-out', 'cid', 'ann'],
    ['reverse', 'ann', 'ann:job-1'],
    ['refund', 'ann', 'ann:job-1'],
    ['fee', 'bob', ''],
  ] as const)('%s, for %s: %s', (kind, account, about) => {
    expect(walletSubject(SAMPLE_ENTRIES[kind], account)).toEqual({ about, count: 1 })
  })

  it('for a hold: the first of the account’s tasks, and how many', () => {
    if (held.kind !== 'hold') throw new Error('no hold')
    const rows = held.rows.filter((row) => row.account === payer)
    expect(walletSubject(held, payer)).toEqual({ about: rows[0]?.task, count: rows.length })
    const [row] = rows
    if (row === undefined) throw new Error('no row')
    const two = { ...held, rows: [row, { ...row, task: 'ann:b' }, { ...row, account: 'bob', task: 'bob:c' }] }
    expect(walletSubject(two, payer)).toEqual({ about: row.task, count: 2 })
  })
})

it('rows are of owners’ accounts and slices only, with the balance after the entry', () => {
  const balance = (key: string, value: bigint) => ({ table: 'balance', key, value }) as const
  const rows = walletRows({
    outcome: 'applied',
    postings: [
      { account: 'ann', amount: -5n },
      { account: 'ann@home', amount: 2n },
      { account: 'hold:ann:1', amount: 2n },
      { account: 'sys:treasury', amount: 1n },
    ],
    changes: [
      balance('ann', 0n),
      balance('ann@home', 9n),
      balance('hold:ann:1', 2n),
      balance('sys:treasury', 1n),
    ],
  })
  expect(rows).toEqual([
    { account: 'ann', amount: -5n, balance: 0n },
    { account: 'ann@home', amount: 2n, balance: 9n },
  ])
})
