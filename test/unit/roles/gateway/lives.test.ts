import { afterEach, describe, expect, it } from 'vitest'
import { Standing } from '../../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import { type Bed, type BedInit, chat, chatResult, type FakeCoordinator, makeBed } from './gateway-bed.js'

const ID = 'ann:one'
let bed: Bed
let c1: FakeCoordinator
afterEach(() => bed.clock.dispose())

async function attachedBed(init: BedInit = {}): Promise<void> {
  bed = await makeBed(init)
  c1 = bed.coordinator('c1')
  await bed.until(() => bed.gateway.status().coordinators.length > 0)
}

const attached = () => bed.until(() => bed.gateway.status().coordinators.length > 0)

async function done(id: string, prefix = 'ann:'): Promise<void> {
  const worker = bed.worker()
  const header = c1.headers.get(prefix + id)
  if (header === undefined) throw new Error('not ordered')
  c1.lease(header.id, worker.peerId, 1n)
  await bed.settle(worker.dial())
  worker.open(header.id, 1n, 'c1')
  await bed.until(() => worker.heardOf('payload').length > 0)
  worker.deliver(header, 1n, 'c1', chatResult(`the answer to ${id}`))
  await bed.until(() => worker.heardOf('accepted').length > 0)
}

describe('a gateway killed', () => {
  it('before the task was durable has never had it', async () => {
    await attachedBed()
    bed.gateway.submit(chat({ id: 'one' })).catch(() => {})
    await bed.restart()
    await attached()
    expect(await bed.view('one')).toBeUndefined()
    expect(c1.orders).toEqual([])
  })

  it('after it was durable, before the order went out, orders it', async () => {
    await attachedBed()
    c1.dead = true
    bed.gateway.submit(chat({ id: 'one' })).catch(() => {})
    await bed.clock.advance(3)
    await bed.restart()
    c1.dead = false
    await bed.until(() => c1.orders.length === 1)
    await bed.clock.advance(10)
    expect(await bed.view('one')).toMatchObject({ state: 'queued' })
  })

  it('after the order went out, before its answer, has the task once', async () => {
    await attachedBed()
    c1.mute = true
    bed.gateway.submit(chat({ id: 'one' })).catch(() => {})
    await bed.until(() => c1.orders.length === 1)
    await bed.restart()
    c1.mute = false
    await bed.until(() => c1.syncs.length === 1)
    await bed.clock.advance(10)
    expect(await bed.view('one')).toMatchObject({ state: 'queued' })
    expect(c1.orders).toHaveLength(1)
    expect((await bed.submit(chat({ id: 'one' }))).existed).toBe(true)
  })

  it.each([
    ['queued', Standing.QUEUED],
    ['leased', Standing.LEASED],
    ['running', Standing.RUNNING],
  ])('while it is %s goes on, and its worker delivers', async (state, standing) => {
    await attachedBed()
    await bed.submit(chat({ id: 'one' }))
    const worker = bed.worker()
    if (standing !== Standing.QUEUED) c1.lease(ID, worker.peerId, 3n, 1, standing)
    await bed.clock.advance(10)
    await bed.restart()
    expect(await bed.view('one')).toMatchObject({ state: 'submitting' })
    await bed.until(() => c1.syncs.length === 1)
    await bed.clock.advance(10)
    expect(await bed.view('one')).toMatchObject({ state })
    c1.lease(ID, worker.peerId, 3n, 1, standing === Standing.QUEUED ? Standing.LEASED : standing)
    await bed.settle(worker.dial())
    worker.open(ID, 3n, 'c1', true)
    await bed.until(() => worker.heardOf('resume').length === 1)
    const header = c1.headers.get(ID)
    if (header !== undefined) worker.deliver(header, 3n, 'c1', chatResult('hello'))
    await bed.until(() => worker.heardOf('accepted').length === 1)
    expect(await bed.settle(bed.gateway.result('ann', 'one'))).toMatchObject({ text: 'hello' })
    expect(c1.orders).toHaveLength(1)
  })

  it('while its worker knocks before any coordinator answered keeps it waiting', async () => {
    await attachedBed()
    await bed.submit(chat({ id: 'one' }))
    const worker = bed.worker()
    c1.lease(ID, worker.peerId, 3n)
    await bed.clock.advance(10)
    c1.dead = true
    await bed.restart()
    await bed.settle(worker.dial())
    worker.open(ID, 3n, 'c1', true)
    await bed.clock.advance(9_000)
    expect(worker.heard).toEqual([])
    c1.dead = false
    await bed.until(() => worker.heardOf('resume').length === 1)
  })

  it('after the end still has state and result', async () => {
    await attachedBed()
    await bed.submit(chat({ id: 'one' }))
    await done('one')
    await bed.restart()
    expect(await bed.view('one')).toMatchObject({ state: 'done', worker: { agentId: 'agent' } })
    expect(await bed.settle(bed.gateway.result('ann', 'one'))).toMatchObject({ text: 'the answer to one' })
    const { events, ended } = bed.follow('one')
    await bed.until(ended)
    expect(events.map((event) => event.type)).toEqual(['text', 'state'])
    expect((await bed.submit(chat({ id: 'one' }))).existed).toBe(true)
  })

  it('ends at start what ended while it was down', async () => {
    await attachedBed()
    await bed.submit(chat({ id: 'one' }))
    bed.crash()
    c1.states.set(ID, { taskId: ID, standing: Standing.EXPIRED, why: { code: 'deadline-passed' } })
    await bed.restart()
    await bed.until(() => c1.syncs.length === 1)
    await bed.clock.advance(10)
    expect(await bed.view('one')).toMatchObject({ state: 'expired', why: { code: 'deadline-passed' } })
  })

  it('does not start over a record it cannot read, and names it', async () => {
    await attachedBed()
    await bed.submit(chat({ id: 'one' }))
    bed.crash()
    const store = bed.disk.open()
    await bed.settle(store.commit([{ type: 'put', key: 'g|t|ann|one', value: Uint8Array.of(9, 9, 9) }]))
    await bed.settle(store.close())
    await expect(bed.restart()).rejects.toMatchObject({
      code: 'store-corrupt',
      message: expect.stringContaining('g|t|ann|one'),
    })
  })
})

describe('cancel', () => {
  it('is told to the coordinator, and ends the task', async () => {
    await attachedBed()
    await bed.submit(chat({ id: 'one' }))
    const { ended } = bed.follow('one')
    const answer = await bed.settle(bed.gateway.cancel('ann', 'one', 'user'))
    expect(answer).toMatchObject({ state: 'cancelled', why: { code: 'cancelled-by-user' } })
    expect(c1.cancels).toMatchObject([{ taskId: ID, reason: 'user' }])
    await bed.until(ended)
    expect(await bed.settle(bed.gateway.result('ann', 'one'))).toMatchObject({ code: 'cancelled-by-user' })
    expect(bed.gateway.status()).toMatchObject({ unfinishedTasks: 0, storedBytes: 0 })
  })

  it('stops the worker that runs it, and takes no result after', async () => {
    await attachedBed()
    await bed.submit(chat({ id: 'one' }))
    const worker = bed.worker()
    c1.lease(ID, worker.peerId, 1n)
    await bed.settle(worker.dial())
    worker.open(ID, 1n, 'c1')
    await bed.until(() => worker.heardOf('payload').length > 0)
    await bed.settle(bed.gateway.cancel('ann', 'one', 'client-gone'))
    await bed.until(() => worker.refusals().length === 1)
    expect(worker.refusals()).toEqual(['cancelled-by-user'])
    const header = c1.headers.get(ID)
    if (header !== undefined) worker.deliver(header, 1n, 'c1', chatResult('late'))
    await bed.until(() => worker.refusals().length === 2)
    expect(c1.cancels).toMatchObject([{ taskId: ID, reason: 'client-gone' }])
    expect(await bed.view('one')).toMatchObject({ state: 'cancelled' })
  })

  it('of an ended or unknown task is refused', async () => {
    await attachedBed()
    await bed.submit(chat({ id: 'one' }))
    await done('one')
    expect(await bed.settle(bed.gateway.cancel('ann', 'one', 'user'))).toMatchObject({ code: 'task-ended' })
    expect(await bed.settle(bed.gateway.cancel('ann', 'two', 'user'))).toMatchObject({
      code: 'task-not-found',
    })
    expect(await bed.settle(bed.gateway.cancel('bob', 'one', 'user'))).toMatchObject({
      code: 'task-not-found',
    })
  })

  it('while no coordinator is there is told when it is back, over a restart too', async () => {
    await attachedBed()
    await bed.submit(chat({ id: 'one' }))
    bed.mesh.cut(bed.signer.peerId, 'c1', 'closed')
    await bed.until(() => bed.gateway.status().coordinators.length === 0)
    expect(await bed.settle(bed.gateway.cancel('ann', 'one', 'user'))).toMatchObject({ state: 'cancelled' })
    await bed.restart()
    bed.mesh.heal(bed.signer.peerId, 'c1')
    await bed.until(() => c1.cancels.length === 1)
    expect(c1.cancels).toMatchObject([{ taskId: ID, reason: 'user' }])
    expect(c1.syncs.flat()).toEqual([])
    await bed.clock.advance(100)
    await bed.restart()
    await attached()
    await bed.clock.advance(20_000)
    expect(c1.cancels).toHaveLength(1)
  })

  it('while its submit is under way ends both', async () => {
    await attachedBed()
    c1.mute = true
    const submit = bed.gateway.submit(chat({ id: 'one' }))
    await bed.until(() => c1.orders.length === 1)
    expect(await bed.settle(bed.gateway.cancel('ann', 'one', 'user'))).toMatchObject({ state: 'cancelled' })
    expect(await bed.settle(submit)).toMatchObject({ task: { state: 'cancelled' } })
  })

  it('that could not be written changes nothing', async () => {
    await attachedBed()
    await bed.submit(chat({ id: 'one' }))
    bed.disk.full = true
    await expect(bed.settle(bed.gateway.cancel('ann', 'one', 'user'))).rejects.toMatchObject({
      code: 'store-full',
    })
    bed.disk.full = false
    expect(await bed.view('one')).toMatchObject({ state: 'queued' })
    expect(c1.cancels).toEqual([])
  })

  it('is said again to a coordinator that works on', async () => {
    await attachedBed()
    await bed.submit(chat({ id: 'one' }))
    await bed.settle(bed.gateway.cancel('ann', 'one', 'user'))
    c1.lease(ID, 'some-worker', 1n)
    await bed.until(() => c1.cancels.length === 2)
  })
})

describe('lists and retention', () => {
  it('lists newest first, page by page, by account and by state', async () => {
    await attachedBed()
    for (const id of ['a', 'b', 'c', 'd', 'e']) {
      await bed.submit(chat({ id }))
      await bed.clock.advance(10)
    }
    await bed.submit(chat({ id: 'z', account: 'ann-2' }))
    await done('b')
    const ids = async (page: Parameters<Bed['gateway']['tasks']>[1]) => {
      const { tasks, next } = await bed.settle(bed.gateway.tasks('ann', page))
      return { ids: tasks.map((task) => task.id).join(''), next }
    }
    const first = await ids({ limit: 2 })
    expect(first.ids).toBe('ed')
    const second = await ids({ limit: 2, cursor: first.next ?? '' })
    expect(second.ids).toBe('cb')
    const third = await ids({ limit: 2, cursor: second.next ?? '' })
    expect(third).toEqual({ ids: 'a', next: undefined })
    expect((await ids({ limit: 10, state: 'done' })).ids).toBe('b')
    expect((await ids({ limit: 10, state: 'queued' })).ids).toBe('edca')
    await expect(ids({ limit: 2, cursor: 'nonsense' })).rejects.toMatchObject({ code: 'bad-request' })
    expect(await bed.settle(bed.gateway.tasks('no|body', { limit: 5 }))).toEqual({ tasks: [] })
  })

  it.each([
    ['their number', { endedTasks: 2 }],
    ['their bytes', { endedBytes: 90 }],
    ['their age', { endedAgeMs: 250 }],
  ])('lets the oldest ended tasks go by %s', async (_by, limits) => {
    await attachedBed({ limits })
    for (const id of ['a', 'b', 'c', 'd']) {
      await bed.submit(chat({ id }))
      await bed.clock.advance(100)
      await done(id)
    }
    await bed.submit(chat({ id: 'open' }))
    const kept = async () => {
      const { tasks } = await bed.settle(bed.gateway.tasks('ann', { limit: 10 }))
      return tasks.map((task) => task.id)
    }
    expect(await kept()).toEqual(['open', 'd', 'c', 'b', 'a'])
    await bed.restart()
    await bed.clock.advance(20)
    const left = await kept()
    expect(left).toContain('open')
    expect(left).not.toContain('a')
    if (!('endedAgeMs' in limits)) expect(left).toContain('d')
    expect(await bed.settle(bed.gateway.result('ann', 'a'))).toMatchObject({ code: 'task-not-found' })
  })

  it('keeps nothing of the payload after the end', async () => {
    await attachedBed()
    await bed.submit(chat({ id: 'one', messages: [{ role: 'user', content: 'the secret prompt' }] }))
    await done('one')
    bed.crash()
    const store = bed.disk.open()
    const all: Buffer[] = []
    const read = (async () => {
      for await (const [key, value] of store.range({ gte: '', lt: '~' }))
        all.push(Buffer.from(key), Buffer.from(value))
    })()
    await bed.settle(read)
    expect(Buffer.concat(all).includes('the answer to one')).toBe(true)
    expect(Buffer.concat(all).includes('the secret prompt')).toBe(false)
  })
})
