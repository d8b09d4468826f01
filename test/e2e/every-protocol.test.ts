import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createIdentity, type Identity } from '../../src/services/identity/identity.js'
import { lengthPrefix, writeFrames } from '../../src/services/network/framing.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { type HostilePeer, SPOKEN, startHostilePeer, TOPICS } from '../helpers/hostile-peer.js'
import type { NodeProcess } from '../helpers/process-mesh.js'
import { expectScored, memoryMib } from '../helpers/scored-offences.js'
import { memberOf, SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

/** Much more than all of it may cost, and much less than what it would take if nothing bounded it. */
const MOST_MORE_MIB = 320
/** Whom one protocol uses up, and members of each role for all protocols and topics. */
const PER_PROTOCOL = 4
const MEMBERS = 5 * PER_PROTOCOL
const PROTOCOLS = Object.keys(SPOKEN) as readonly (keyof typeof SPOKEN)[]

// What is waited for takes seconds where others use the processor.
vi.setConfig({ testTimeout: 120_000 })

let held: HeldTasks
let network: SignedNetwork
/** Members of the network by their role, so that they get as far as one can, and that mean ill. */
const waiting = { worker: [] as Identity[], gateway: [] as Identity[], coordinator: [] as Identity[] }
const running: HostilePeer[] = []
const restMib = new Map<string, number>()

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 1, workers: 1, gateways: 1 })
  for (let n = 0; n < MEMBERS; n++) {
    waiting.worker.push(createIdentity())
    waiting.gateway.push(createIdentity())
  }
  // Of two coordinators the one that sorts first dials.
  while (waiting.coordinator.length < PER_PROTOCOL) {
    const identity = createIdentity()
    if (identity.signer.peerId < coordinator().node.peerId) waiting.coordinator.push(identity)
  }
  network = await SignedNetwork.of(
    held.mesh,
    waiting.gateway.map(({ signer }) => signer.peerId),
  )
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor')
  await network.enrol('worker', 'lender')
  for (const [n, { signer }] of waiting.worker.entries()) {
    await network.enrolPeer(signer.peerId, `evil-${n}`, 'lender')
  }
  await network.grant('local', 20_000_000n, 'first')
  const admit = waiting.coordinator.map(({ signer }) => memberOf(signer.peerId))
  await network.say('coordinators', { admit, remove: [] })
  held.mesh.get('worker').start({ EDGE_LISTEN: '/ip4/127.0.0.1/tcp/0' })
  await held.mesh.start()
  await network.funded('local')
  for (const [name, node] of held.mesh.nodes) restMib.set(name, memoryMib(node))
}, 180_000)

afterAll(async () => {
  await Promise.all(running.map((peer) => peer.stop()))
  await held?.close()
})

function coordinator(): NodeProcess {
  return held.mesh.get('coordinator')
}

/** A member that has done nothing yet. */
async function member(role: keyof typeof waiting): Promise<HostilePeer> {
  const identity = waiting[role].pop()
  if (identity === undefined) throw new Error('admit more of them')
  const peer = await startHostilePeer(identity, network.id)
  running.push(peer)
  return peer
}

/** A field that says that it is longer than its frame. */
const TORN = Uint8Array.of(0x0a, 0x7f, 0x01)

/** What is no frame of the protocol, whichever it is. @param mostBytes of a frame of it */
const garbage = (mostBytes: number): readonly Uint8Array[] => [
  writeFrames([randomBytes(2_000)]),
  writeFrames([new Uint8Array(0)]),
  lengthPrefix(mostBytes + 1),
  // A length without an end.
  new Uint8Array(16).fill(0xff),
  // Groups that no message has, each in the one before, as deep as a frame lets them be.
  writeFrames([Buffer.alloc(mostBytes - 1_000, Uint8Array.of(0xa3, 0x06))]),
  writeFrames([TORN]),
]

/** A message that holds as many empty ones as a frame has room for. */
function manyEmpty(bytes: number): Uint8Array {
  const inner = Buffer.alloc(bytes - (bytes % 2))
  for (let at = 0; at < inner.length; at += 2) inner[at] = 0x0a
  return Buffer.concat([Buffer.from([0x22]), lengthPrefix(inner.length), inner])
}

describe.each(PROTOCOLS)('%s/1', (protocol) => {
  const { at, by, mostBytes } = SPOKEN[protocol]

  it('garbage ends the stream and is scored, until its sender is refused', async () => {
    const node = held.mesh.get(at)
    const all = garbage(mostBytes)
    // A peer of its own for each four: then it is out.
    for (let from = 0; from < all.length; from += 3) {
      const peer = await member(by)
      for (const bytes of all.slice(from, from + 3)) {
        await expectScored(node, 'malformed-frame', async () => {
          const stream = await peer.open(node, peer.ids[protocol])
          stream.bytes(bytes)
          await stream.end()
        })
      }
      expect(await peer.isAdmitted(node, protocol)).toBe(true)
      await expectScored(node, 'malformed-frame', async () => {
        const stream = await peer.open(node, peer.ids[protocol])
        stream.frame(TORN)
        await stream.end()
      })
      await until('the peer to be refused', async () => !(await peer.isAdmitted(node, protocol)))
      expect(node.log).toContain('"peer-denied"')
    }
  })

  it('a frame full of empty messages hurts nobody', async () => {
    const node = held.mesh.get(at)
    const peer = await member(by)
    const stream = await peer.open(node, peer.ids[protocol])
    stream.frame(manyEmpty(mostBytes - 1_000))
    stream.frame(new Uint8Array(0))
    await stream.end()
    expect((await node.status()).ready).toBe(true)
  })

  it('streams by the thousand are cut off, and their sender is refused', async () => {
    const node = held.mesh.get(at)
    const peer = await member(by)
    await expectScored(node, 'flood', async () => {
      while (await peer.isAdmitted(node, protocol)) {
        await Promise.allSettled(Array.from({ length: 200 }, () => peer.open(node, peer.ids[protocol])))
      }
    })
  })
})

/** One whom the coordinator hears by gossip. */
async function gossiper(topic: (typeof TOPICS)[number]): Promise<HostilePeer> {
  const peer = await member('gateway')
  await peer.open(coordinator(), peer.ids.policy)
  const { pubsub } = peer.node.services
  await until('the topic to be known', () => pubsub.getSubscribers(peer.ids[topic]).length > 0)
  return peer
}

describe.each(TOPICS)('the topic %s', (topic) => {
  it('passes no rubbish on, and puts its sender out', async () => {
    const peer = await gossiper(topic)
    await expectScored(coordinator(), 'malformed-frame', async () => {
      for (let n = 0; n < 4; n++) await peer.node.services.pubsub.publish(peer.ids[topic], randomBytes(1_000))
    })
    await until('the peer to be refused', async () => !(await peer.isAdmitted(coordinator(), 'policy')))
  })

  it('is hurt by no megabytes', async () => {
    const peer = await gossiper(topic)
    for (let n = 0; n < 20; n++) {
      await peer.node.services.pubsub.publish(peer.ids[topic], randomBytes(1_000_000)).catch(() => {})
    }
    expect((await coordinator().status()).ready).toBe(true)
    expect(coordinator().log).not.toContain('gossip-judge-failed')
  })
})

it('who passes on more than anybody has to say is put out, though each message could be honest', async () => {
  const peer = await gossiper('policyMessages')
  const { pubsub } = peer.node.services
  await expectScored(coordinator(), 'flood', async () => {
    for (let n = 0; await peer.isAdmitted(coordinator(), 'policy'); ) {
      // Of a branch that parted from the chain here: for others to judge.
      const some = Array.from({ length: 256 }, () => {
        const odd = { peer: peer.peerId, state: 'revoked', reason: `${n++}` } as const
        return pubsub.publish(peer.ids.policyMessages, network.mixed('node-state', odd))
      })
      await Promise.allSettled(some)
    }
  })
})

it('afterwards honest work is done by the same processes, in little more memory', async () => {
  for (const id of ['one', 'two', 'three']) {
    await held.submit(id)
    await held.running(id)
    held.letGo(id)
    await held.expectDoneOnce(id)
  }
  for (const [name, node] of held.mesh.nodes) {
    expect(node.isRunning, name).toBe(true)
    expect(memoryMib(node) - (restMib.get(name) ?? 0), name).toBeLessThan(MOST_MORE_MIB)
    expect(node.log, name).not.toMatch(
      /"(http-bug|data-desk-failed|serve-failed|gossip-judge-failed)"|\n {4}at /,
    )
  }
})
