import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { open, statements } from '../../../../src/wire/envelope.js'
import { frames, isMalformed } from '../../../../src/wire/frame.js'
import { Standing } from '../../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { TaskHeader } from '../../../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import {
  type Bed,
  chat,
  chatResult,
  type FakeCoordinator,
  type FakeWorker,
  makeBed,
  makeSigner,
  NETWORK,
  sha256,
} from './gateway-bed.js'

const ID = 'ann:one'
let bed: Bed
let c1: FakeCoordinator
let worker: FakeWorker

beforeEach(async () => {
  bed = await makeBed()
  c1 = bed.coordinator('c1')
  worker = bed.worker()
})
afterEach(() => bed.clock.dispose())

function header(id = ID): TaskHeader {
  const found = c1.headers.get(id)
  if (found === undefined) throw new Error(`${id} was not ordered`)
  return found
}

/** Submits, and lets the worker open the lease the coordinator gave. */
async function running(request = chat({ id: 'one' }), fence = 1n): Promise<void> {
  await bed.submit(request)
  c1.lease(ID, worker.peerId, fence)
  await bed.settle(worker.dial())
  worker.open(ID, fence, 'c1')
  await bed.until(() => worker.heardOf('payload').some((body) => body.case === 'payload' && body.value.last))
}

/** The worker opens its attempt once more, and is let in. */
async function reopened(): Promise<void> {
  worker.heard.length = 0
  worker.open(ID, 1n, 'c1', true)
  await bed.until(() => worker.heardOf('resume').length === 1)
}

const accepted = () => worker.heardOf('accepted')
const heard = (count: number) => bed.until(() => worker.heard.length >= count)

describe('a delivery', () => {
  it('hands the payload to the leased worker, and takes its result once it is durable', async () => {
    await running()
    const chunks = worker
      .heardOf('payload')
      .flatMap((body) => (body.case === 'payload' ? [body.value.bytes] : []))
    const payload = Buffer.concat(chunks)
    expect(sha256(payload)).toEqual(new Uint8Array(header().payloadDigest))
    const decoded = frames.payload.decode(payload)
    expect(isMalformed(decoded) ? undefined : decoded.body.case).toBe('chat')

    worker.output(ID, 1n, 1, 'hel')
    worker.output(ID, 1n, 2, 'lo')
    worker.deliver(header(), 1n, 'c1', chatResult('hello'))
    await bed.until(() => accepted().length === 1)
    const [answer] = accepted()
    if (answer?.case !== 'accepted' || answer.value.acceptance === undefined) throw new Error('no acceptance')
    const acceptance = await open(answer.value.acceptance, NETWORK, statements.acceptance)
    if (isMalformed(acceptance)) throw new Error(acceptance.detail)
    expect(acceptance.signer).toBe(bed.signer.peerId)
    expect(acceptance.value).toMatchObject({ taskId: ID, fence: 1n, usage: { completionTokens: 2 } })

    const result = await bed.settle(bed.gateway.result('ann', 'one'))
    expect(result).toMatchObject({ kind: 'chat', text: 'hello', finishReason: 'stop' })
    const view = await bed.view('one')
    expect(view).toMatchObject({
      state: 'done',
      usage: { promptTokens: 5, completionTokens: 7 },
      worker: { peerId: worker.peerId, agentId: 'agent' },
    })
    expect(view?.steps.map((step) => step.name)).toEqual([
      'submitted',
      'accepted',
      'leased',
      'running',
      'first-token',
      'done',
    ])
    expect(bed.gateway.status().unfinishedTasks).toBe(0)
  })

  it('sends a large payload in chunks with back-pressure, and takes a large result', async () => {
    const content = 'x'.repeat(3_000_000)
    await running(chat({ id: 'one', messages: [1, 2].map(() => ({ role: 'user' as const, content })) }))
    const chunks = worker
      .heardOf('payload')
      .flatMap((body) => (body.case === 'payload' ? [body.value.bytes] : []))
    expect(chunks.length).toBeGreaterThan(40)
    expect(sha256(Buffer.concat(chunks))).toEqual(new Uint8Array(header().payloadDigest))
    worker.deliver(header(), 1n, 'c1', chatResult('y'.repeat(2_000_000)))
    await bed.until(() => accepted().length === 1)
  })

  it('keeps a worker waiting that opens before the coordinator named it', async () => {
    await bed.submit(chat({ id: 'one' }))
    await bed.settle(worker.dial())
    worker.open(ID, 1n, 'c1')
    await bed.clock.advance(2_000)
    expect(worker.heard).toEqual([])
    c1.lease(ID, worker.peerId, 1n)
    await bed.until(() => worker.heardOf('payload').length > 0)
  })

  it('refuses a worker that is never named', async () => {
    await bed.submit(chat({ id: 'one' }))
    await bed.settle(worker.dial())
    worker.open(ID, 1n, 'c1')
    await bed.clock.advance(6_000)
    expect(worker.refusals()).toEqual(['stale-fence'])
  })

  it.each([
    ['another worker has the lease', (w: string) => ({ lease: `not-${w}`, fence: 1n, coordinator: 'c1' })],
    ['the fence is an old one', (w: string) => ({ lease: w, fence: 2n, coordinator: 'c1' })],
    ['another coordinator is named', (w: string) => ({ lease: w, fence: 1n, coordinator: 'c2' })],
  ])('refuses an open when %s', async (_why, of) => {
    const { lease, fence, coordinator } = of(worker.peerId)
    await bed.submit(chat({ id: 'one' }))
    c1.lease(ID, lease, fence)
    await bed.settle(worker.dial())
    await bed.clock.advance(10)
    worker.open(ID, 1n, coordinator)
    await heard(1)
    expect(worker.refusals()).toEqual(['stale-fence'])
    expect(worker.heardOf('payload')).toEqual([])
  })

  it('refuses tasks that never were here', async () => {
    await bed.settle(worker.dial())
    worker.open('ann:none', 1n, 'c1')
    worker.open('no-account', 1n, 'c1')
    await heard(2)
    expect(worker.refusals()).toEqual(['task-ended', 'task-ended'])
  })

  it('stops a worker whose lease is over, and takes nothing more of it', async () => {
    await running()
    c1.lease(ID, 'another', 2n, 2)
    await bed.until(() => worker.refusals().length === 1)
    worker.output(ID, 1n, 1, 'late')
    worker.deliver(header(), 1n, 'c1', chatResult('late'))
    await bed.until(() => worker.refusals().length === 2)
    expect(worker.refusals()).toEqual(['stale-fence', 'stale-fence'])
    expect(await bed.view('one')).toMatchObject({
      state: 'leased',
      attempt: 2,
      worker: { peerId: 'another' },
    })
  })

  it('drops outputs it has seen, and does not stand for a gap', async () => {
    await running()
    const { events } = bed.follow('one')
    worker.output(ID, 1n, 1, 'a')
    worker.output(ID, 1n, 1, 'a')
    worker.output(ID, 1n, 2, 'b')
    await bed.clock.advance(10)
    expect(events.flatMap((event) => (event.type === 'text' ? [event.text] : []))).toEqual(['a', 'b'])
    worker.output(ID, 1n, 4, 'd')
    await bed.until(() => worker.refusals().length === 1)
    expect(worker.refusals()).toEqual(['protocol-violation'])
    expect(await bed.view('one')).toMatchObject({ state: 'running' })
  })

  it('goes on after a lost link where it stopped', async () => {
    await running()
    const { events, ended } = bed.follow('one')
    worker.output(ID, 1n, 1, 'a')
    worker.output(ID, 1n, 2, 'b')
    await bed.clock.advance(10)
    worker.hangUp()
    await bed.clock.advance(10)
    await bed.settle(worker.dial())
    worker.heard.length = 0
    worker.open(ID, 1n, 'c1', true)
    await heard(1)
    expect(worker.heard).toMatchObject([{ case: 'resume', value: { seenSeq: 2 } }])
    worker.output(ID, 1n, 2, 'b')
    worker.output(ID, 1n, 3, 'c')
    worker.deliver(header(), 1n, 'c1', chatResult('abc'))
    await bed.until(ended)
    expect(events.flatMap((event) => (event.type === 'text' ? [event.text] : []))).toEqual(['a', 'b', 'c'])
    expect(events.some((event) => event.type === 'reset')).toBe(false)
  })

  it('begins anew for a worker that opens again without its payload', async () => {
    await running()
    const { events } = bed.follow('one')
    worker.output(ID, 1n, 1, 'a')
    await bed.clock.advance(10)
    worker.heard.length = 0
    worker.open(ID, 1n, 'c1')
    await bed.until(() => worker.heardOf('payload').length > 0)
    worker.output(ID, 1n, 1, 'b')
    await bed.clock.advance(10)
    const types = events.map((event) => event.type).filter((type) => type !== 'state')
    expect(types).toEqual(['text', 'reset', 'text'])
    expect(worker.refusals()).toEqual([])
  })

  it('answers a repeated Finish with the same acceptance, on any link and after a restart', async () => {
    await running()
    worker.deliver(header(), 1n, 'c1', chatResult('hello'))
    await bed.until(() => accepted().length === 1)
    worker.deliver(header(), 1n, 'c1', chatResult('hello'))
    await bed.until(() => accepted().length === 2)
    await bed.restart()
    await bed.settle(worker.dial())
    worker.open(ID, 1n, 'c1', true)
    await bed.until(() => accepted().length === 3)
    const bytes = accepted().map((body) =>
      body.case === 'accepted' ? body.value.acceptance?.signature : undefined,
    )
    expect(bytes[1]).toEqual(bytes[0])
    expect(bytes[2]).toEqual(bytes[0])
  })

  it('tells another worker that the task has ended', async () => {
    await running()
    worker.deliver(header(), 1n, 'c1', chatResult('hello'))
    await bed.until(() => accepted().length === 1)
    const other = bed.worker()
    await bed.settle(other.dial())
    other.open(ID, 1n, 'c1', true)
    other.deliver(header(), 1n, 'c1', chatResult('mine'))
    await bed.until(() => other.refusals().length === 2)
    expect(other.refusals()).toEqual(['task-ended', 'stale-fence'])
    expect(await bed.settle(bed.gateway.result('ann', 'one'))).toMatchObject({ text: 'hello' })
  })

  it.each([
    ['task', { taskId: 'ann:two' }],
    ['fence', { fence: 9n }],
    ['coordinator', { coordinator: 'c2' }],
    ['worker', { worker: 'another' }],
    ['gateway', { gateway: 'another' }],
    ['payload', { payloadDigest: new Uint8Array(32).fill(1) }],
    ['result', { resultDigest: new Uint8Array(32).fill(1) }],
  ])('refuses a receipt of another %s', async (_what, change) => {
    await running()
    worker.deliver(header(), 1n, 'c1', chatResult('hello'), change)
    await bed.until(() => worker.refusals().length === 1)
    expect(worker.refusals()).toEqual(['result-mismatch'])
    expect(accepted()).toEqual([])
    expect(await bed.view('one')).toMatchObject({ state: 'leased' })
  })

  it('keeps nothing of a receipt that its worker did not sign', async () => {
    await running()
    worker.pads = true
    worker.deliver(header(), 1n, 'c1', chatResult('hello'))
    await bed.until(() => accepted().length === 1)
    await bed.restart()
    expect(await bed.view('one')).toMatchObject({ state: 'done' })
  })

  it('refuses a receipt that the worker did not sign, or for another network', async () => {
    await running()
    const lying = { ...makeSigner(), publicKey: worker.signer.publicKey }
    for (const [signer, network, code] of [
      [makeSigner(), NETWORK, 'result-mismatch'],
      [worker.signer, 'another-net', 'wrong-network'],
      [lying, NETWORK, 'bad-signature'],
    ] as const) {
      await reopened()
      worker.deliver(header(), 1n, 'c1', chatResult('hello'), {}, signer, network)
      await bed.until(() => worker.refusals().length === 1)
      expect(worker.refusals()).toEqual([code])
    }
    expect(await bed.settle(bed.gateway.result('ann', 'one'))).toMatchObject({ code: 'result-pending' })
  })

  it.each([
    [
      'of another kind',
      { body: { case: 'test' as const, value: { verdict: 'passed', sandbox: 'deno' } }, usage: {} },
    ],
    [
      'with no known finish',
      { body: { case: 'chat' as const, value: { text: 'x', finishReason: 'dunno' } }, usage: {} },
    ],
  ])('refuses a result %s', async (_what, result) => {
    await running()
    worker.deliver(header(), 1n, 'c1', result)
    await bed.until(() => worker.refusals().length === 1)
    expect(worker.refusals()).toEqual(['result-mismatch'])
  })

  it('refuses a receipt before the whole result, and chunks out of order', async () => {
    await running()
    worker.send({
      case: 'result',
      value: { lease: { taskId: ID, fence: 1n }, offset: 5, bytes: new Uint8Array(3), last: true },
    })
    await bed.until(() => worker.refusals().length === 1)
    expect(worker.refusals()).toEqual(['protocol-violation'])
    expect(await bed.view('one')).toMatchObject({ state: 'leased' })
  })

  it('cuts a worker off that sends what is no message', async () => {
    await running()
    worker.raw(Uint8Array.of(255, 255, 255))
    await bed.until(() => worker.closed !== undefined)
    expect(bed.gateway.status().dataLinks).toBe(0)
  })

  it('takes the result from the next try when the disk was full', async () => {
    await running()
    bed.disk.full = true
    worker.deliver(header(), 1n, 'c1', chatResult('hello'))
    await bed.until(() => worker.refusals().length === 1)
    expect(worker.refusals()).toEqual(['store-full'])
    expect(await bed.view('one')).toMatchObject({ state: 'leased' })
    bed.disk.full = false
    await reopened()
    worker.deliver(header(), 1n, 'c1', chatResult('hello'))
    await bed.until(() => accepted().length === 1)
  })

  it('takes no more of an attempt that its worker gave up', async () => {
    await running()
    worker.send({
      case: 'abandon',
      value: { lease: { taskId: ID, fence: 1n }, why: { code: 'engine-failed' } },
    })
    worker.deliver(header(), 1n, 'c1', chatResult('hello'))
    await bed.until(() => worker.refusals().length === 1)
    expect(worker.refusals()).toEqual(['stale-fence'])
  })

  it('serves only admitted workers', async () => {
    const policy = () => ({
      network: NETWORK,
      admission: 'listed' as const,
      coordinators: new Set(['c1']),
      gateways: new Set<string>(),
      workers: new Set<string>(),
    })
    bed.clock.dispose()
    bed = await makeBed({ policy })
    worker = bed.worker()
    await bed.settle(worker.dial())
    await bed.until(() => worker.closed !== undefined)
    expect(bed.gateway.status().dataLinks).toBe(0)
  })

  it('lets go of a link on which nothing is opened', async () => {
    const idle = bed.worker()
    await bed.settle(idle.dial())
    await bed.until(() => bed.gateway.status().dataLinks > 0)
    const startMs = bed.clock.monotonicMs()
    await bed.until(() => idle.closed !== undefined)
    expect(bed.clock.monotonicMs() - startMs).toBeLessThan(11_000)
  })

  it('takes a result whose coordinator still says running, and tells it so when it starts over', async () => {
    await running()
    worker.deliver(header(), 1n, 'c1', chatResult('hello'))
    await bed.until(() => accepted().length === 1)
    c1.lease(ID, worker.peerId, 1n, 1, Standing.RUNNING)
    await bed.clock.advance(50)
    expect(c1.cancels).toEqual([])
    c1.lease(ID, 'another', 2n, 2)
    await bed.until(() => c1.cancels.length === 1)
    expect(c1.cancels).toMatchObject([{ taskId: ID, reason: 'delivered' }])
    expect(await bed.view('one')).toMatchObject({ state: 'done' })
  })
})
