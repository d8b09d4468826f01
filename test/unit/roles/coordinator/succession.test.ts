import type { MessageInitShape } from '@bufbuild/protobuf'
import { beforeEach, describe, expect, it } from 'vitest'
import { isRefusal } from '../../../../src/core/refusal.js'
import type { LedgerOffice } from '../../../../src/roles/coordinator/ledger-office.js'
import type { AuditReport } from '../../../../src/roles/ledger/audit.js'
import { logKeys } from '../../../../src/roles/ledger/log-keys.js'
import { writtenPrefix } from '../../../../src/roles/replication/log-name.js'
import { logOrigin } from '../../../../src/wire/checkpoint.js'
import { seal, statements } from '../../../../src/wire/envelope.js'
import type { TransferSchema } from '../../../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import { type Seat, Trio } from './trio.js'
import type { FakeGateway, FakeWorker } from './world.js'

const CREDITS = 10_000_000n

let trio: Trio
let old: Seat
let next: Seat
let third: Seat

beforeEach(setUp)

async function setUp(): Promise<void> {
  trio = await Trio.of(CREDITS)
  ;[old, next, third] = trio.seats
  await trio.until(() => isFinal(old, old, 1))
}

function isFinal(at: Seat, home: Seat, epoch: number): boolean {
  const log = at.written(home, epoch)
  return log !== undefined && log.entries > 0 && log.finalEntries === log.entries
}

/** Submits one, and has it done and paid. */
async function pay(gateway: FakeGateway, worker: FakeWorker, id: string): Promise<void> {
  const { results } = await gateway.submit(gateway.header(id, { maxOutputTokens: 50 }))
  expect(results[0]?.refusal).toBeUndefined()
  const ack = await worker.done(await worker.lease(), gateway)
  expect(ack.refusal).toBeUndefined()
}

const serves = (seat: Seat, epoch: number) => seat.written(old, epoch)?.state === 'serving'

function officeOf(seat: Seat): LedgerOffice {
  const office = seat.coordinator.ledgerOffice()
  if (office === undefined) throw new Error('tasks are paid here')
  return office
}

const never = new AbortController().signal
async function audited(seat: Seat): Promise<readonly AuditReport[]> {
  const events = officeOf(seat).audit(undefined, never)
  if (isRefusal(events)) throw new Error(events.detail)
  const reports: AuditReport[] = []
  for await (const event of events) if (event.type === 'report') reports.push(event.report)
  return reports
}

const reconcile = (seat: Seat) => officeOf(seat).reconcile(never)

async function transfer(gateway: FakeGateway, sent: MessageInitShape<typeof TransferSchema>) {
  const nowMs = trio.clock.nowMs()
  const said = { ...sent, createdMs: BigInt(nowMs) }
  const network = trio.chain.head?.network ?? ''
  const signed = seal(gateway.signer, network, statements.transfer, said, nowMs)
  return (await gateway.ask('transfer', (ask) => ({ case: 'transfer', value: { ask, transfer: signed } })))
    .value
}

/** All credits of the logs that a seat writes; they sum to zero. */
async function supplyAt(seat: Seat) {
  const economy = seat.coordinator.economy()
  if (economy === undefined || isRefusal(economy)) throw new Error('it is open')
  return trio.run(economy.supply())
}

describe('a home whose coordinator is lost', () => {
  it('goes on at its successor: balances, credits that are held, and what is ordered anew', async () => {
    const gateway = await old.gateway()
    const worker = await old.worker()
    await pay(gateway, worker, 'one')
    const header = gateway.header('two', { maxOutputTokens: 50 })
    await gateway.submit(header)
    const lease = await worker.lease()
    await trio.until(() => isFinal(old, old, 1))
    const before = await old.wallet('alice')
    expect(before.held).toBeGreaterThan(0n)
    const issued = (await supplyAt(old)).issued
    old.crash()
    await trio.handOver(old, 2, next)
    await trio.until(() => next.written(old, 2)?.state === 'waiting')
    await trio.until(() => serves(next, 2) && isFinal(next, old, 2))
    expect(await next.wallet('alice')).toMatchObject({
      isHome: true,
      available: before.available,
      final: before.available,
      held: 0n,
    })
    expect(await supplyAt(next)).toMatchObject({ issued, sum: 0n })
    // Its gateway moves on with what was under way; the worker's receipt for the old lease is worth nothing here.
    const [moved, hand] = [await next.gateway(), await next.worker()]
    const { results } = await moved.submit({ ...header, fenceFloor: lease.fence })
    expect(results[0]?.refusal).toBeUndefined()
    expect(await next.wallet('alice')).toMatchObject({ available: before.available, held: before.held })
    const again = await hand.lease()
    expect(again.fence).toBeGreaterThan(lease.fence)
    expect((await hand.done(again, moved)).refusal).toBeUndefined()
    const after = await next.wallet('alice')
    expect(after.held).toBe(0n)
    expect(after.available).toBeGreaterThan(before.available)
    expect(after.available).toBeLessThan(before.available + before.held)
    await pay(moved, hand, 'three')
    await trio.until(() => isFinal(next, old, 2) && isFinal(next, next, 1))
    expect(next.status().logs.some(({ isolated }) => isolated)).toBe(false)
  })

  it('says whose seals are missing, and refuses for now what is asked of it', async () => {
    old.crash()
    third.crash()
    await trio.handOver(old, 2, next)
    await trio.until(() => next.written(old, 2)?.why?.detail.includes(third.signer.peerId) === true)
    expect(next.written(old, 2)).toMatchObject({ state: 'waiting', why: { code: 'not-final' } })
    const gateway = await next.gateway()
    const { results } = await gateway.submit(gateway.header('early', { maxOutputTokens: 50 }))
    expect(results[0]?.refusal).toMatchObject({ code: 'home-moving' })
    expect(results[0]?.refusal?.retryAfterMs).toBeGreaterThan(0)
    await third.start()
    await trio.until(() => serves(next, 2))
    const taken = await gateway.submit(gateway.header('early', { maxOutputTokens: 50 }))
    expect(taken.results[0]?.refusal).toBeUndefined()
  })
})

describe('a home that moves in good order', () => {
  it('loses nothing that its coordinator has signed, and what is under way goes on', async () => {
    const gateway = await old.gateway()
    const worker = await old.worker()
    await pay(gateway, worker, 'one')
    const header = gateway.header('two', { maxOutputTokens: 50 })
    await gateway.submit(header)
    const lease = await worker.lease()
    const before = await old.wallet('alice')
    await trio.handOver(old, 2, next)
    await trio.until(() => serves(next, 2) && isFinal(next, old, 2))
    expect(await next.wallet('alice')).toMatchObject({ isHome: true, available: before.available })
    // Nothing is paid at the old home any more, and what it leased is not paid twice.
    expect((await worker.done(lease, gateway)).refusal).toMatchObject({ code: 'log-sealed' })
    const [moved, hand] = [await next.gateway(), await next.worker()]
    await moved.submit({ ...header, fenceFloor: lease.fence })
    expect((await hand.done(await hand.lease(), moved)).refusal).toBeUndefined()
    await trio.until(() => isFinal(next, old, 2))
    expect((await next.wallet('alice')).held).toBe(0n)
    const ended = await trio.run(reconcile(next))
    expect(ended).toMatchObject({ clean: true, differences: [] })
    for (const seat of trio.seats) {
      const reports = await trio.run(audited(seat))
      expect(reports.map(({ origin }) => origin)).toContain(originOf(2))
      for (const report of reports) expect(report).toMatchObject({ complete: true, mismatches: [] })
    }
  })

  it('proves what became of tasks before, and pays no transfer twice', async () => {
    const gateway = await old.gateway()
    await pay(gateway, await old.worker(), 'one')
    await trio.until(() => isFinal(old, old, 1))
    const sent = { id: 'rent', account: 'alice', to: 'lender', amount: 1_000n, note: '' }
    const first = await transfer(gateway, sent)
    expect(first).toMatchObject({ existed: false })
    await trio.handOver(old, 2, next)
    await trio.until(() => serves(next, 2) && isFinal(next, old, 2))
    const { available } = await next.wallet('alice')
    const moved = await next.gateway()
    expect(await transfer(moved, sent)).toMatchObject({ existed: true, entry: first.entry, final: true })
    const other = await transfer(moved, { ...sent, amount: 2n })
    expect(other.refusal?.code).toBe('entry-conflict')
    expect((await next.wallet('alice')).available).toBe(available)
    const payment = await moved.ask('payment', (ask) => ({
      case: 'payment',
      value: { ask, taskId: 'alice:one' },
    }))
    expect(payment.value).toMatchObject({ final: true })
    const proof = await trio.run(officeOf(next).prove({ task: 'alice:one' }, undefined, never))
    expect(proof).toMatchObject({ origin: originOf(1), standing: 'final' })
    await trio.handOver(old, 3, third)
    await trio.until(() => serves(third, 3) && isFinal(third, old, 3))
    const last = await third.gateway()
    expect(await transfer(last, sent)).toMatchObject({ existed: true, entry: first.entry })
    expect(await third.wallet('alice')).toMatchObject({ isHome: true, available, final: available })
  })
})

describe('credits that a home sent before it moved', () => {
  it('arrive where they were sent, when that learns of them only afterwards', async () => {
    const to = { account: 'bob', role: 'user', home: third.signer.peerId, epoch: 1, gateways: [] } as const
    const size = (seat: Seat) => seat.written(seat, 1)?.entries ?? 0
    const before = [old, third].map(size)
    await trio.say('account', to)
    await trio.until(() => [old, third].every((seat, at) => size(seat) > (before[at] ?? 0)))
    const gateway = await old.gateway()
    third.crash()
    const sent = { id: 'rent', account: 'alice', to: 'bob', amount: 1_000n, note: '' }
    expect((await transfer(gateway, sent)).refusal).toBeUndefined()
    await trio.until(() => isFinal(old, old, 1))
    await trio.handOver(old, 2, next)
    await trio.until(() => serves(next, 2) && isFinal(next, old, 2))
    await third.start()
    let arrived = 0n
    for (let waited = 0; arrived === 0n && waited < 60; waited++) {
      await trio.clock.advance(1_000)
      arrived = (await third.wallet('bob')).available
    }
    expect(arrived).toBe(1_000n)
  })
})

describe('a coordinator that is back from the dead', () => {
  it('finds its home sealed, grows no more, cosigns for others, and can be given it back', async () => {
    const gateway = await old.gateway()
    const worker = await old.worker()
    await pay(gateway, worker, 'one')
    await trio.until(() => isFinal(old, old, 1))
    const { entries } = old.status()
    const { available } = await old.wallet('alice')
    old.crash()
    await trio.handOver(old, 2, next)
    await trio.until(() => serves(next, 2))
    await old.start()
    expect(old.coordinator.status().notReady).toBeUndefined()
    await trio.until(() => old.written(old, 1)?.state === 'sealed')
    third.crash()
    const [moved, hand] = [await next.gateway(), await next.worker()]
    await pay(moved, hand, 'two')
    // Only the old home is there to cosign it.
    await trio.until(() => isFinal(next, old, 2))
    expect(old.written(old, 1)?.entries).toBe(entries)
    const seen = await old.wallet('alice')
    expect(seen).toMatchObject({ isHome: false })
    expect(seen.available).toBeLessThan(available)
    const history = await trio.run(next.coordinator.history('alice', { limit: 3 }))
    if (history === undefined || isRefusal(history)) throw new Error('it has a history')
    expect(history.rows.map(({ kind }) => kind)).toEqual(['settle', 'hold', 'settle'])
    const rest = await trio.run(next.coordinator.history('alice', { before: history.next }))
    expect(rest).toMatchObject({ rows: [{ kind: 'hold' }, { kind: 'grant', standing: 'final' }] })
    await third.start()
    await trio.handOver(old, 3, old)
    await trio.until(() => serves(old, 3) && isFinal(old, old, 3))
    await trio.until(() => next.written(old, 2)?.state === 'sealed')
    expect(await old.wallet('alice')).toMatchObject({ isHome: true, available: seen.available })
    expect(old.status().origin).toMatch(/\/3$/)
    const [home, back] = [await old.gateway(), await old.worker()]
    await pay(home, back, 'three')
    await trio.until(() => isFinal(old, old, 3))
    expect(await supplyAt(old)).toMatchObject({ issued: CREDITS, sum: 0n })
  })
})

/** How far the log of the new epoch has come on the disk of a seat that is down. */
async function standAt(seat: Seat): Promise<string> {
  const store = seat.disk.fork().open()
  const keys = logKeys(writtenPrefix(trio.chain.head?.network ?? '', seat.signer.peerId, originOf(2)))
  if ((await store.get(keys.head)) !== undefined) return 'begun'
  if ((await store.get(keys.continued)) !== undefined) return 'continued'
  return (await store.get(keys.flag)) === undefined ? 'nothing' : 'continuing'
}

function originOf(epoch: number): string {
  return logOrigin(trio.chain.head?.network ?? '', old.signer.peerId, epoch)
}

describe('the successor', () => {
  it('goes on, after whichever commit its power went off', async () => {
    const stands = new Set<string>()
    for (let commits = 0; ; commits++) {
      if (commits > 0) await setUp()
      const { available } = await old.wallet('alice')
      old.crash()
      next.diesAfter = commits
      await trio.handOver(old, 2, next)
      await trio.until(() => !next.alive || (serves(next, 2) && isFinal(next, old, 2)))
      const died = !next.alive
      if (died) {
        stands.add(await standAt(next))
        await next.start()
      }
      await trio.until(() => serves(next, 2) && isFinal(next, old, 2))
      expect(await next.wallet('alice')).toMatchObject({ isHome: true, available, final: available })
      expect(await supplyAt(next)).toMatchObject({ issued: CREDITS, sum: 0n })
      for (const seat of [next, third]) {
        expect(seat.status().logs.filter(({ isolated }) => isolated)).toEqual([])
      }
      if (!died) break
    }
    // Which commits come between depends on how long signatures take to check.
    expect([...stands]).toEqual(expect.arrayContaining(['begun', 'continuing', 'nothing']))
  }, 60_000)

  it('that lost its store gets the log back before it goes on with it', async () => {
    old.crash()
    await trio.handOver(old, 2, next)
    await trio.until(() => serves(next, 2) && isFinal(next, old, 2))
    const gateway = await next.gateway()
    const worker = await next.worker()
    await pay(gateway, worker, 'one')
    await trio.until(() => isFinal(next, old, 2))
    const { available } = await next.wallet('alice')
    const entries = next.written(old, 2)?.entries ?? 0
    next.crash()
    next.newDisk()
    await old.start()
    await next.start()
    // Its own first log was found to be longer elsewhere at once; of the other one it only hears now.
    await trio.until(() => next.written(old, 2)?.why?.code === 'log-unconfirmed')
    expect(next.written(old, 2)).toMatchObject({ state: 'waiting', entries: 0 })
    next.crash()
    await next.start()
    await trio.until(() => serves(next, 2))
    expect(next.written(old, 2)?.entries).toBeGreaterThanOrEqual(entries)
    expect(await next.wallet('alice')).toMatchObject({ isHome: true, available })
    await pay(await next.gateway(), await next.worker(), 'two')
    await trio.until(() => isFinal(next, old, 2))
    for (const seat of trio.seats) expect(seat.status().logs.filter(({ isolated }) => isolated)).toEqual([])
  })

  it('waits while its disk is full, and goes on once there is room', async () => {
    next.disk.full = true
    old.crash()
    await trio.handOver(old, 2, next)
    await trio.until(() => next.written(old, 2)?.why?.code === 'store-full')
    next.disk.full = false
    await trio.until(() => serves(next, 2) && isFinal(next, old, 2))
  })
})
