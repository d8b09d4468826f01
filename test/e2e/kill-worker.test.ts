import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { until } from '../helpers/until.js'

let held: HeldTasks

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 1, workers: 2, gateways: 1 })
}, 120_000)

afterAll(() => held?.close())

/** Each test says itself which workers run. */
beforeEach(async () => {
  await held.mesh.kill('worker-1', 'worker-2')
  await held.mesh.start(['coordinator', 'gateway'])
}, 60_000)

describe('a worker killed while a task', () => {
  it('waits behind another: both are done by the next worker', async () => {
    const { mesh } = held
    await mesh.start(['worker-1'])
    await held.submit('first')
    await held.running('first')
    await held.submit('second')
    await held.standsAt(mesh.get('coordinator'), 'second', 'queued')
    await mesh.kill('worker-1')
    await held.standsAt(mesh.get('coordinator'), 'first', 'queued')
    held.letGo('first')
    held.letGo('second')
    await mesh.start(['worker-2'])
    await held.expectDoneOnce('first', 2)
    await held.expectDoneOnce('second', 1)
  })

  it('is leased to it: the lease goes back and another does it', async () => {
    const { mesh, gateway } = held
    await held.submit('leased')
    // A gateway that does not answer keeps the attempt from starting.
    gateway.signal('SIGSTOP')
    await mesh.start(['worker-1'])
    await held.standsAt(mesh.get('coordinator'), 'leased', 'leased')
    await mesh.kill('worker-1')
    await held.standsAt(mesh.get('coordinator'), 'leased', 'queued')
    gateway.signal('SIGCONT')
    held.letGo('leased')
    await mesh.start(['worker-2'])
    await held.expectDoneOnce('leased', 2)
    expect(held.begun('leased')).toBe(1)
  })

  it('runs there: another takes over, and what the first had said is void', async () => {
    const { mesh } = held
    await mesh.start(['worker-1', 'worker-2'])
    await held.submit('running')
    const first = await held.running('running')
    await first.end()
    await until('a second attempt', () => held.begun('running') === 2)
    held.letGo('running')
    await held.expectDoneOnce('running', 2)
    const events = await held.events('running')
    const attempts = events.flatMap((event) => (event.type === 'text' ? [event.attempt] : []))
    expect(new Set(attempts)).toEqual(new Set([2]))
    expect((await held.task('running')).worker?.peerId).not.toBe(first.node.peerId)
  })

  it('is being delivered: it is done, from what had arrived or by another', async () => {
    const { mesh, gateway } = held
    await mesh.start(['worker-1'])
    await held.submit('delivering')
    const worker = await held.running('delivering')
    gateway.signal('SIGSTOP')
    held.letGo('delivering')
    await worker.statusWhere('deliver', ({ worker: at }) => at?.running[0]?.stage === 'delivering')
    await worker.end()
    gateway.signal('SIGCONT')
    await mesh.start(['worker-2'])
    await held.expectDoneOnce('delivering')
  })

  it('was done by it: the result stays', async () => {
    const { mesh } = held
    await mesh.start(['worker-1'])
    held.letGo('done')
    await held.submit('done')
    await held.expectDoneOnce('done', 1)
    await mesh.kill('worker-1')
    await mesh.start(['worker-2'])
    await held.expectDoneOnce('done', 1)
    expect(held.begun('done')).toBe(1)
  })
})
