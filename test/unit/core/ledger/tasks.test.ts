import { describe, expect, it } from 'vitest'
import { divideHold, meter, type Usage } from '../../../../src/core/economy/metering.js'
import { DEFAULT_TERMS } from '../../../../src/core/economy/terms.js'
import { chooseRows } from '../../../../src/core/ledger/apply.js'
import type { SettleEvidence } from '../../../../src/core/ledger/facts.js'
import type { EntryOf } from '../../../../src/wire/ledger/entry.js'
import { Book, RATES, STATEMENT, wordOf } from '../../../helpers/ledger-book.js'

const HOME = 'Home'
const TASK = 'ann:1'
const USAGE: Usage = { inputTokens: 1_000, outputTokens: 500, sandboxMs: 2_000 }
/** 50,000 + 100,000 + 20,000 microcredits at the default prices. */
const COST = 170_000n
const HELD = 200_000n
const PARTS = divideHold(HELD, meter(RATES, USAGE), DEFAULT_TERMS)
type Settle = Omit<EntryOf<'settle'>, 'kind' | 'id' | 'timeMs'>

function newBook(): Book {
  const book = new Book(HOME)
  for (const account of ['ann', 'bob']) book.open(account)
  book.grant('ann', 1_000_000n, 'pay-1')
  book.enrol('Worker', 'bob')
  return book
}

const settling = (changes: Partial<Settle> = {}): Settle => ({
  task: TASK,
  fence: 1,
  worker: 'Worker',
  to: 'bob',
  toHome: undefined,
  usage: USAGE,
  paid: PARTS.worker,
  fee: PARTS.fee,
  treasury: PARTS.treasury,
  receipt: STATEMENT,
  acceptance: STATEMENT,
  ...changes,
})
const words = (fence = 1, usage = USAGE): SettleEvidence & { acceptance: object } => ({
  receipt: { task: TASK, fence, worker: 'Worker', coordinator: HOME, usage },
  acceptance: { task: TASK, fence, gateway: 'Gateway', usage },
})
const releasing = (fence = 0) => ({ task: TASK, fence, reason: 'failed' }) as const
const verdictOf = (valid: boolean, fence = 1, usage = USAGE) => {
  const said = { task: TASK, fence, verifier: 'Verifier', valid, usage }
  return [{ ...said, statement: STATEMENT }, said] as const
}
const reversing = (amount: bigint, payer: 'parties' | 'treasury' = 'parties', key = TASK) => {
  const said = { target: 'settle', key, amount, payer } as const
  return [{ ...said, reason: '', statement: STATEMENT }, said] as const
}
/** @param disputed what the dispute is about else */
const refunding = (amount: bigint, disputed: object = {}, fence = 1) => {
  const said = { task: TASK, fence, gateway: 'Gateway', ...disputed }
  return [{ task: TASK, fence, amount, statement: STATEMENT }, said] as const
}

describe('the life of a hold', () => {
  const reach = {
    none: () => newBook(),
    held: () => {
      const book = newBook()
      book.hold(TASK, 'ann', HELD)
      return book
    },
    settled: () => {
      const book = reach.held()
      book.must('settle', settling(), words())
      return book
    },
    released: () => {
      const book = reach.held()
      book.must('release', releasing(2), undefined)
      return book
    },
  }
  const events = {
    hold: (book: Book) => book.hold(TASK, 'ann', HELD),
    'hold above all fences': (book: Book) => book.hold(TASK, 'ann', HELD, { fenceFloor: 5 }),
    settle: (book: Book) => book.enter('settle', settling(), words()),
    release: (book: Book) => book.enter('release', releasing(), undefined),
    reverse: (book: Book) => book.enter('reverse', ...reversing(1n)),
    verdict: (book: Book) => book.enter('verdict', ...verdictOf(true)),
    refund: (book: Book) => book.enter('refund', ...refunding(1n)),
  }
  const expected = {
    none: ['ok', 'ok', 'hold-unknown', 'hold-unknown', 'hold-unknown', 'hold-unknown', 'hold-unknown'],
    held: ['entry-conflict', 'entry-conflict', 'ok', 'ok', 'hold-unknown', 'ok', 'hold-unknown'],
    settled: ['hold-ended', 'hold-ended', 'hold-ended', 'hold-ended', 'ok', 'ok', 'wrong-evidence'],
    released: ['stale-fence', 'ok', 'hold-ended', 'hold-ended', 'hold-unknown', 'ok', 'hold-unknown'],
  }
  const states = Object.keys(reach) as (keyof typeof reach)[]
  const cases = states.flatMap((state) =>
    Object.entries(events).map(([name, event], at) => ({ state, name, event, outcome: expected[state][at] })),
  )

  it.each(cases)('$state: $name is $outcome', ({ state, event, outcome }) => {
    const book = reach[state]()
    const before = book.size
    expect(wordOf(event(book))).toBe(outcome)
    expect(book.size).toBe(before + (outcome === 'ok' ? 1 : 0))
  })

  it('moves credits to the worker, the fee and the treasury, and the rest back', () => {
    const book = reach.held()
    expect([book.balance('ann'), book.balance(`hold:${TASK}`)]).toEqual([800_000n, HELD])
    const postings = book.must('settle', settling(), words())
    expect(new Map(postings.map(({ account, amount }) => [account, amount]))).toEqual(
      new Map([
        [`hold:${TASK}`, -HELD],
        ['bob', COST - 2_550n - 8_500n],
        ['fee:Home', 2_550n],
        ['sys:treasury', 8_500n],
        ['ann', HELD - COST],
      ]),
    )
    expect(book.balance(`hold:${TASK}`)).toBe(0n)
  })

  it('may be made again at once when the task was never leased', () => {
    const book = reach.held()
    book.must('release', releasing(), undefined)
    expect(wordOf(book.hold(TASK, 'ann', HELD))).toBe('ok')
  })

  it('gives all back on release', () => {
    const book = reach.released()
    expect([book.balance('ann'), book.balance(`hold:${TASK}`)]).toEqual([1_000_000n, 0n])
  })

  it('never pays more than is held', () => {
    const book = newBook()
    book.hold(TASK, 'ann', 100n)
    const parts = divideHold(100n, COST, DEFAULT_TERMS)
    expect(parts.cost).toBe(100n)
    const entry = settling({ paid: parts.worker, fee: parts.fee, treasury: parts.treasury })
    expect(wordOf(book.enter('settle', entry, words()))).toBe('ok')
    expect(book.balance('ann')).toBe(999_900n)
  })
})

describe('a hold is refused', () => {
  const row = { task: TASK, account: 'ann', amount: HELD, rates: RATES }
  const evidence = (account = 'ann', cap = HELD) => ({
    gateway: 'Gateway',
    tasks: new Map([[TASK, { account, cap, fenceFloor: 0, rates: RATES }]]),
  })
  const enter = (changes: Partial<typeof row>, by = evidence()) =>
    wordOf(newBook().enter('hold', { order: STATEMENT, rows: [{ ...row, ...changes }] }, by))

  it('when the order does not have the task, or for another account', () => {
    expect(enter({ task: 'ann:2' })).toBe('wrong-evidence')
    expect(enter({ account: 'bob' })).toBe('wrong-evidence')
    expect(enter({}, evidence('bob'))).toBe('wrong-evidence')
  })

  it('over the cap of the order, or at other rates than are in force', () => {
    expect(enter({ amount: HELD + 1n })).toBe('wrong-amount')
    expect(enter({ rates: { ...RATES, outputPer1000Tokens: 1n } })).toBe('wrong-amount')
  })

  it('when the balance does not cover it, with the numbers', () => {
    const outcome = newBook().hold(TASK, 'ann', 1_000_001n)
    expect(outcome).toMatchObject({ code: 'insufficient-credits' })
    expect(outcome).toMatchObject({ detail: expect.stringMatching(/1000000 .* 1000001 .*: 1 are missing/) })
  })

  it('of an account that is unknown, or of another home, or by a gateway that may not spend', () => {
    const book = newBook()
    book.open('cid', 'Elsewhere')
    book.open('dan', HOME, ['GatewayA', 'GatewayB'])
    book.grant('dan', 10n, 'pay-2')
    expect(wordOf(book.hold('eve:1', 'eve', 1n))).toBe('account-unknown')
    expect(wordOf(book.hold('cid:1', 'cid', 1n))).toBe('not-home')
    expect(wordOf(book.hold('dan:1', 'dan', 1n))).toBe('not-admitted')
    expect(wordOf(book.hold('dan:1', 'dan', 1n, { gateway: 'GatewayB' }))).toBe('ok')
  })

  it('whole when one row cannot be held; a desk finds out which can', () => {
    const book = newBook()
    const rows = [1, 2, 3].map((n) => ({ ...row, task: `ann:${n}`, amount: n === 2 ? 900_000n : 300_000n }))
    const ordered = { account: 'ann', cap: 900_000n, fenceFloor: 0, rates: RATES }
    const by = { gateway: 'Gateway', tasks: new Map(rows.map(({ task }) => [task, ordered])) }
    expect(wordOf(book.enter('hold', { order: STATEMENT, rows }, by))).toBe('insufficient-credits')
    expect(book.balance('ann')).toBe(1_000_000n)
    const chosen = chooseRows(book.state, rows, by)
    expect(chosen.rows.map(({ task }) => task)).toEqual(['ann:1', 'ann:3'])
    expect([...chosen.refused.keys()]).toEqual(['ann:2'])
    expect(wordOf(book.enter('hold', { order: STATEMENT, rows: chosen.rows }, by))).toBe('ok')
    expect(book.balance('ann')).toBe(400_000n)
  })

  it('twice in one entry', () => {
    const outcome = newBook().enter('hold', { order: STATEMENT, rows: [row, row] }, evidence())
    expect(wordOf(outcome)).toBe('entry-conflict')
  })
})

describe('a settlement is refused', () => {
  const settle = (
    entry: Partial<Settle>,
    by: SettleEvidence = words(entry.fence),
    prepare?: (book: Book) => void,
  ) => {
    const book = newBook()
    book.hold(TASK, 'ann', HELD, { fenceFloor: 3 })
    prepare?.(book)
    return wordOf(book.enter('settle', settling({ fence: 4, ...entry }), by))
  }

  it('with another amount than the rules give, by one microcredit', () => {
    expect(settle({ fence: 4 }, words(4))).toBe('ok')
    for (const field of ['paid', 'fee', 'treasury'] as const) {
      expect(settle({ [field]: PARTS[field === 'paid' ? 'worker' : field] + 1n }, words(4))).toBe(
        'wrong-amount',
      )
      expect(settle({ [field]: PARTS[field === 'paid' ? 'worker' : field] - 1n }, words(4))).toBe(
        'wrong-amount',
      )
    }
    expect(settle({ usage: { ...USAGE, outputTokens: 501 } }, words(4))).toBe('wrong-amount')
  })

  it('for a fence that was never above the floor, or older than one that was judged', () => {
    expect(settle({ fence: 3 })).toBe('stale-fence')
    expect(settle({ fence: 4 }, words(4), (book) => void book.must('verdict', ...verdictOf(true, 5)))).toBe(
      'stale-fence',
    )
  })

  it('when receipt or acceptance say something else', () => {
    const { receipt, acceptance } = words(4)
    for (const change of [{ task: 'ann:2' }, { fence: 5 }, { worker: 'Other' }, { coordinator: 'Other' }]) {
      expect(settle({}, { acceptance, receipt: { ...receipt, ...change } } as SettleEvidence)).toBe(
        'wrong-evidence',
      )
    }
    for (const change of [{ task: 'ann:2' }, { fence: 5 }, { gateway: 'Other' }]) {
      const said = { receipt, acceptance: { ...acceptance, ...change } } as SettleEvidence
      expect(settle({}, said)).toBe('wrong-evidence')
    }
    expect(settle({}, { receipt })).toBe('wrong-evidence')
  })

  it('when the ends disagree, until a verifier decides', () => {
    const { receipt, acceptance } = words(4)
    const said = { receipt, acceptance: { ...acceptance, usage: { outputTokens: 100 } } } as SettleEvidence
    expect(settle({}, said)).toBe('usage-disputed')
    expect(settle({}, said, (book) => void book.must('verdict', ...verdictOf(true, 4)))).toBe('ok')
    expect(settle({}, { receipt }, (book) => void book.must('verdict', ...verdictOf(true, 4)))).toBe('ok')
    expect(settle({}, words(4), (book) => void book.must('verdict', ...verdictOf(false, 4)))).toBe(
      'wrong-evidence',
    )
  })

  it('for a worker that is not enrolled', () => {
    const { receipt, acceptance } = words(4)
    const said = { acceptance, receipt: { ...receipt, worker: 'Stranger' } } as SettleEvidence
    expect(settle({ worker: 'Stranger' }, said)).toBe('not-admitted')
  })

  it('when it says another account than that of the worker, or another home of it', () => {
    expect(settle({ to: 'ann' }, words(4))).toBe('wrong-amount')
    expect(settle({ toHome: 'Away' }, words(4))).toBe('wrong-amount')
    const moved = (book: Book) => void book.open('bob', 'Away', [], 2)
    expect(settle({}, words(4), moved)).toBe('wrong-amount')
    expect(settle({ toHome: 'Away' }, words(4), moved)).toBe('ok')
  })
})

describe('a reversal', () => {
  const settled = () => {
    const book = newBook()
    book.hold(TASK, 'ann', HELD)
    book.must('settle', settling(), words())
    return book
  }

  it('gives back what was paid, in any steps, and never more from anyone', () => {
    const book = settled()
    for (const amount of [1n, 84_999n, 84_999n, 1n]) book.must('reverse', ...reversing(amount))
    expect(book.balance('ann')).toBe(1_000_000n)
    expect([book.balance('bob'), book.balance('fee:Home'), book.balance('sys:treasury')]).toEqual([
      0n,
      0n,
      0n,
    ])
    expect(wordOf(book.enter('reverse', ...reversing(1n)))).toBe('wrong-amount')
  })

  it('may be paid by the treasury, while it can', () => {
    const book = settled()
    expect(wordOf(book.enter('reverse', ...reversing(8_501n, 'treasury')))).toBe('insufficient-credits')
    book.must('reverse', ...reversing(8_500n, 'treasury'))
    expect(book.balance('ann')).toBe(1_000_000n - COST + 8_500n)
    expect(wordOf(book.enter('reverse', ...reversing(COST - 8_499n)))).toBe('wrong-amount')
  })

  it('does not make the worker owe', () => {
    const book = settled()
    book.transferOut('bob', 'ann', HOME, book.balance('bob'))
    expect(wordOf(book.enter('reverse', ...reversing(100n)))).toBe('insufficient-credits')
  })

  it('is less by what a refund gave back', () => {
    const book = settled()
    book.must('verdict', ...verdictOf(false))
    book.must('refund', ...refunding(COST - 2_550n - 8_500n))
    expect([book.balance('ann'), book.balance('bob')]).toEqual([1_000_000n - 2_550n - 8_500n, 0n])
    expect(wordOf(book.enter('reverse', ...reversing(2_550n + 8_501n)))).toBe('wrong-amount')
    book.must('reverse', ...reversing(2_550n + 8_500n))
    expect([book.balance('ann'), book.balance('fee:Home'), book.balance('sys:treasury')]).toEqual([
      1_000_000n,
      0n,
      0n,
    ])
  })

  it('of a grant burns it, up to what was granted', () => {
    const book = newBook()
    const said = { target: 'grant', key: 'pay-1', payer: 'parties' } as const
    const back = (amount: bigint) =>
      book.enter('reverse', { ...said, amount, reason: '', statement: STATEMENT }, { ...said, amount })
    expect(wordOf(back(400_000n))).toBe('ok')
    expect(wordOf(back(600_001n))).toBe('wrong-amount')
    expect([book.balance('ann'), book.balance('sys:burn'), book.balance('sys:issuance')]).toEqual([
      600_000n,
      400_000n,
      -1_000_000n,
    ])
  })
})

describe('a refund', () => {
  const PAID = COST - 2_550n - 8_500n
  const settled = (valid: boolean | 'unjudged' = false) => {
    const book = newBook()
    book.hold(TASK, 'ann', HELD)
    book.must('settle', settling(), words())
    if (valid !== 'unjudged') book.must('verdict', ...verdictOf(valid))
    return book
  }

  it('gives back all that the worker got, once, and no share of fee or treasury', () => {
    const book = settled()
    const postings = book.must('refund', ...refunding(PAID))
    expect(new Map(postings.map(({ account, amount }) => [account, amount]))).toEqual(
      new Map([
        ['bob', -PAID],
        ['ann', PAID],
      ]),
    )
    expect(wordOf(book.enter('refund', ...refunding(PAID)))).toBe('wrong-amount')
  })

  it('is of all that is left after a reversal', () => {
    const book = settled()
    book.must('reverse', ...reversing(COST / 2n))
    const left = book.balance('bob')
    expect(wordOf(book.enter('refund', ...refunding(PAID)))).toBe('wrong-amount')
    book.must('refund', ...refunding(left))
    expect(book.balance('bob')).toBe(0n)
  })

  it('needs a verdict that has refuted this very attempt', () => {
    expect(wordOf(settled('unjudged').enter('refund', ...refunding(PAID)))).toBe('wrong-evidence')
    expect(wordOf(settled(true).enter('refund', ...refunding(PAID)))).toBe('wrong-evidence')
    const later = settled('unjudged')
    later.must('verdict', ...verdictOf(false, 2))
    expect(wordOf(later.enter('refund', ...refunding(PAID)))).toBe('wrong-evidence')
    expect(wordOf(later.enter('refund', ...refunding(PAID, { fence: 2 }, 2)))).toBe('wrong-evidence')
  })

  it('needs the dispute of the gateway that ordered the task, about this attempt', () => {
    for (const change of [{ task: 'ann:2' }, { fence: 2 }, { gateway: 'Other' }]) {
      expect(wordOf(settled().enter('refund', ...refunding(PAID, change)))).toBe('wrong-evidence')
    }
  })

  it('of less or more than the worker has of it, or of what was not paid, is refused', () => {
    expect(wordOf(settled().enter('refund', ...refunding(PAID - 1n)))).toBe('wrong-amount')
    expect(wordOf(settled().enter('refund', ...refunding(PAID + 1n)))).toBe('wrong-amount')
    const held = newBook()
    held.hold(TASK, 'ann', HELD)
    expect(wordOf(held.enter('refund', ...refunding(PAID)))).toBe('hold-unknown')
  })

  it('does not make the worker owe, nor reaches into another home', () => {
    const spent = settled()
    spent.transferOut('bob', 'ann', HOME, spent.balance('bob'))
    expect(wordOf(spent.enter('refund', ...refunding(PAID)))).toBe('insufficient-credits')
    const moved = settled()
    moved.open('bob', 'Away', [], 2)
    expect(wordOf(moved.enter('refund', ...refunding(PAID)))).toBe('not-home')
  })
})
