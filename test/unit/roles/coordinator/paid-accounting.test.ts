import { beforeEach, describe, expect, it } from 'vitest'
import { allotmentName, holdAccount } from '../../../../src/core/ledger/account-name.js'
import { isRefusal, type Refusal } from '../../../../src/core/refusal.js'
import { LedgerAccounting } from '../../../../src/roles/coordinator/ledger-accounting.js'
import { PaidAccounting } from '../../../../src/roles/coordinator/paid-accounting.js'
import { homeMoving, type RoutedLog, WrittenLogs } from '../../../../src/roles/coordinator/written-logs.js'
import { systemClock } from '../../../../src/services/clock/system-clock.js'
import { createMetrics } from '../../../../src/services/observe/metrics.js'
import { Book, STATEMENT } from '../../../helpers/ledger-book.js'
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

const NOW_MS = 1_800_000_000_000
const AWAY = 'TheOtherHome'
const GRANTED = 1_000_000n

/** One log that is written here, with a switch for what policy says of it. */
interface Written extends RoutedLog {
  readonly book: Book
  readonly accounting: LedgerAccounting
  serves: boolean
}

let own: Written
let taken: Written
let logs: WrittenLogs<Written>
let accounting: PaidAccounting
let moving: Refusal | undefined

function written(home: string, epoch: number): Written {
  const book = new Book(home, undefined, epoch, coordinator)
  book.open('ann', AWAY)
  book.open('bob', coordinator)
  book.open('contributor', coordinator)
  book.enrol(worker.peerId, 'contributor')
  const clock = { ...systemClock(), nowMs: () => NOW_MS }
  const ledger = taskLog(book, () => NOW_MS)
  const isGateway = () => true
  return {
    home,
    epoch,
    serves: true,
    book,
    desk: { view: book.state, isOpen: true, closed: undefined, origin: `${home}/${epoch}` },
    accounting: new LedgerAccounting({
      ledger,
      isGateway,
      journal: { record: () => {} },
      clock,
      log: memoryLog(),
      metrics: createMetrics(),
    }),
  }
}

/** What another home lets this one spend of an account. */
function allotted({ book, home }: Written, amount: bigint, from = AWAY): string {
  const to = allotmentName('ann', home)
  const said = {
    nature: 'allot',
    transfer: new Uint8Array(16),
    home: from,
    epoch: 1,
    index: 3,
    to,
    amount,
  } as const
  const evidence = { ...said, toHome: home, final: true, withinCut: true }
  book.must('transfer-in', { ...said, proof: STATEMENT }, evidence)
  return to
}

/** Of ann, when nothing else is said. */
async function hold(id: string, account = 'ann') {
  const signed = await order(headerOf(id, { id: `${account}:${id}`, account }))
  const refused = accounting.hold(signed, signed.tasks)
  return { task: signed.tasks[0], refused: refused.get(`${account}:${id}`)?.code }
}

beforeEach(() => {
  own = written(coordinator, 1)
  taken = written(AWAY, 2)
  own.book.grant('bob', GRANTED, 'g1')
  taken.book.grant('ann', GRANTED, 'g2')
  moving = undefined
  logs = new WrittenLogs(own, (home) => (home === AWAY ? moving : undefined))
  logs.add(taken)
  accounting = new PaidAccounting(logs)
})

describe('a coordinator that writes the logs of two homes', () => {
  it('reserves each task in the log of its account’s home, of one order too', async () => {
    const signed = await order(
      headerOf('a'),
      headerOf('b', { id: 'bob:b', account: 'bob' }),
      headerOf('c', { id: 'cid:c', account: 'cid' }),
    )
    const refused = accounting.hold(signed, signed.tasks)
    expect([...refused].map(([id, { code }]) => [id, code])).toEqual([['cid:c', 'account-unknown']])
    expect(taken.book.state.get('hold', 'ann:a')?.state).toBe('held')
    expect(own.book.state.get('hold', 'bob:b')?.state).toBe('held')
    expect(own.book.state.get('hold', 'ann:a')).toBeUndefined()
    expect(accounting.owes('ann:a')).toMatchObject({ gateway: gateway.peerId })
  })

  it('pays and releases where it is reserved', async () => {
    const { task } = await hold('a')
    await hold('b', 'bob')
    if (task === undefined) throw new Error('one task')
    const done = await outcome(task)
    const [before, ownSize] = [taken.book.size, own.book.size]
    expect(accounting.judge(task, done)).toBeUndefined()
    accounting.settle(task.id, done)
    expect([taken.book.size, own.book.size]).toEqual([before + 1, ownSize])
    expect(accounting.isOver(task.id)).toBe(true)
    accounting.release('bob:b', 0n, 'cancelled')
    expect(own.book.balance('bob')).toBe(GRANTED)
    expect(accounting.isOver('bob:b')).toBe(true)
  })

  it('pays once what a slice and the account itself were both reserved for', async () => {
    taken.serves = false
    const slice = allotted(own, 500_000n)
    const { task } = await hold('a')
    expect(own.book.state.get('hold', 'ann:a')?.account).toBe(slice)
    // The log that went on meanwhile held it, too: the task had moved here while its home was away.
    taken.book.hold('ann:a', 'ann', 9_000n, { gateway: gateway.peerId })
    taken.serves = true
    if (task === undefined) throw new Error('one task')
    const done = await outcome(task)
    const sum = () => taken.book.balance('ann') + own.book.balance(slice)
    expect(accounting.judge(task, done)).toBeUndefined()
    accounting.settle(task.id, done)
    const states = [own, taken].map(({ book }) => book.state.get('hold', 'ann:a')?.state)
    expect(states.toSorted()).toEqual(['released', 'settled'])
    const [paid] = [own, taken].flatMap(({ book }) => book.state.get('hold', 'ann:a')?.paid ?? [])
    expect(sum()).toBe(GRANTED + 500_000n - (paid?.cost ?? 0n))
    expect([own, taken].map(({ book }) => book.balance(holdAccount('ann:a')))).toEqual([0n, 0n])
    // Said once more, it is paid already.
    const sizes = [own.book.size, taken.book.size]
    expect(accounting.judge(task, done)).toBeUndefined()
    accounting.settle(task.id, done)
    expect([own.book.size, taken.book.size]).toEqual(sizes)
  })

  it('does not reserve anew what another of its logs has paid', async () => {
    taken.serves = false
    allotted(own, 500_000n)
    const { task } = await hold('a')
    if (task === undefined) throw new Error('one task')
    accounting.settle(task.id, await outcome(task))
    taken.serves = true
    expect((await hold('a')).refused).toBe('hold-ended')
    expect(taken.book.state.get('hold', 'ann:a')).toBeUndefined()
  })

  it('spends no log that was sealed, and says what a home waits for that comes here', async () => {
    taken.serves = false
    expect((await hold('a')).refused).toBe('not-home')
    moving = homeMoving(AWAY, 'seals are missing', 2_000)
    expect((await hold('a')).refused).toBe('home-moving')
    const home = logs.ofHomeOf('ann')
    expect(isRefusal(home) && home.retryAfterMs).toBe(2_000)
    allotted(own, 200_000n)
    expect((await hold('a')).refused).toBeUndefined()
    // What the slice does not pay for waits.
    expect((await hold('b')).refused).toBe('home-moving')
    moving = undefined
    expect(logs.ofHomeOf('ann')).toBe(own)
  })

  it('takes what was held before its home came here as held', async () => {
    taken.book.hold('ann:a', 'ann', 9_000n, { gateway: gateway.peerId })
    const before = taken.book.size
    const { task, refused } = await hold('a')
    expect([refused, taken.book.size]).toEqual([undefined, before])
    if (task === undefined) throw new Error('one task')
    accounting.settle(task.id, await outcome(task))
    expect(taken.book.state.get('hold', 'ann:a')).toMatchObject({ state: 'settled', amount: 9_000n })
  })

  it('shows the log of its own home, or else one that goes on', () => {
    expect(logs.primary).toBe(own)
    own.serves = false
    expect([logs.primary, logs.open]).toEqual([taken, [taken, own]])
    taken.serves = false
    expect(logs.primary).toBe(own)
    const back = written(coordinator, 3)
    logs.add(back)
    expect([logs.primary, logs.ofAccount('bob')]).toEqual([back, back])
  })
})
