import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import type { NodeProcess } from '../helpers/process-mesh.js'
import { until } from '../helpers/until.js'

describe('a coordinator killed and restarted while a task', () => {
  let held: HeldTasks

  beforeAll(async () => {
    held = await createHeldTasks({ coordinators: 1, workers: 1, gateways: 1 })
  }, 120_000)

  afterAll(() => held?.close())

  /** Each test says itself when the worker runs. */
  beforeEach(async () => {
    await held.mesh.kill('worker')
    await held.mesh.start(['coordinator', 'gateway'])
  }, 60_000)

  /** Kills it and waits until the restarted one answers. */
  async function restart(): Promise<NodeProcess> {
    await held.mesh.kill('coordinator')
    await held.mesh.start(['coordinator'])
    return held.mesh.get('coordinator')
  }

  it('waits: it is still queued, and done once', async () => {
    expect(await held.submit('queued')).toMatchObject({ state: 'queued' })
    await held.standsAt(await restart(), 'queued', 'queued')
    held.letGo('queued')
    await held.mesh.start(['worker'])
    await held.expectDoneOnce('queued', 1)
    expect(held.begun('queued')).toBe(1)
  })

  it('is leased: the worker keeps its lease', async () => {
    const { mesh, gateway } = held
    await held.submit('leased')
    gateway.signal('SIGSTOP')
    await mesh.start(['worker'])
    await held.standsAt(mesh.get('coordinator'), 'leased', 'leased')
    await held.standsAt(await restart(), 'leased', 'leased')
    gateway.signal('SIGCONT')
    held.letGo('leased')
    await held.expectDoneOnce('leased', 1)
    expect(held.begun('leased')).toBe(1)
  })

  it('runs: the attempt goes on under its old fence', async () => {
    await held.mesh.start(['worker'])
    await held.submit('running')
    const worker = await held.running('running')
    const before = (await worker.status()).worker?.running[0]
    const coordinator = await restart()
    await worker.statusWhere('attach again', (status) => status.ready)
    await held.standsAt(coordinator, 'running', 'running')
    const after = (await worker.status()).worker?.running[0]
    expect(after).toMatchObject({ taskId: before?.taskId, fence: before?.fence, sinceMs: before?.sinceMs })
    held.letGo('running')
    await held.expectDoneOnce('running', 1)
    expect(held.begun('running')).toBe(1)
    await held.standsAt(coordinator, 'running', 'done')
  })

  it('is being delivered: it is done, in its first attempt', async () => {
    const { mesh, gateway } = held
    await mesh.start(['worker'])
    await held.submit('delivering')
    const worker = await held.running('delivering')
    gateway.signal('SIGSTOP')
    held.letGo('delivering')
    await worker.statusWhere('deliver', ({ worker: at }) => at?.running[0]?.stage === 'delivering')
    const coordinator = await restart()
    gateway.signal('SIGCONT')
    await held.expectDoneOnce('delivering', 1)
    expect(held.begun('delivering')).toBe(1)
    await held.standsAt(coordinator, 'delivering', 'done')
  })

  it('was done: nobody does it again', async () => {
    await held.mesh.start(['worker'])
    held.letGo('done')
    await held.submit('done')
    await held.expectDoneOnce('done', 1)
    await held.standsAt(held.mesh.get('coordinator'), 'done', 'done')
    const coordinator = await restart()
    await held.standsAt(coordinator, 'done', 'done')
    expect(await held.submit('done')).toMatchObject({ state: 'done' })
    expect(held.begun('done')).toBe(1)
  })

  it('is not there yet: a submit without a coordinator is refused, and the same id is taken once it is back', async () => {
    const { mesh } = held
    await mesh.kill('coordinator')
    await expect(held.submit('later')).rejects.toMatchObject({ code: 'no-coordinator' })
    await mesh.start(['coordinator', 'gateway', 'worker'])
    held.letGo('later')
    await held.submit('later')
    await held.expectDoneOnce('later', 1)
    expect(held.begun('later')).toBe(1)
  })
})

describe('a coordinator killed for good, with another in the mesh, while a task', () => {
  let held: HeldTasks

  beforeAll(async () => {
    held = await createHeldTasks({ coordinators: 2, workers: 1, gateways: 1 })
  }, 120_000)

  afterAll(() => held?.close())

  beforeEach(async () => {
    await held.mesh.kill('worker')
    await held.mesh.start(['coordinator-1', 'coordinator-2', 'gateway'])
  }, 60_000)

  /** Kills the coordinator that has the tasks. @returns the other one */
  async function killForGood(): Promise<NodeProcess> {
    const [coordinator] = (await held.gateway.status()).gateway?.coordinators ?? []
    const killed = held.mesh.byPeer(coordinator?.peerId)
    await killed.end()
    return held.mesh.get(killed.node.name === 'coordinator-1' ? 'coordinator-2' : 'coordinator-1')
  }

  it('waits: the gateway takes it to the other', async () => {
    await held.submit('moved-queued')
    const other = await killForGood()
    await held.standsAt(other, 'moved-queued', 'queued')
    held.letGo('moved-queued')
    await held.mesh.start(['worker'])
    await held.expectDoneOnce('moved-queued', 1)
    expect(held.begun('moved-queued')).toBe(1)
  })

  it('runs: it is done once, with the other', async () => {
    await held.mesh.start(['worker'])
    await held.submit('moved-running')
    await held.running('moved-running')
    const other = await killForGood()
    await until('the task to be at the other', async () => {
      return (await held.task('moved-running')).coordinator === other.node.peerId
    })
    held.letGo('moved-running')
    await held.expectDoneOnce('moved-running')
    await held.standsAt(other, 'moved-running', 'done')
  })

  it('was done: its result stays, and the same submit is not done again', async () => {
    await held.mesh.start(['worker'])
    held.letGo('moved-done')
    await held.submit('moved-done')
    await held.expectDoneOnce('moved-done', 1)
    await killForGood()
    await held.gateway.statusWhere('attach to the other', (status) => status.ready)
    expect(await held.submit('moved-done')).toMatchObject({ state: 'done' })
    await held.expectDoneOnce('moved-done', 1)
    expect(held.begun('moved-done')).toBe(1)
  })
})
