import { beforeEach, describe, expect, it } from 'vitest'
import { feeAccount, holdAccount, TREASURY } from '../../../../src/core/ledger/account-name.js'
import { type Refusal, refusal } from '../../../../src/core/refusal.js'
import type { TaskHeader } from '../../../../src/core/task/task.js'
import type { Recordable } from '../../../../src/roles/coordinator/journal.js'
import { LedgerAccounting } from '../../../../src/roles/coordinator/ledger-accounting.js'
import { systemClock } from '../../../../src/services/clock/system-clock.js'
import { createIdentity } from '../../../../src/services/identity/identity.js'
import { createMetrics } from '../../../../src/services/observe/metrics.js'
import { Book } from '../../../helpers/ledger-book.js'
import { memoryLog } from '../../../helpers/memory-log.js'
import {
  coordinator,
  gateway,
  headerOf,
  order,
  outcome,
  taskLog,
  worker,
} from '../../../helpers/paid-tasks.js'

const GRANTED = 1_000_000n

let book: Book
let accounting: LedgerAccounting
/** What is to be committed besides the log. */
let recorded: Recordable[]
let closed: Refusal | undefined
let nowMs: number

const logOf = (of: Book) => taskLog(of, () => nowMs)

function codes(refused: ReadonlyMap<string, Refusal>): Record<string, string> {
  return Object.fromEntries([...refused].map(([id, { code }]) => [id, code]))
}

beforeEach(() => {
  nowMs = 1_800_000_000_000
  book = new Book(coordinator)
  book.open('ann')
  book.open('contributor')
  book.grant('ann', GRANTED, 'first')
  book.enrol(worker.peerId, 'contributor')
  recorded = []
  closed = undefined
  const ledger = Object.defineProperty(logOf(book), 'closed', { get: () => closed })
  accounting = new LedgerAccounting({
    ledger,
    isGateway: (_view, peer) => peer === gateway.peerId,
    journal: { record: (what) => void recorded.push(what) },
    clock: systemClock(),
    log: memoryLog(),
    metrics: createMetrics(),
  })
})

describe('a hold', () => {
  it('is not written for who is no gateway by the policy in the ledger', async () => {
    const strict = new LedgerAccounting({
      ledger: logOf(book),
      isGateway: () => false,
      journal: { record: () => {} },
      clock: systemClock(),
      log: memoryLog(),
      metrics: createMetrics(),
    })
    const signed = await order(headerOf('a'), headerOf('b'))
    const before = book.size
    const refused = strict.hold(signed, signed.tasks)
    expect([...refused.values()].map(({ code }) => code)).toEqual(['not-admitted', 'not-admitted'])
    expect(book.size).toBe(before)
  })

  it('reserves for all tasks of an order in one entry, the most that each can cost', async () => {
    const signed = await order(headerOf('a'), headerOf('b'))
    const before = book.size
    expect(accounting.hold(signed, signed.tasks).size).toBe(0)
    expect(book.size).toBe(before + 1)
    // 1,000 input tokens at 0.05 a thousand, 500 output tokens at 0.2.
    expect(book.balance(holdAccount('ann:a'))).toBe(150_000n)
    expect(book.balance('ann')).toBe(GRANTED - 300_000n)
  })

  it('is refused task by task, with the numbers, when the balance does not cover it', async () => {
    const many = Array.from({ length: 8 }, (_, n) => headerOf(`t${n}`))
    const signed = await order(...many)
    const refused = accounting.hold(signed, signed.tasks)
    expect(codes(refused)).toEqual({ 'ann:t6': 'insufficient-credits', 'ann:t7': 'insufficient-credits' })
    expect(refused.get('ann:t6')?.detail).toContain('100000')
    expect(refused.get('ann:t6')?.detail).toContain('150000')
    expect(book.balance('ann')).toBe(100_000n)
  })

  it('reserves no more than the cap of the task', async () => {
    const signed = await order(headerOf('a', { priceCapMicrocredits: 777n }))
    accounting.hold(signed, signed.tasks)
    expect(book.balance(holdAccount('ann:a'))).toBe(777n)
  })

  it('of an unknown account is refused', async () => {
    const signed = await order(headerOf('a', { id: 'bob:a', account: 'bob' }))
    expect(codes(accounting.hold(signed, signed.tasks))).toEqual({ 'bob:a': 'account-unknown' })
  })

  it('is refused to a gateway that may not spend from the account', async () => {
    book.open('ann', book.home, ['AnotherGateway'], 2)
    const signed = await order(headerOf('a'))
    expect(codes(accounting.hold(signed, signed.tasks))).toEqual({ 'ann:a': 'not-admitted' })
  })
})

describe('a settlement', () => {
  it('holds both signatures; they are written by themselves when its log is sealed before it is', async () => {
    const signed = await order(headerOf('a'))
    accounting.hold(signed, signed.tasks)
    const task = signed.tasks[0] as TaskHeader
    accounting.settle(task.id, await outcome(task))
    expect(recorded.map(({ key }) => key)).toEqual([`r|${task.id}`])
    expect(recorded[0]?.write()).toEqual([])
    closed = refusal('log-sealed', 'another coordinator goes on with this home')
    expect(recorded[0]?.write()).toMatchObject({ type: 'put', key: `r|${task.id}` })
  })

  let task: TaskHeader
  beforeEach(async () => {
    const signed = await order(headerOf('a'))
    accounting.hold(signed, signed.tasks)
    task = signed.tasks[0] as TaskHeader
  })

  it('pays the worker by what both ends counted, fee and treasury, and gives the rest back', async () => {
    const done = await outcome(task)
    expect(accounting.judge(task, done)).toBeUndefined()
    accounting.settle(task.id, done)
    // 1,000 input and 100 output tokens.
    const cost = 70_000n
    const [fee, treasury] = [(cost * 150n) / 10_000n, (cost * 500n) / 10_000n]
    expect(book.balance('contributor')).toBe(cost - fee - treasury)
    expect(book.balance(feeAccount(coordinator))).toBe(fee)
    expect(book.balance(TREASURY)).toBe(treasury)
    expect(book.balance('ann')).toBe(GRANTED - cost)
    expect(book.balance(holdAccount('ann:a'))).toBe(0n)
  })

  it('is not made when the two ends differ by more than policy tolerates', async () => {
    const done = await outcome(task, { tokens: 400, counted: 100 })
    expect(accounting.judge(task, done)).toMatchObject({ code: 'usage-disputed' })
    expect(book.balance('contributor')).toBe(0n)
  })

  it('is made once, and for no fence that was released', async () => {
    accounting.settle(task.id, await outcome(task))
    expect(accounting.judge(task, await outcome(task, { fence: 2n }))).toMatchObject({ code: 'hold-unknown' })
  })

  it('is not made to a worker that is not enrolled, nor by the word of another gateway', async () => {
    const stranger = createIdentity().signer
    expect(accounting.judge(task, await outcome(task, { by: stranger }))).toMatchObject({
      code: 'not-admitted',
    })
    const other = await outcome(task, { accepter: stranger })
    expect(accounting.judge(task, other)).toMatchObject({ code: 'wrong-evidence' })
  })
})

describe('a release', () => {
  it('gives everything back, once', async () => {
    const signed = await order(headerOf('a'))
    accounting.hold(signed, signed.tasks)
    accounting.release('ann:a', 3n, 'cancelled')
    expect(book.balance('ann')).toBe(GRANTED)
    const size = book.size
    accounting.release('ann:a', 3n, 'cancelled')
    expect(book.size).toBe(size)
    expect(
      await outcome(signed.tasks[0] as TaskHeader).then((done) =>
        accounting.judge(signed.tasks[0] as TaskHeader, done),
      ),
    ).toMatchObject({ code: 'hold-unknown' })
  })

  it('of a task that holds nothing is nothing', () => {
    const size = book.size
    accounting.release('ann:unknown', 1n, 'failed')
    expect(book.size).toBe(size)
  })

  it('lets a task that comes back be held anew, above its fences', async () => {
    const signed = await order(headerOf('a'))
    accounting.hold(signed, signed.tasks)
    accounting.release('ann:a', 3n, 'cancelled')
    const stale = await order(headerOf('a', { fenceFloor: 2n }))
    expect(codes(accounting.hold(stale, stale.tasks))).toEqual({ 'ann:a': 'stale-fence' })
    const back = await order(headerOf('a', { fenceFloor: 1_024n }))
    expect(accounting.hold(back, back.tasks).size).toBe(0)
    expect(book.balance(holdAccount('ann:a'))).toBe(150_000n)
  })

  it('of a task that was never leased gives back what was held again, as often as that is', async () => {
    for (const reason of ['failed', 'expired', 'cancelled'] as const) {
      const signed = await order(headerOf('a'))
      expect(accounting.hold(signed, signed.tasks).size).toBe(0)
      accounting.release('ann:a', 0n, reason)
      expect(book.balance('ann')).toBe(GRANTED)
    }
  })
})

describe('pricing windows', () => {
  it('are opened before a hold or a settlement of a later window, and by nothing else', async () => {
    const first = await order(headerOf('a'))
    accounting.hold(first, first.tasks)
    const before = book.size
    nowMs += 600_000
    accounting.release('ann:a', 0n, 'cancelled')
    expect([book.size, book.state.get('pricing', '')?.window]).toEqual([before + 1, 3_000_000])
    const second = await order(headerOf('b'))
    accounting.hold(second, second.tasks)
    expect([book.size, book.state.get('pricing', '')?.window]).toEqual([before + 3, 3_000_001])
    const task = second.tasks[0] as TaskHeader
    const done = await outcome(task)
    nowMs += 600_000
    expect(accounting.judge(task, done)).toBeUndefined()
    accounting.settle(task.id, done)
    expect(book.state.get('pricing', '')).toMatchObject({ window: 3_000_002, tasks: 1, holds: 0 })
    expect(book.state.get('hold', 'ann:b')?.state).toBe('settled')
  })

  it('set what tasks are charged: after silence a task costs less, and its work counts as much', async () => {
    nowMs += 600_000 * 3
    const signed = await order(headerOf('a'))
    accounting.hold(signed, signed.tasks)
    // Two windows saw nobody: the price fell by an eighth, twice.
    expect(book.state.get('pricing', '')?.multiplier).toBe(765_625n)
    expect(book.balance(holdAccount('ann:a'))).toBe((150_000n * 765_625n) / 1_000_000n + 1n)
    const task = signed.tasks[0] as TaskHeader
    accounting.settle(task.id, await outcome(task))
    const work = book.state.get('tally', '')?.work ?? 0n
    expect(work > 69_990n && work < 70_010n).toBe(true)
  })

  it('that a writer does not open refuse its holds and settlements', async () => {
    const signed = await order(headerOf('a'))
    accounting.hold(signed, signed.tasks)
    const stuck = new LedgerAccounting({
      ledger: { ...logOf(book), openWindow: () => nowMs + 600_000 },
      isGateway: () => true,
      journal: { record: () => {} },
      clock: systemClock(),
      log: memoryLog(),
      metrics: createMetrics(),
    })
    const task = signed.tasks[0] as TaskHeader
    expect(stuck.judge(task, await outcome(task))).toMatchObject({ code: 'entry-conflict' })
  })
})
