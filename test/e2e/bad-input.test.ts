import { createHash, randomBytes } from 'node:crypto'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_ROUTES, TASK_ROUTES } from '../../src/bridge/admin-client.js'
import { createIdentity, type Identity } from '../../src/services/identity/identity.js'
import { lengthPrefix } from '../../src/services/network/framing.js'
import { envelopeCodec, seal, statements } from '../../src/wire/envelope.js'
import { frames, isMalformed } from '../../src/wire/frame.js'
import type { Lease } from '../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import type { Envelope } from '../../src/wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import type { TaskHeaderSchema } from '../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import { CONTROL_FRAME_BYTES } from '../../src/wire/limits.js'
import { gatedEngine } from '../helpers/gated-engine.js'
import {
  type HostilePeer,
  listStrangers,
  networkIdOf,
  type RawStream,
  startHostilePeer,
} from '../helpers/hostile-peer.js'
import { type OpenAiServer, startOpenAiServer } from '../helpers/openai-server.js'
import { createProcessMesh, type ProcessMesh } from '../helpers/process-mesh.js'
import { expectScored, memoryMib } from '../helpers/scored-offences.js'
import { until } from '../helpers/until.js'

/** Much more than an attack may cost, and much less than what these would take if nothing bounded them. */
const MOST_MORE_MIB = 160
const STRANGERS = 16

let server: OpenAiServer
let mesh: ProcessMesh
let network: string
let strangers: Identity[]
const running: HostilePeer[] = []
/** Looked at again at the end. */
const unfinished: RawStream[] = []
const restMib = new Map<string, number>()

beforeAll(async () => {
  server = await startOpenAiServer({ engine: gatedEngine() })
  mesh = await createProcessMesh(
    { coordinators: 1, workers: 1, gateways: 1 },
    { EDGE_ENGINE: server.url, EDGE_SANDBOX: 'none', EDGE_LOG_LEVEL: 'debug' },
  )
  strangers = [...listStrangers(mesh, STRANGERS)]
  network = networkIdOf(mesh)
  await mesh.start()
  for (const name of mesh.nodes.keys()) restMib.set(name, memoryMib(mesh.get(name)))
  const peer = await stranger()
  for (const protocol of ['worker', 'gateway'] as const) {
    unfinished.push(await peer.open(mesh.get('coordinator'), peer.ids[protocol]))
  }
  unfinished[1]?.bytes(lengthPrefix(CONTROL_FRAME_BYTES))
  unfinished[1]?.bytes(new Uint8Array(1_000))
}, 120_000)

afterAll(async () => {
  await Promise.all(running.map((peer) => peer.stop()))
  await mesh?.close()
  await server?.close()
})

/** A peer that has done nothing yet. */
async function stranger(id = network): Promise<HostilePeer> {
  const identity = strangers.pop()
  if (identity === undefined) throw new Error(`list more than ${STRANGERS} strangers`)
  const peer = await startHostilePeer(identity, id)
  running.push(peer)
  return peer
}

const capabilities = { engine: 'llama-cpp', models: [{ name: 'trap', contextTokens: 8192 }] }
const hello = {
  worker: frames.workerToCoordinator.encode({
    body: {
      case: 'hello',
      value: { agentId: 'evil', slots: 8, capabilities },
    },
  }),
  gateway: frames.gatewayToCoordinator.encode({ body: { case: 'hello', value: { version: '0' } } }),
}

function read<
  B extends { readonly case?: string | undefined; readonly value?: unknown },
  C extends B['case'],
>(
  codec: { decode(bytes: Uint8Array): { readonly body: B } | object },
  kind: C,
): (frame: Uint8Array) => Extract<B, { case: C }>['value' & keyof Extract<B, { case: C }>] | undefined {
  return (frame) => {
    const message = codec.decode(frame)
    if (isMalformed(message) || !('body' in message)) return undefined
    const { body } = message as { readonly body: B }
    // The case says which value it is.
    return body.case === kind ? (body.value as never) : undefined
  }
}

async function attachedGateway(peer: HostilePeer): Promise<RawStream> {
  const stream = await peer.open(mesh.get('coordinator'), peer.ids.gateway)
  stream.frame(hello.gateway)
  await stream.heard('the welcome', read(frames.coordinatorToGateway, 'welcome'))
  return stream
}

function headerOf(peer: HostilePeer, id: string): MessageInitShape<typeof TaskHeaderSchema> {
  const payloadDigest = new Uint8Array(32)
  const given = { id: `evil:${id}`, account: 'evil', kind: 1, gateway: peer.peerId, submittedMs: 1n }
  return { ...given, maxAttempts: 1, maxRunMs: 1_000, payloadDigest, payloadBytes: 1 }
}

let asks = 0

/** Submits an order. @returns why it was refused */
async function refusedOrder(stream: RawStream, order: Envelope): Promise<string | undefined> {
  const ask = ++asks
  stream.frame(frames.gatewayToCoordinator.encode({ body: { case: 'submit', value: { ask, order } } }))
  const answer = await stream.heard('the answer', (frame) => {
    const submitted = read(frames.coordinatorToGateway, 'submitted')(frame)
    return submitted?.ask === ask ? submitted : undefined
  })
  return answer.refusal?.code ?? answer.results[0]?.refusal?.code
}

/** A whole task of an honest user, from end to end. */
async function expectTaskDone(id: string): Promise<void> {
  const client = mesh.get('gateway').client()
  const messages = [{ role: 'user' as const, content: 'hello' }]
  await client.call(TASK_ROUTES.submit, { body: { kind: 'chat', id, model: 'gated', messages } })
  for await (const _ of client.events(id, { signal: AbortSignal.timeout(30_000) }));
  expect((await client.call(TASK_ROUTES.show, { params: { id } })).state).toBe('done')
}

describe('strangers', () => {
  it('another network finds no protocol of ours', async () => {
    const peer = await stranger('another')
    await expect(peer.open(mesh.get('coordinator'), peer.ids.gateway)).rejects.toThrow(/protocol/i)
    await expect(peer.open(mesh.get('gateway'), peer.ids.data)).rejects.toThrow(/protocol/i)
  })

  it('a peer that nobody lists gets no stream at all', async () => {
    const peer = await startHostilePeer(createIdentity(), network)
    running.push(peer)
    for (const name of ['coordinator', 'gateway'])
      expect(await peer.isAdmitted(mesh.get(name), 'data')).toBe(false)
  })
})

describe('manners', () => {
  it.each([
    [
      'a message before hello',
      'worker',
      () => [frames.workerToCoordinator.encode({ body: { case: 'slots', value: { free: 1 } } })],
    ],
    ['hello twice, as a worker', 'worker', () => [hello.worker, hello.worker]],
    ['hello twice, as a gateway', 'gateway', () => [hello.gateway, hello.gateway]],
    [
      'a welcome, which only coordinators say',
      'worker',
      () => [frames.coordinatorToWorker.encode({ body: { case: 'whyIdle', value: { id: 1 } } })],
    ],
  ] as const)('%s is a violation', async (name, protocol, words) => {
    const offence = name.startsWith('a welcome') ? 'malformed-frame' : 'protocol-violation'
    const coordinator = mesh.get('coordinator')
    const peer = await stranger()
    await expectScored(coordinator, offence, async () => {
      const stream = await peer.open(coordinator, peer.ids[protocol])
      stream.frame(...words())
      await stream.end()
    })
  })

  it('who reads nothing is dropped, with what was kept for it', async () => {
    const coordinator = mesh.get('coordinator')
    const peer = await stranger()
    const stream = await attachedGateway(peer)
    stream.stopReading()
    const taskIds = Array.from({ length: 1_024 }, (_, n) => `evil:${String(n).padStart(120, '0')}`)
    const sync = frames.gatewayToCoordinator.encode({ body: { case: 'sync', value: { ask: 1, taskIds } } })
    await until('the coordinator to give up', () => {
      for (let n = 0; n < 8; n++) stream.frame(sync)
      return coordinator.log.includes('the other end does not keep up')
    })
  })
})

describe('orders', () => {
  it('mis-signed, of others, of another network or another time are refused, and the forger is put out', async () => {
    const coordinator = mesh.get('coordinator')
    const peer = await stranger()
    const stream = await attachedGateway(peer)
    const order = (nowMs = Date.now(), id = network, signer = peer.signer) =>
      seal(signer, id, statements.order, { headers: [headerOf(peer, 'a')] }, nowMs)
    expect(await refusedOrder(stream, order(Date.now() - 3_600_000))).toBe('stale-envelope')
    // A time that no date can hold.
    expect(await refusedOrder(stream, order(Number.MAX_SAFE_INTEGER))).toBe('stale-envelope')
    expect(await refusedOrder(stream, { ...order(), type: 'edgecoder.task.v1.Receipt' })).toBe('wrong-type')
    expect(await refusedOrder(stream, { ...order(), payload: randomBytes(50) })).toBe('malformed')
    const named = { headers: [{ ...headerOf(peer, 'b'), gateway: mesh.get('gateway').node.peerId }] }
    expect(await refusedOrder(stream, seal(peer.signer, network, statements.order, named, Date.now()))).toBe(
      'forbidden',
    )
    expect(await refusedOrder(stream, order())).toBeUndefined()
    await expectScored(coordinator, 'wrong-network', async () => {
      expect(await refusedOrder(stream, order(Date.now(), 'another'))).toBe('wrong-network')
    })
    const broken = order()
    broken.signature[5] = (broken.signature[5] ?? 0) ^ 1
    await expectScored(coordinator, 'bad-signature', async () => {
      expect(await refusedOrder(stream, broken)).toBe('bad-signature')
    })
    await expectScored(coordinator, 'bad-signature', async () => {
      const ask = ++asks
      const of = createIdentity().signer
      stream.frame(
        frames.gatewayToCoordinator.encode({
          body: { case: 'submit', value: { ask, order: order(Date.now(), network, of) } },
        }),
      )
      await stream.end()
    })
    expect(await peer.isAdmitted(coordinator, 'gateway')).toBe(false)
    await peer.stop()
  })

  it('replayed by another gateway are not its own, and change nothing', async () => {
    const [peer, thief] = [await stranger(), await stranger()]
    const headers = [headerOf(peer, 'replayed')]
    const order = seal(peer.signer, network, statements.order, { headers }, Date.now())
    const stream = await attachedGateway(peer)
    expect(await refusedOrder(stream, order)).toBeUndefined()
    expect(await refusedOrder(stream, order)).toBeUndefined()
    await expectScored(mesh.get('coordinator'), 'bad-signature', async () => {
      expect(await refusedOrder(await attachedGateway(thief), order)).toBe('forbidden')
    })
    const params = { account: 'evil', id: 'replayed' }
    const explained = await mesh.get('coordinator').client().call(ADMIN_ROUTES.coordinatorExplain, { params })
    expect(explained.state).not.toBe('cancelled')
    await peer.stop()
  })
})

describe('a worker that lies', () => {
  it('is found out by gateway and coordinator, and the task is not done by it', async () => {
    const [coordinator, gateway] = [mesh.get('coordinator'), mesh.get('gateway')]
    const peer = await stranger()
    const control = await peer.open(coordinator, peer.ids.worker)
    control.frame(hello.worker)
    await control.heard('the welcome', read(frames.coordinatorToWorker, 'welcome'))
    const client = gateway.client()
    const messages = [{ role: 'user' as const, content: 'for the liar' }]
    await until('its model to be known', async () =>
      (await client.call(ADMIN_ROUTES.models)).models.some(({ name }) => name === 'trap'),
    )
    await client.call(TASK_ROUTES.submit, {
      body: { kind: 'chat', id: 'lied', model: 'trap', maxAttempts: 1, messages },
    })
    const lease = await control.heard('the lease', (frame) => {
      const given = read(frames.coordinatorToWorker, 'lease')(frame)
      return given?.header?.id === 'local:lied' ? given : undefined
    })
    const ref = { taskId: lease.header?.id ?? '', fence: lease.fence }
    const data = await peer.open(gateway, peer.ids.data)

    // Fences of the past and of the future.
    const refused = async (fence: bigint) => {
      const stale = { lease: { taskId: ref.taskId, fence }, coordinator: coordinator.node.peerId }
      data.frame(frames.workerToGateway.encode({ body: { case: 'open', value: stale } }))
      return data.heard(`fence ${fence} to be refused`, (frame) => {
        const no = read(frames.gatewayToWorker, 'refused')(frame)
        return no?.lease?.fence === fence ? no.why?.code : undefined
      })
    }
    expect(await refused(lease.fence + 1n)).toBe('stale-fence')

    const open = { lease: ref, coordinator: coordinator.node.peerId }
    data.frame(frames.workerToGateway.encode({ body: { case: 'open', value: open } }))
    await data.heard('the payload', read(frames.gatewayToWorker, 'payload'))
    const bytes = frames.result.encode({
      body: { case: 'chat', value: { text: 'lies', finishReason: 'stop' } },
    })
    const receipt = receiptOf(peer, lease, bytes)
    receipt.signature[7] = (receipt.signature[7] ?? 0) ^ 1
    await expectScored(gateway, 'bad-signature', async () => {
      data.frame(
        frames.workerToGateway.encode({
          body: { case: 'result', value: { lease: ref, offset: 0, bytes, last: true } },
        }),
        frames.workerToGateway.encode({ body: { case: 'finish', value: { lease: ref, receipt } } }),
      )
    })
    const acceptance = seal(
      peer.signer,
      network,
      statements.acceptance,
      { ...ref, receiptDigest: new Uint8Array(32) },
      Date.now(),
    )
    // Counted, and not scored: a second one such as this has it suspended (suspension.test.ts).
    control.frame(
      frames.workerToCoordinator.encode({
        body: { case: 'done', value: { lease: ref, receipt, acceptance, free: 1 } },
      }),
    )
    const ack = await control.heard('the answer', read(frames.coordinatorToWorker, 'doneAck'))
    expect(ack.refusal?.code).toBe('bad-signature')
    // And once more, now that the lease is over.
    control.frame(
      frames.workerToCoordinator.encode({
        body: { case: 'done', value: { lease: ref, receipt, acceptance, free: 1 } },
      }),
    )
    await until('the repetition to be refused', () =>
      control.frames
        .map(read(frames.coordinatorToWorker, 'doneAck'))
        .some((each) => each?.refusal?.code === 'stale-fence'),
    )
    for await (const _ of client.events('lied', { signal: AbortSignal.timeout(30_000) }));
    expect((await client.call(TASK_ROUTES.show, { params: { id: 'lied' } })).state).toBe('failed')
  })

  function receiptOf(peer: HostilePeer, { header, fence }: Lease, result: Uint8Array): Envelope {
    if (header === undefined) throw new Error('a lease without a header')
    const { id, gateway, payloadDigest } = header
    const said = {
      taskId: id,
      fence,
      coordinator: mesh.get('coordinator').node.peerId,
      worker: peer.peerId,
      gateway,
      payloadDigest,
      resultDigest: createHash('sha256').update(result).digest(),
      usage: { model: 'trap' },
      startedMs: 1n,
      finishedMs: 2n,
    }
    return seal(peer.signer, network, statements.receipt, said, Date.now())
  }
})

describe('gossip', () => {
  async function gossiper(): Promise<HostilePeer> {
    const peer = await stranger()
    await peer.open(mesh.get('coordinator'), peer.ids.gateway)
    const { pubsub } = peer.node.services
    await until('the topic to be known', () => pubsub.getSubscribers(peer.ids.announcements).length > 0)
    return peer
  }

  const announcement = (peer: HostilePeer, change: Partial<Envelope> = {}) =>
    envelopeCodec.encode({
      ...seal(peer.signer, network, statements.announcement, { sequence: 1n }, Date.now()),
      ...change,
    })

  it.each([
    ['of another network', (peer: HostilePeer) => announcement(peer, { network: 'another' })],
    ['mis-signed', (peer: HostilePeer) => announcement(peer, { signature: randomBytes(64) })],
  ])('%s is not passed on, and its sender is put out', async (_name, message) => {
    const coordinator = mesh.get('coordinator')
    const peer = await gossiper()
    await expectScored(coordinator, 'malformed-frame', async () => {
      for (let n = 0; n < 4; n++)
        await peer.node.services.pubsub.publish(peer.ids.announcements, message(peer))
    })
    await until('the peer to be refused', async () => !(await peer.isAdmitted(coordinator, 'gateway')))
  })

  it('of a time that no date can hold hurts nobody', async () => {
    const coordinator = mesh.get('coordinator')
    const peer = await gossiper()
    const { pubsub } = peer.node.services
    const future = announcement(peer, { issuedMs: BigInt(Number.MAX_SAFE_INTEGER) })
    await pubsub.publish(peer.ids.announcements, future)
    expect((await coordinator.status()).ready).toBe(true)
    expect(coordinator.log).not.toContain('gossip-judge-failed')
  })
})

describe('afterwards', () => {
  it('streams on which nothing came, or the rest of a frame never did, are ended', async () => {
    for (const stream of unfinished) await stream.end()
  })

  it('honest work is done as before, by the same processes, in little more memory', async () => {
    for (let n = 0; n < 5; n++) await expectTaskDone(`honest-${n}`)
    for (const [name, node] of mesh.nodes) {
      expect(node.isRunning, name).toBe(true)
      expect(memoryMib(node) - (restMib.get(name) ?? 0), name).toBeLessThan(MOST_MORE_MIB)
      expect(node.log, name).not.toMatch(
        /"(http-bug|data-desk-failed|serve-failed|gossip-judge-failed)"|\n {4}at /,
      )
    }
  })
})
