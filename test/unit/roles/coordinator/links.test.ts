import { expect, test } from 'vitest'
import { envelopeCodec, open, statements } from '../../../../src/wire/envelope.js'
import { isMalformed } from '../../../../src/wire/frame.js'
import { Standing } from '../../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import { FakeGateway, FakeWorker, IDS, NETWORK, testSigner, World } from './world.js'

test('who is not listed is refused with the reason, as worker and as gateway', async () => {
  const world = new World()
  world.policy = { ...world.policy, admission: 'listed' }
  await world.start()
  const worker = new FakeWorker(world, testSigner(), 'anna', 1)
  expect(await worker.attach()).toBeUndefined()
  expect((await worker.hears('refused')).value).toMatchObject({ code: 'not-admitted' })
  await world.until(() => worker.closed !== undefined)
  const gateway = new FakeGateway(world, testSigner())
  await gateway.attach()
  expect((await gateway.hears('refused')).value).toMatchObject({ code: 'not-admitted' })
  await world.until(() => gateway.closed !== undefined)
  expect(world.coordinator.status()).toMatchObject({ workers: 0, gateways: 0 })
  expect(world.audit.acts).toMatchObject([
    { kind: 'admission-refused', of: worker.peerId, facts: { role: 'worker', agent: 'anna' } },
    { kind: 'admission-refused', of: gateway.peerId, facts: { role: 'gateway' } },
  ])
})

test('the welcome of a worker and of a gateway tells the time', async () => {
  const world = await new World().start()
  const told = (timeMs: bigint | undefined): number => Math.abs(Number(timeMs) - world.clock.nowMs())
  const worker = new FakeWorker(world, testSigner(), 'anna', 1)
  expect(told((await worker.attach())?.timeMs)).toBeLessThan(1_000)
  const gateway = new FakeGateway(world, testSigner())
  await gateway.attach()
  expect(told((await gateway.hears('welcome')).value.timeMs)).toBeLessThan(1_000)
})

test('who is struck from the list is put out, and its lease goes to another', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const first = await world.worker({ agentId: 'first' })
  await gateway.submit(gateway.header('t1'))
  await first.lease()
  const second = await world.worker({ agentId: 'second' })
  world.policy = {
    ...world.policy,
    admission: 'listed',
    gateways: new Set([gateway.peerId]),
    workers: new Set([second.peerId]),
  }
  expect((await first.hears('refused')).value).toMatchObject({ code: 'not-admitted' })
  await world.until(() => first.closed !== undefined)
  expect(await second.lease()).toMatchObject({ fence: 2n })
})

test.each(['worker', 'gateway'] as const)(
  'a malformed frame from a %s is scored and ends the link',
  async (role) => {
    const world = await new World().start()
    const peer = await world[role]()
    peer.link.send(Uint8Array.of(0xff, 0xff, 0xff))
    await world.until(() => peer.closed !== undefined)
    expect(world.offences).toEqual([{ peer: peer.peerId, offence: 'malformed-frame' }])
  },
)

test('whoever does not begin with a hello, or says it twice, breaks the protocol', async () => {
  const world = await new World().start()
  const early = new FakeWorker(world, testSigner(), 'anna', 1)
  await early.dialOnly()
  early.say({ case: 'slots', value: { free: 1 } })
  await world.until(() => early.closed !== undefined)
  const twice = await world.worker()
  twice.say({ case: 'hello', value: { agentId: 'again', capabilities: {} } })
  await world.until(() => twice.closed !== undefined)
  expect(world.offences.map((each) => each.offence)).toEqual(['protocol-violation', 'protocol-violation'])
})

test('whoever says nothing is dropped', async () => {
  const world = await new World().start()
  const mute = new FakeWorker(world, testSigner(), 'anna', 1)
  await mute.dialOnly()
  expect((await mute.hears('refused', 11_000)).value).toMatchObject({ code: 'timed-out' })
  await world.until(() => mute.closed !== undefined)
  expect(world.offences).toEqual([])
})

test('a worker whose link closed is replaced within 2 s, and not asked again while another can', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const first = await world.worker({ agentId: 'first' })
  await gateway.submit(gateway.header('t1'))
  const lease = await first.lease()
  first.progress(lease, 1n)
  const second = await world.worker({ agentId: 'second' })
  const closedMs = world.clock.monotonicMs()
  first.silent()
  world.mesh.kill(first.peerId)
  expect(await second.lease()).toMatchObject({ fence: 2n, attempt: 2 })
  expect(world.clock.monotonicMs() - closedMs).toBeLessThanOrEqual(2_000)
  expect(world.coordinator.workers().find((each) => each.agentId === 'first')).toMatchObject({
    liveness: 'lost',
  })
})

test('a silent worker is replaced within 15 s', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const first = await world.worker({ agentId: 'first' })
  await gateway.submit(gateway.header('t1'))
  await first.lease()
  const second = await world.worker({ agentId: 'second' })
  const silentMs = world.clock.monotonicMs()
  first.silent()
  await second.lease()
  expect(world.clock.monotonicMs() - silentMs).toBeLessThanOrEqual(15_000)
  await world.until(() => first.closed !== undefined)
})

test('an idle worker is let beat more rarely, is live as long as it does, and lost 15 s after it did', async () => {
  const world = await new World().start()
  const worker = await world.worker()
  const beatMs = 5_000
  expect(await worker.attach()).toMatchObject({ heartbeatMs: 2_000, idleHeartbeatMs: beatMs })
  worker.silent()
  const liveness = () => world.coordinator.workers().map((each) => each.liveness)
  for (let beats = 0; beats < 10; beats++) {
    await world.clock.advance(beatMs)
    expect(liveness()).toEqual(['live'])
    worker.say({ case: 'beat', value: {} })
  }
  await world.clock.advance(8_500)
  expect(liveness()).toEqual(['quiet'])
  await world.clock.advance(7_000)
  expect(liveness()).toEqual(['lost'])
})

test('a worker that comes back in time goes on with its lease', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const signer = testSigner()
  const worker = await world.worker({ signer })
  await gateway.submit(gateway.header('t1'))
  const lease = await worker.lease()
  worker.progress(lease, 1n)
  await worker.hears('beatAck')
  worker.link.abort('cable')
  await world.clock.advance(500)
  const welcome = await worker.attach({
    slots: 0,
    running: [
      { taskId: 'alice:t1', fence: 1n },
      { taskId: 'alice:other', fence: 9n },
    ],
  })
  expect(welcome).toMatchObject({ keep: [{ taskId: 'alice:t1', fence: 1n }] })
  await world.clock.advance(10_000)
  expect((await worker.done(lease, gateway)).refusal).toBeUndefined()
})

test('a second link of the same worker takes the place of the first', async () => {
  const world = await new World().start()
  const worker = await world.worker()
  const old = worker.link
  const oldClosed = new Promise((resolve) => old.receive({ frame() {}, closed: resolve }))
  await worker.attach()
  await oldClosed
  expect(worker.closed).toBeUndefined()
  expect(world.coordinator.status().workers).toBe(1)
  await world.clock.advance(20_000)
  expect(world.coordinator.workers()).toMatchObject([{ liveness: 'live' }])
})

test('a worker that came back without the attempt it ran does not keep the task waiting', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const signer = testSigner()
  const worker = await world.worker({ signer })
  await gateway.submit(gateway.header('t1'))
  const lease = await worker.lease()
  worker.progress(lease, 1n)
  await worker.hears('beatAck')
  await worker.attach()
  const again = await worker.lease(10_000)
  expect(again).toMatchObject({ fence: 2n, attempt: 2 })
})

test('a slot kept for an attempt that is gone with its worker’s process is free again', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker()
  await gateway.submit(gateway.header('t1'))
  worker.progress(await worker.lease(), 1n)
  await worker.hears('beatAck')
  await worker.attach()
  await gateway.submit(gateway.header('t2'))
  await worker.lease(1_000)
  await gateway.ask('cancelled', (ask) => ({
    case: 'cancel',
    value: { ask, taskId: 'alice:t2', reason: 'user' },
  }))
  await worker.hears('cancel')
  // As far as is known the lease of t1 may still be on its way to it.
  worker.say({ case: 'slots', value: { free: 1 } })
  expect(await worker.lease(10_000)).toMatchObject({ header: { id: 'alice:t1' }, fence: 2n })
})

test('slots: leases on the way are not counted free twice', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker({ slots: 2 })
  await gateway.submit(...['a', 'b', 'c', 'd'].map((id) => gateway.header(id)))
  const first = await worker.lease()
  const second = await worker.lease()
  await world.clock.advance(100)
  expect(worker.count('lease')).toBe(0)
  // Said before it saw the second lease: two free, as it thinks.
  await worker.done(first, gateway, 2)
  await worker.lease()
  await world.clock.advance(100)
  expect(worker.count('lease')).toBe(0)
  await worker.done(second, gateway, 1)
  await worker.lease()
})

test('when many fall silent at once nobody is given up, and it is said', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const workers = [await world.worker(), await world.worker(), await world.worker(), await world.worker()]
  await gateway.submit(...['a', 'b', 'c', 'd'].map((id) => gateway.header(id)))
  const leases = await Promise.all(workers.map((worker) => worker.lease()))
  for (const worker of workers) worker.silent()
  await world.until(() => world.coordinator.status().stormSinceMs !== undefined, 15_000)
  await world.clock.advance(60_000)
  expect(world.coordinator.status()).toMatchObject({ leased: 4, workers: 4 })
  expect(world.logged).toContain('storm-began')
  for (const worker of workers) worker.beats()
  await world.until(() => world.coordinator.status().stormSinceMs === undefined, 15_000)
  for (const [i, worker] of workers.entries()) {
    const lease = leases[i]
    if (lease !== undefined) expect((await worker.done(lease, gateway)).refusal).toBeUndefined()
  }
})

test('why-idle tells a worker what waits and why it does not get it', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const worker = await world.worker()
  await gateway.submit(gateway.header('t1', { model: 'huge' }), gateway.header('t2', { model: 'huge' }))
  worker.say({ case: 'whyIdle', value: { id: 7 } })
  const { value } = await worker.hears('whyIdle')
  expect(value).toMatchObject({ id: 7, queued: 2 })
  expect(value.reasons.find((each) => each.code === 'model-missing')).toMatchObject({ tasks: 2 })
})

test('work that nobody here can take is announced, signed, at most once a second, with growing numbers', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  await world.worker()
  const listener = await world.gateway()
  const heard: { atMs: number; bytes: Uint8Array }[] = []
  listener.network.subscribe(IDS.announcements, ({ bytes }) => {
    heard.push({ atMs: world.clock.monotonicMs(), bytes })
    return 'accept'
  })
  await gateway.submit(gateway.header('mine'))
  await world.clock.advance(5_000)
  expect(heard).toEqual([])
  await gateway.submit(gateway.header('t1', { model: 'huge' }), gateway.header('t2', { model: 'huge' }))
  await world.until(() => heard.length >= 3)
  for (const [i, each] of heard.entries()) {
    if (i > 0) expect(each.atMs - (heard[i - 1]?.atMs ?? 0)).toBeGreaterThanOrEqual(990)
  }
  const sequences: bigint[] = []
  for (const { bytes } of heard) {
    const envelope = envelopeCodec.decode(bytes)
    if (isMalformed(envelope)) throw new Error(envelope.detail)
    const opened = await open(envelope, NETWORK, statements.announcement, world.clock.nowMs())
    if (isMalformed(opened)) throw new Error(opened.detail)
    expect(opened.signer).toBe(world.signer.peerId)
    expect(opened.value.waiting).toMatchObject([{ model: 'huge', tasks: 2 }])
    sequences.push(opened.value.sequence)
  }
  expect(sequences).toEqual([...sequences].sort((a, b) => Number(a - b)))
  expect(new Set(sequences).size).toBe(sequences.length)
})

test('a coordinator is found by its rendezvous', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const found: string[] = []
  const search = (async () => {
    const { signal } = new AbortController()
    for await (const peer of gateway.network.findProviders(IDS.coordinatorRendezvous, signal))
      found.push(peer.peerId)
  })()
  await world.clock.advance(100)
  await search
  expect(found).toEqual([world.signer.peerId])
})

test('the gateway hears of a lost worker and of the next one', async () => {
  const world = await new World().start()
  const gateway = await world.gateway()
  const first = await world.worker()
  await gateway.submit(gateway.header('t1'))
  await first.lease()
  first.silent()
  world.mesh.kill(first.peerId)
  const { value } = await gateway.hears('state')
  expect(value).toMatchObject({ standing: Standing.QUEUED, why: { code: 'worker-lost' } })
  const second = await world.worker({ agentId: 'second' })
  await second.lease()
  expect((await gateway.hears('state')).value).toMatchObject({ standing: Standing.LEASED, fence: 2n })
})
