import { afterEach, describe, expect, it } from 'vitest'
import { refusal } from '../../../../src/core/refusal.js'
import { Standing } from '../../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import { HELD_ORDER_BYTES } from '../../../../src/wire/limits.js'
import { type Bed, type BedInit, chat, makeBed } from './gateway-bed.js'

let bed: Bed
afterEach(() => bed.clock.dispose())

async function attachedBed(init: BedInit = {}) {
  bed = await makeBed(init)
  const c1 = bed.coordinator('c1')
  await bed.until(() => bed.gateway.status().coordinators.length > 0)
  return c1
}

describe('submit', () => {
  it('is acknowledged when the coordinator has it, which learns the header alone', async () => {
    const c1 = await attachedBed()
    const { task, existed } = await bed.submit(
      chat({ id: 'one', messages: [{ role: 'user', content: 'a very secret prompt' }] }),
    )
    expect(existed).toBe(false)
    expect(task).toMatchObject({ id: 'one', account: 'ann', state: 'queued', coordinator: 'c1' })
    expect(task.steps.map((step) => step.name)).toEqual(['submitted', 'accepted'])
    expect(c1.headers.get('ann:one')).toMatchObject({
      account: 'ann',
      model: 'tiny',
      gateway: bed.signer.peerId,
    })
    const seen = Buffer.concat(c1.received)
    expect(seen.includes('ann:one')).toBe(true)
    expect(seen.includes('secret')).toBe(false)
  })

  it('makes an id when none is given', async () => {
    await attachedBed()
    const { task } = await bed.submit()
    expect(task.id).toMatch(/^[0-9A-Z]{26}$/)
  })

  it('answers the same content under the same id with the same task, other content with a conflict', async () => {
    const c1 = await attachedBed()
    await bed.submit(chat({ id: 'one' }))
    expect((await bed.submit(chat({ id: 'one' }))).existed).toBe(true)
    for (const other of [
      chat({ id: 'one', messages: [{ role: 'user', content: 'other' }] }),
      chat({ id: 'one', model: 'large' }),
      chat({ id: 'one', priceCapMicrocredits: 5n }),
      chat({ id: 'one', maxAttempts: 1 }),
    ]) {
      expect(await bed.settle(bed.gateway.submit(other))).toMatchObject({ code: 'task-conflict' })
    }
    expect(c1.orders).toHaveLength(1)
  })

  it('submits of one id at the same time are one task', async () => {
    const c1 = await attachedBed()
    const answers = await bed.settle(
      Promise.all([1, 2, 3].map(() => bed.gateway.submit(chat({ id: 'one' })))),
    )
    expect(answers.map((answer) => 'existed' in answer && answer.existed)).toEqual([false, true, true])
    expect(c1.orders).toEqual([['ann:one']])
  })

  it('keeps accounts apart', async () => {
    const c1 = await attachedBed()
    await bed.submit(chat({ id: 'one' }))
    expect((await bed.submit(chat({ id: 'one', account: 'bob', model: 'other' }))).existed).toBe(false)
    expect([...c1.headers.keys()]).toEqual(['ann:one', 'bob:one'])
  })

  it('sends all that queued meanwhile under one signature, at most 256 at once', async () => {
    const c1 = await attachedBed()
    await bed.settle(Promise.all(Array.from({ length: 600 }, () => bed.gateway.submit(chat()))))
    expect(c1.headers.size).toBe(600)
    expect(Math.max(...c1.orders.map((order) => order.length))).toBeLessThanOrEqual(256)
    expect(c1.orders.length).toBeLessThan(8)
    expect(bed.signer.signatures).toBe(c1.orders.length)
  })

  it('orders no more at once than fits into a ledger entry, however long the names', async () => {
    const c1 = await attachedBed()
    const long = () => bed.gateway.submit(chat({ account: 'a'.repeat(64), model: 'm'.repeat(128) }))
    await bed.settle(Promise.all(Array.from({ length: 300 }, long)))
    expect(c1.headers.size).toBe(300)
    expect(c1.largestOrderBytes).toBeLessThanOrEqual(HELD_ORDER_BYTES)
    expect(c1.largestOrderBytes).toBeGreaterThan(HELD_ORDER_BYTES * 0.7)
  })

  it('hands on the no of the coordinator and keeps nothing', async () => {
    const c1 = await attachedBed()
    c1.no = () => refusal('queue-full', 'full', { retryAfterMs: 700 })
    const answer = await bed.settle(bed.gateway.submit(chat({ id: 'one' })))
    expect(answer).toMatchObject({ refused: true, code: 'queue-full', retryAfterMs: 700 })
    expect(await bed.view('one')).toBeUndefined()
    expect(bed.gateway.status()).toMatchObject({ unfinishedTasks: 0, storedBytes: 0 })
    c1.no = undefined
    expect((await bed.submit(chat({ id: 'one' }))).existed).toBe(false)
    // One that had the first, and dropped it since, must not take the second for it.
    expect(c1.headers.get('ann:one')?.fenceFloor).toBe(1024n)
  })

  it('is refused after a bounded wait when no coordinator is there, and leaves no trace', async () => {
    bed = await makeBed()
    const startMs = bed.clock.monotonicMs()
    const answer = await bed.settle(bed.gateway.submit(chat({ id: 'one' })))
    expect(answer).toMatchObject({ code: 'no-coordinator', retryAfterMs: 2000 })
    expect(bed.clock.monotonicMs() - startMs).toBeLessThanOrEqual(5_100)
    expect(await bed.view('one')).toBeUndefined()
  })

  it('waits for a coordinator that comes in time', async () => {
    bed = await makeBed()
    const submit = bed.gateway.submit(chat({ id: 'one' }))
    await bed.clock.advance(1_000)
    bed.coordinator('c1')
    expect(await bed.settle(submit)).toMatchObject({ task: { state: 'queued' } })
  })

  it('is kept as submitting when the order may have arrived, and goes on by itself', async () => {
    const c1 = await attachedBed()
    c1.mute = true
    const answer = await bed.settle(bed.gateway.submit(chat({ id: 'one' })))
    expect(answer).toMatchObject({ existed: false, task: { state: 'submitting' } })
    c1.mute = false
    await bed.until(() => c1.syncs.some((sync) => sync.includes('ann:one')))
    await bed.clock.advance(100)
    expect(await bed.view('one')).toMatchObject({ state: 'queued' })
    expect(c1.orders).toHaveLength(1)
  })

  it('fails for good when a task already promised is refused without a way back', async () => {
    const c1 = await attachedBed()
    c1.mute = true
    await bed.submit(chat({ id: 'one' }))
    c1.states.clear()
    c1.mute = false
    c1.no = () => refusal('model-missing', 'no such model')
    await bed.until(() => c1.orders.length === 2)
    await bed.clock.advance(100)
    expect(await bed.view('one')).toMatchObject({ state: 'failed', why: { code: 'model-missing' } })
  })

  it('asks again later when a coordinator is full for a task already promised', async () => {
    const c1 = await attachedBed()
    c1.mute = true
    await bed.submit(chat({ id: 'one' }))
    c1.states.clear()
    c1.mute = false
    c1.no = () => refusal('queue-full', 'full', { retryAfterMs: 500 })
    await bed.until(() => c1.orders.length === 3)
    c1.no = undefined
    await bed.until(() => c1.states.get('ann:one')?.standing === Standing.QUEUED)
    await bed.clock.advance(100)
    expect(await bed.view('one')).toMatchObject({ state: 'queued' })
  })

  it('tells a full disk, and goes on when there is room again', async () => {
    await attachedBed()
    bed.disk.full = true
    await expect(bed.settle(bed.gateway.submit(chat({ id: 'one' })))).rejects.toMatchObject({
      code: 'store-full',
    })
    expect(bed.gateway.status().notReady).toMatchObject({ code: 'store-full' })
    bed.disk.full = false
    await bed.until(() => bed.gateway.status().notReady === undefined)
    expect((await bed.submit(chat({ id: 'one' }))).existed).toBe(false)
  })

  it('keeps what was refused and cannot be taken back: it is promised, and goes again', async () => {
    const c1 = await attachedBed()
    c1.no = () => {
      bed.disk.full = true
      return refusal('queue-full', 'full', { retryAfterMs: 700 })
    }
    expect(await bed.submit(chat({ id: 'one' }))).toMatchObject({
      existed: false,
      task: { state: 'submitting' },
    })
    bed.disk.full = false
    c1.no = undefined
    await bed.until(() => c1.states.get('ann:one')?.standing === Standing.QUEUED)
    await bed.clock.advance(100)
    expect(await bed.view('one')).toMatchObject({ state: 'queued' })
  })

  it('that waited for its coordinator until its deadline has expired', async () => {
    const c1 = await attachedBed()
    c1.mute = true
    await bed.submit(chat({ id: 'one' }))
    c1.states.clear()
    c1.mute = false
    c1.no = () => refusal('deadline-passed', 'too late')
    await bed.until(() => c1.orders.length === 2)
    await bed.clock.advance(100)
    expect(await bed.view('one')).toMatchObject({ state: 'expired', why: { code: 'deadline-passed' } })
  })

  it('holds no more unfinished tasks than its bounds', async () => {
    await attachedBed({ limits: { unfinishedTasks: 2 } })
    await bed.submit()
    await bed.submit(chat({ id: 'two' }))
    expect(await bed.settle(bed.gateway.submit(chat()))).toMatchObject({
      code: 'queue-full',
      retryAfterMs: 2000,
    })
    expect((await bed.submit(chat({ id: 'two' }))).existed).toBe(true)
  })

  it('holds no more payload bytes than its bounds', async () => {
    await attachedBed({ limits: { unfinishedBytes: 100 } })
    await bed.submit()
    const large = chat({ messages: [{ role: 'user', content: 'x'.repeat(200) }] })
    expect(await bed.settle(bed.gateway.submit(large))).toMatchObject({ code: 'queue-full' })
  })

  it('holds no more bytes in memory than its bounds while no coordinator is there', async () => {
    bed = await makeBed({ limits: { waitingBytes: 1_000 } })
    const content = 'x'.repeat(600)
    const request = () => chat({ messages: [{ role: 'user', content }] })
    const first = bed.gateway.submit(request())
    expect(await bed.settle(bed.gateway.submit(request()))).toMatchObject({ code: 'queue-full' })
    bed.coordinator('c1')
    expect(await bed.settle(first)).toMatchObject({ existed: false })
    expect(await bed.settle(bed.gateway.submit(request()))).toMatchObject({ existed: false })
  })

  it('takes nothing when it stops', async () => {
    await attachedBed()
    await bed.settle(bed.gateway.stop())
    expect(await bed.settle(bed.gateway.submit(chat()))).toMatchObject({ code: 'shutting-down' })
    expect(bed.gateway.status().notReady).toMatchObject({ code: 'shutting-down' })
  })
})
