import { afterEach, describe, expect, it } from 'vitest'
import { refusal } from '../../../../src/core/refusal.js'
import { Standing } from '../../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import { protocolIds } from '../../../../src/wire/protocol-ids.js'
import { type Bed, chat, chatResult, makeBed, NETWORK } from './gateway-bed.js'

const ID = 'ann:one'
let bed: Bed
afterEach(() => bed.clock.dispose())

const attachedTo = (): string | undefined => bed.gateway.status().coordinators[0]?.peerId
const attached = (peerId: string) => bed.until(() => attachedTo() === peerId)

describe('coordinators', () => {
  it('is not ready until one is attached', async () => {
    bed = await makeBed()
    expect(bed.gateway.status().notReady).toMatchObject({ code: 'no-coordinator' })
    bed.coordinator('c1')
    await attached('c1')
    expect(bed.gateway.status().notReady).toBeUndefined()
  })

  it.each([
    [0, undefined],
    [60_000, 60_000],
  ])('that tells a time %i ms from the one here is known to be off', async (aheadMs, known) => {
    bed = await makeBed()
    const c1 = bed.coordinator('c1')
    if (aheadMs > 0) c1.timeMs = bed.clock.nowMs() + aheadMs
    await attached('c1')
    const [{ clockAheadMs } = {}] = bed.gateway.status().coordinators
    // It told the time of a moment before.
    if (known === undefined) expect(clockAheadMs).toBeUndefined()
    else expect(Math.abs((clockAheadMs ?? 0) - known)).toBeLessThan(1_000)
  })

  it('finds one by the DHT that it was never told of', async () => {
    bed = await makeBed({ known: [] })
    const c9 = bed.coordinator('c9')
    c9.network.provide(protocolIds(NETWORK).coordinatorRendezvous)
    await attached('c9')
  })

  it('attaches to admitted ones only', async () => {
    const coordinators = new Set(['c2'])
    const policy = () => ({
      network: NETWORK,
      admission: 'listed' as const,
      coordinators,
      gateways: new Set<string>(),
      workers: new Set<string>(),
    })
    bed = await makeBed({ known: ['c1', 'c2'], policy })
    const c1 = bed.coordinator('c1')
    await bed.clock.advance(10_000)
    expect(attachedTo()).toBeUndefined()
    bed.coordinator('c2')
    await attached('c2')
    expect(c1.attaches).toBe(0)
    coordinators.delete('c2')
    await bed.until(() => attachedTo() === undefined)
  })

  it('tries another when one refuses', async () => {
    bed = await makeBed({ known: ['c1', 'c2'] })
    bed.coordinator('c1').refuseHello = refusal('not-admitted', 'no')
    bed.coordinator('c2')
    await attached('c2')
  })

  it('comes back to the same one within the grace, and goes on with its tasks', async () => {
    bed = await makeBed({ known: ['c1', 'c2'] })
    const c1 = bed.coordinator('c1')
    await attached('c1')
    const c2 = bed.coordinator('c2')
    await bed.submit(chat({ id: 'one' }))
    c1.drop()
    await bed.until(() => c1.attaches === 2)
    await bed.until(() => c1.syncs.length === 1)
    expect(c1.orders).toEqual([['ann:one']])
    expect(c2.attaches).toBe(0)
  })

  it('notices a silent one by its heartbeat', async () => {
    bed = await makeBed()
    const c1 = bed.coordinator('c1')
    await attached('c1')
    c1.dead = true
    const startMs = bed.clock.monotonicMs()
    await bed.until(() => attachedTo() === undefined)
    expect(bed.clock.monotonicMs() - startMs).toBeLessThanOrEqual(5_000)
  })

  it('orders a task again that its coordinator forgot', async () => {
    bed = await makeBed()
    const c1 = bed.coordinator('c1')
    await attached('c1')
    await bed.submit(chat({ id: 'one' }))
    c1.lease(ID, 'w', 7n, 2)
    await bed.clock.advance(10)
    c1.states.clear()
    c1.drop()
    await bed.until(() => c1.orders.length === 2)
    await bed.clock.advance(10)
    expect(await bed.view('one')).toMatchObject({ state: 'queued', attempt: 2 })
    // Fences begin anew there, and are believed.
    c1.lease(ID, 'w2', 1n, 1)
    await bed.clock.advance(10)
    expect(await bed.view('one')).toMatchObject({ state: 'leased', attempt: 3, worker: { peerId: 'w2' } })
  })

  it('remembers over a crash that fences of one that forgot a task are used up', async () => {
    bed = await makeBed()
    const c1 = bed.coordinator('c1')
    await attached('c1')
    await bed.submit(chat({ id: 'one' }))
    const floors: bigint[] = []
    for (const orders of [2, 3]) {
      c1.states.clear()
      await bed.restart()
      await bed.until(() => c1.orders.length === orders)
      floors.push(c1.headers.get(ID)?.fenceFloor ?? 0n)
    }
    expect(floors).toEqual([1024n, 2048n])
  })

  it('moves tasks when one stays away, does them once, and tells the old one when it is back', async () => {
    bed = await makeBed({ known: ['c1', 'c2'] })
    const c1 = bed.coordinator('c1')
    await attached('c1')
    const old = bed.worker()
    await bed.submit(chat({ id: 'one' }))
    const header = c1.headers.get(ID)
    if (header === undefined) throw new Error('not ordered')
    c1.lease(ID, old.peerId, 1n)
    await bed.settle(old.dial())
    old.open(ID, 1n, 'c1')
    await bed.until(() => old.heardOf('payload').length > 0)
    old.output(ID, 1n, 1, 'stale ')
    const { events, ended } = bed.follow('one')

    const c2 = bed.coordinator('c2')
    bed.mesh.cut(bed.signer.peerId, 'c1', 'closed')
    await bed.until(() => c2.orders.length === 1)
    expect(old.refusals()).toEqual(['stale-fence'])
    await bed.clock.advance(10)
    expect(await bed.view('one')).toMatchObject({ state: 'queued', coordinator: 'c2' })

    // What the old attempt brings now is refused; the new one counts.
    old.open(ID, 1n, 'c1', true)
    old.deliver(header, 1n, 'c1', chatResult('stale'))
    await bed.until(() => old.refusals().length === 3)
    const worker = bed.worker()
    c2.lease(ID, worker.peerId, 1n)
    await bed.settle(worker.dial())
    worker.open(ID, 1n, 'c2')
    await bed.until(() => worker.heardOf('payload').length > 0)
    worker.output(ID, 1n, 1, 'fresh')
    worker.deliver(header, 1n, 'c2', chatResult('fresh'))
    await bed.until(ended)
    const said = events.flatMap((event) => (event.type === 'text' ? [event.text] : [event.type]))
    expect(said.filter((word) => word !== 'state')).toEqual(['stale ', 'reset', 'fresh'])
    expect(await bed.view('one')).toMatchObject({ state: 'done', attempt: 2 })

    expect(c1.cancels).toEqual([])
    bed.mesh.heal(bed.signer.peerId, 'c1')
    await bed.until(() => c1.cancels.length === 1, 600_000)
    expect(c1.cancels).toMatchObject([{ taskId: ID, reason: 'moved' }])
    expect(attachedTo()).toBe('c2')
    await bed.clock.advance(600_000)
    expect(c1.cancels).toHaveLength(1)
  })

  it('remembers over a restart what it owes to the old one', async () => {
    bed = await makeBed({ known: ['c1', 'c2'] })
    bed.coordinator('c1')
    await attached('c1')
    await bed.submit(chat({ id: 'one' }))
    const c2 = bed.coordinator('c2')
    bed.mesh.kill('c1')
    await bed.until(() => c2.orders.length === 1)
    await bed.restart()
    const c1 = bed.coordinator('c1')
    await bed.until(() => c1.cancels.length === 1, 600_000)
    expect(c1.cancels).toMatchObject([{ taskId: ID, reason: 'moved' }])
    expect(await bed.view('one')).toMatchObject({ coordinator: 'c2' })
  })

  it('takes up again at the first one what still stands there when the second is lost too', async () => {
    bed = await makeBed({ known: ['c1', 'c2'] })
    const c1 = bed.coordinator('c1')
    await attached('c1')
    await bed.submit(chat({ id: 'one' }))
    const c2 = bed.coordinator('c2')
    bed.mesh.cut(bed.signer.peerId, 'c1', 'closed')
    await bed.until(() => c2.orders.length === 1)
    bed.mesh.cut(bed.signer.peerId, 'c2', 'closed')
    bed.mesh.heal(bed.signer.peerId, 'c1')
    await bed.until(() => c1.syncs.length === 1)
    await bed.clock.advance(100)
    expect(await bed.view('one')).toMatchObject({ state: 'queued', coordinator: 'c1' })
    await bed.clock.advance(60_000)
    expect(c1.cancels).toEqual([])
    bed.mesh.heal(bed.signer.peerId, 'c2')
    await bed.until(() => c2.cancels.length === 1, 600_000)
  })

  it('believes only the coordinator that holds a task', async () => {
    bed = await makeBed({ known: ['c1', 'c2'], limits: { coordinatorGraceMs: 0 } })
    const c1 = bed.coordinator('c1')
    await attached('c1')
    await bed.submit(chat({ id: 'one' }))
    c1.push({ taskId: ID, standing: Standing.UNKNOWN })
    c1.push({ taskId: 'ann:other', standing: Standing.FAILED })
    c1.push({ taskId: ID, standing: Standing.LEASED, worker: '', fence: 0n })
    await bed.clock.advance(10)
    expect(await bed.view('one')).toMatchObject({ state: 'queued' })
  })

  it('drops one that sends what is no message', async () => {
    bed = await makeBed()
    const c1 = bed.coordinator('c1')
    await attached('c1')
    c1.raw(Uint8Array.of(255, 1, 2))
    await bed.until(() => attachedTo() === undefined)
  })

  it.each([
    [Standing.FAILED, 'failed'],
    [Standing.EXPIRED, 'expired'],
    [Standing.CANCELLED, 'cancelled'],
    [Standing.DONE, 'failed'],
  ])('ends a task as its coordinator says (%s)', async (standing, state) => {
    bed = await makeBed()
    const c1 = bed.coordinator('c1')
    await attached('c1')
    await bed.submit(chat({ id: 'one' }))
    const { events, ended } = bed.follow('one')
    c1.push({ taskId: ID, standing, why: { code: 'deadline-passed', detail: 'too late' } })
    await bed.until(ended)
    expect(events.at(-1)).toMatchObject({ type: 'state', task: { state } })
    const result = await bed.settle(bed.gateway.result('ann', 'one'))
    expect(result).toMatchObject({ code: standing === Standing.DONE ? 'result-mismatch' : 'deadline-passed' })
  })

  it('ends a task in the end, when the disk was full at first', async () => {
    bed = await makeBed()
    const c1 = bed.coordinator('c1')
    await attached('c1')
    await bed.submit(chat({ id: 'one' }))
    bed.disk.full = true
    c1.push({ taskId: ID, standing: Standing.FAILED, why: { code: 'attempts-exhausted' } })
    await bed.clock.advance(1_000)
    expect(await bed.view('one')).toMatchObject({ state: 'queued' })
    bed.disk.full = false
    await bed.clock.advance(10_000)
    expect(await bed.view('one')).toMatchObject({ state: 'failed' })
  })

  it('shows what the mesh can do, and why a task waits', async () => {
    bed = await makeBed()
    const c1 = bed.coordinator('c1')
    await attached('c1')
    await bed.submit(chat({ id: 'one' }))
    c1.send({
      case: 'capacity',
      value: {
        workers: 2,
        freeSlots: 1,
        queued: 4,
        languages: ['python'],
        models: [
          { model: { name: 'tiny', contextTokens: 512, tokensPerSMilli: 1500 }, workers: 2, freeSlots: 1 },
        ],
      },
    })
    await bed.clock.advance(10)
    expect(bed.gateway.capacity()).toEqual({
      workers: 2,
      freeSlots: 1,
      queued: 4,
      languages: ['python'],
      models: [{ name: 'tiny', contextTokens: 512, tokensPerS: 1.5, workers: 2, freeSlots: 1 }],
    })
    expect(await bed.settle(bed.gateway.explain('ann', 'one'))).toMatchObject({
      summary: 'It waits.',
      workers: 3,
    })
    expect(await bed.settle(bed.gateway.explain('ann', 'two'))).toMatchObject({ code: 'task-not-found' })
    bed.mesh.kill('c1')
    await bed.until(() => attachedTo() === undefined)
    expect(bed.gateway.capacity().workers).toBe(0)
    expect(await bed.settle(bed.gateway.explain('ann', 'one'))).toMatchObject({ candidates: [] })
  })
})
