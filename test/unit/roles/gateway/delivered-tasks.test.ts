import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { open, statements } from '../../../../src/wire/envelope.js'
import { Standing } from '../../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import {
  type Bed,
  chat,
  chatResult,
  type FakeCoordinator,
  type FakeWorker,
  makeBed,
  NETWORK,
} from './gateway-bed.js'

const ID = 'ann:one'
/** Before a coordinator gives up a worker that it does not hear of. */
const LOST_MS = 12_000

let bed: Bed
let c1: FakeCoordinator
let worker: FakeWorker

const attached = (peerId: string) =>
  bed.until(() => bed.gateway.status().coordinators.some((each) => each.peerId === peerId))

/** A task that has a result here, of which its worker never gets to say anything. */
async function deliver(id: string): Promise<void> {
  await bed.submit(chat({ id }))
  const task = `ann:${id}`
  const header = c1.headers.get(task)
  if (header === undefined) throw new Error('not ordered')
  c1.lease(task, worker.peerId, 7n)
  worker.open(task, 7n, 'c1')
  const before = worker.heardOf('accepted').length
  await bed.until(() => worker.heardOf('payload').length > before)
  worker.deliver(header, 7n, 'c1', chatResult('done'))
  await bed.until(() => worker.heardOf('accepted').length > before)
}

beforeEach(async () => {
  bed = await makeBed({ known: ['c1', 'c2'] })
  c1 = bed.coordinator('c1')
  await attached('c1')
  worker = bed.worker()
  await bed.settle(worker.dial())
})

afterEach(() => bed.clock.dispose())

describe('a coordinator is told of a result', () => {
  const told = [{ taskId: ID, reason: 'delivered', fence: 7n }]

  it('before it gives up the worker, with what both ends signed', async () => {
    await deliver('one')
    expect(c1.cancels).toEqual([])
    await bed.until(() => c1.cancels.length === 1, LOST_MS)
    expect(c1.cancels).toEqual(told)
    const signed = c1.shown.get(ID)
    const receipt = signed && (await open(signed.receipt, NETWORK, statements.receipt))
    expect(receipt).toMatchObject({
      value: { taskId: ID, fence: 7n, worker: worker.peerId, coordinator: 'c1' },
    })
    // The very statement that the worker was given.
    expect(worker.heardOf('accepted')).toMatchObject([{ value: { acceptance: signed?.acceptance } }])
    await bed.clock.advance(600_000)
    expect(c1.cancels).toEqual(told)
  })

  it('at once when it wants to give the task to somebody else', async () => {
    await deliver('one')
    c1.push({ taskId: ID, standing: Standing.QUEUED, attempt: 1 })
    await bed.until(() => c1.cancels.length === 1, 100)
    expect(c1.shown.has(ID)).toBe(true)
  })

  it('when it was lost before, also by a gateway that has gone to another', async () => {
    await deliver('one')
    bed.coordinator('c2')
    bed.mesh.cut(bed.signer.peerId, 'c1', 'closed')
    await attached('c2')
    bed.mesh.heal(bed.signer.peerId, 'c1')
    await bed.until(() => c1.cancels.length === 1, 600_000)
    expect(c1.cancels).toEqual(told)
    expect(c1.shown.has(ID)).toBe(true)
  })

  it('after kill -9 of the gateway as well', async () => {
    await deliver('one')
    bed.coordinator('c2')
    bed.mesh.cut(bed.signer.peerId, 'c1', 'closed')
    await bed.restart()
    await attached('c2')
    bed.mesh.heal(bed.signer.peerId, 'c1')
    await bed.until(() => c1.cancels.length === 1, 600_000)
    expect(c1.cancels).toEqual(told)
    expect(c1.shown.has(ID)).toBe(true)
  })

  it('and says aloud when that did not pay, whichever of the two speaks first', async () => {
    await deliver('one')
    c1.push({ taskId: ID, standing: Standing.EXPIRED, why: { code: 'deadline-passed' } })
    await bed.clock.advance(10)
    expect(bed.warnings).toEqual(['delivered-unpaid'])
    await deliver('two')
    // It is cancelled there.
    await bed.until(() => bed.warnings.length === 2, LOST_MS)
    await deliver('three')
    c1.push({ taskId: 'ann:three', standing: Standing.DONE, worker: worker.peerId, fence: 7n })
    await bed.clock.advance(LOST_MS)
    expect(bed.warnings).toEqual(['delivered-unpaid', 'delivered-unpaid'])
  })

  it('again and again, when it is of a version that waits for the worker', async () => {
    c1.awaitsWorkers = true
    await deliver('one')
    await bed.until(() => c1.cancels.length === 3, 60_000)
    c1.awaitsWorkers = false
    await bed.until(() => c1.cancels.length === 4, 60_000)
    await bed.clock.advance(600_000)
    expect(c1.cancels).toEqual([...told, ...told, ...told, ...told])
  })

  it('not when it has said itself that it knows', async () => {
    await deliver('one')
    c1.push({ taskId: ID, standing: Standing.DONE, worker: worker.peerId, fence: 7n })
    await bed.clock.advance(60_000)
    expect(c1.cancels).toEqual([])
    // Nor over a restart, once another result was written.
    await deliver('two')
    await bed.restart()
    await bed.until(() => c1.cancels.length > 0, 600_000)
    expect(c1.cancels).toEqual([{ taskId: 'ann:two', reason: 'delivered', fence: 7n }])
  })
})
