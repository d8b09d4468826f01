import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PolicyKeeper } from '../../../../src/roles/policy/policy-keeper.js'
import { createSeededRandom } from '../../../../src/services/clock/seeded-random.js'
import { createVirtualClock, type VirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createMemoryMesh, type MemoryMesh } from '../../../../src/services/network/memory-network.js'
import { createMemoryDisk, type MemoryDisk } from '../../../../src/services/store/memory-store.js'
import { frames, isMalformed } from '../../../../src/wire/frame.js'
import type { PolicyFrame } from '../../../../src/wire/generated/edgecoder/policy/v1/policy_pb.js'
import { POLICY_FRAME_BYTES } from '../../../../src/wire/limits.js'
import { protocolIds } from '../../../../src/wire/protocol-ids.js'
import { LongPolicy, type PolicyPeerUnderTest, startPolicyPeer } from '../../../helpers/policy-peers.js'
import {
  CAY,
  EXPIRES_MS,
  ISSUED_MS,
  messageOf,
  placeOf,
  SAMPLE_BODIES,
  signed,
} from '../../../helpers/sample-policy.js'

const SERVERS = ['a', 'b', 'c']
const MINUTE_MS = 60_000

let clock: VirtualClock
let mesh: MemoryMesh
const policy = new LongPolicy(3)
const { network } = policy

beforeEach(() => {
  clock = createVirtualClock(ISSUED_MS)
  mesh = createMemoryMesh({ clock, random: createSeededRandom(1), silentCloseMs: 5_000 })
})
afterEach(() => clock.dispose())

function start(name: string, disk?: MemoryDisk): Promise<PolicyPeerUnderTest> {
  return startPolicyPeer({
    networkId: network,
    network: mesh.network(name),
    clock,
    random: createSeededRandom(name.charCodeAt(0)),
    servers: SERVERS,
    links: 2,
    ...(disk === undefined ? {} : { disk }),
  })
}

async function startAll(...names: string[]): Promise<readonly PolicyPeerUnderTest[]> {
  const peers: PolicyPeerUnderTest[] = []
  for (const name of names) peers.push(await start(name))
  await clock.advance(3_000)
  return peers
}

async function begin(peer: PolicyPeerUnderTest | undefined, messages = policy.bytes): Promise<void> {
  expect(await peer?.keeper.take(messages)).toMatchObject({ added: messages.length })
}

describe('peers that follow one policy', () => {
  it('all have a message soon after one of them took it', async () => {
    const peers = await startAll('a', 'b', 'c', 'worker')
    await begin(peers[0], policy.bytes.slice(0, 2))
    await clock.advance(1_000)
    expect(peers.map(({ keeper }) => keeper.length)).toEqual([2, 2, 2, 2])
    expect(await peers[2]?.exchange.publish(policy.bytes[2] ?? new Uint8Array())).toMatchObject({ added: 1 })
    await clock.advance(100)
    expect(peers.map(({ keeper }) => keeper.length)).toEqual([3, 3, 3, 3])
    // Both others say so to whoever asks how far they are.
    expect(peers[3]?.exchange.peers.map(({ messages }) => messages)).toEqual([3, 3])
  })

  it('have it by their streams where gossip is lost', async () => {
    const worker = mesh.network('worker')
    worker.subscribe = () => () => {}
    const [a] = await startAll('a', 'b')
    const peer = await startPolicyPeer({
      networkId: network,
      network: worker,
      clock,
      random: createSeededRandom(9),
      servers: SERVERS,
      links: 2,
    })
    await begin(a)
    await clock.advance(2_000)
    expect(peer.keeper.length).toBe(3)
  })

  it('catch up after months away, in pieces, and a crash in between loses nothing that was taken', async () => {
    const long = new LongPolicy(700)
    const id = long.network
    const init = { networkId: id, clock, random: createSeededRandom(3), servers: SERVERS, links: 1 }
    const a = await startPolicyPeer({ ...init, network: mesh.network('a') })
    await begin(a, long.bytes)
    const disk = createMemoryDisk((done) => clock.after(1, done))
    const away = await startPolicyPeer({ ...init, network: mesh.network('away'), disk })
    expect(await clock.runUntil(() => away.keeper.length > 300, MINUTE_MS)).toBe(true)
    const before = away.keeper.length
    expect(before).toBeLessThan(700)
    mesh.kill('away')
    disk.crash()
    const back = await startPolicyPeer({ ...init, network: mesh.network('away'), disk })
    expect(back.keeper.length).toBeGreaterThanOrEqual(before)
    expect(await clock.runUntil(() => back.keeper.length === 700, MINUTE_MS)).toBe(true)
  })

  it('keep what was published when all power is lost at once', async () => {
    const disk = createMemoryDisk((done) => clock.after(5, done))
    const a = await start('a', disk)
    const publishing = a.exchange.publish(policy.bytes[0] ?? new Uint8Array())
    await clock.advance(1)
    // Nobody sees it before it is on the disk.
    expect(a.keeper.length).toBe(0)
    await clock.advance(10)
    expect(await publishing).toMatchObject({ added: 1 })
    disk.crash()
    const keeper = new PolicyKeeper(disk.open(), network)
    await keeper.load()
    expect(keeper.length).toBe(1)
  })

  it('take nothing and tell nobody when it cannot be kept', async () => {
    const [a, b] = await startAll('a', 'b')
    await begin(a, policy.bytes.slice(0, 2))
    await clock.advance(1_000)
    const full = a?.disk
    if (full !== undefined) full.full = true
    await expect(a?.exchange.publish(policy.bytes[2] ?? new Uint8Array())).rejects.toMatchObject({
      code: 'store-full',
    })
    await clock.advance(1_000)
    expect([a?.keeper.length, b?.keeper.length]).toEqual([2, 2])
    if (full !== undefined) full.full = false
    expect(await a?.exchange.publish(policy.bytes[2] ?? new Uint8Array())).toMatchObject({ added: 1 })
    await clock.advance(1_000)
    expect(b?.keeper.length).toBe(3)
  })

  it('refuse what has expired, is not signed, or comes out of its place, and say why', async () => {
    const [a] = await startAll('a')
    await begin(a, policy.bytes.slice(0, 2))
    const unsigned = signed(policy.another(2).message, CAY)
    expect((await a?.exchange.publish(unsigned))?.refused?.code).toBe('policy-unsigned')
    const late = policy.another(2, 5 - (EXPIRES_MS - ISSUED_MS)).bytes
    clock.jumpWall(10_000)
    expect((await a?.exchange.publish(late))?.refused?.code).toBe('policy-expired')
    const longer = new LongPolicy(5)
    expect((await a?.exchange.publish(longer.bytes[4] ?? late))?.refused?.code).toBe('policy-out-of-order')
    expect(a?.keeper.length).toBe(2)
  })
})

describe('two messages signed for one place', () => {
  it('are found when those meet who have one each; all keep both, and a restart knows it', async () => {
    const [a, b, c] = await startAll('a', 'b', 'c')
    await begin(a)
    await clock.advance(1_000)
    for (const other of ['a', 'c']) mesh.cut('b', other, 'closed')
    await clock.advance(10_000)
    await begin(a, [policy.another(3, 1).bytes])
    await begin(b, [policy.another(3, 2).bytes])
    await clock.advance(1_000)
    expect(c?.keeper.length).toBe(4)
    for (const other of ['a', 'c']) mesh.heal('b', other)
    const all = [a, b, c]
    expect(
      await clock.runUntil(() => all.every((peer) => peer?.keeper.fork !== undefined), 2 * MINUTE_MS),
    ).toBe(true)
    expect(a?.keeper.chain.standing(ISSUED_MS)?.code).toBe('policy-forked')
    const after = policy.another(3, 1).message
    const next = messageOf('terms', SAMPLE_BODIES.terms, placeOf(after))
    expect((await a?.exchange.publish(signed(next, CAY)))?.refused?.code).toBe('policy-forked')
    c?.disk.crash()
    const again = await start('c', c?.disk)
    expect(again.keeper.fork).toEqual(c?.keeper.fork)
  })
})

type Body = PolicyFrame['body']

/** A peer that says what it likes on a stream with `a`. */
async function hostile(
  answer: (body: Body, say: (bytes: Uint8Array) => void) => void,
): Promise<() => string> {
  const evil = mesh.network('evil')
  const options = { signal: new AbortController().signal, maxFrameBytes: POLICY_FRAME_BYTES }
  const dialling = evil.dial({ peerId: 'a', addresses: [] }, protocolIds(network).policy, options)
  await clock.advance(100)
  const link = await dialling
  let closed = ''
  const say = (bytes: Uint8Array): void => void link.send(bytes)
  link.receive({
    frame(bytes) {
      const frame = frames.policy.decode(bytes)
      if (!isMalformed(frame)) answer(frame.body, say)
    },
    closed(reason) {
      closed = reason || 'closed'
    },
  })
  return () => closed
}

function said(body: Parameters<typeof frames.policy.encode>[0]['body']): Uint8Array {
  return frames.policy.encode(body === undefined ? {} : { body })
}

function headOf(messages: number, digest = new Uint8Array(32).fill(7)): Uint8Array {
  return said({ case: 'head', value: { messages: BigInt(messages), digest } })
}

describe('a peer that lies', () => {
  const forged = signed(policy.another(3).message, CAY)
  const other = new LongPolicy(2)
  const foreign = signed(messageOf('genesis', { ...SAMPLE_BODIES.genesis, name: 'other' }), CAY)

  it.each([
    ['has messages that too few signed', [forged]],
    [
      'has a message for a place that is taken, and nobody signed it',
      [signed(policy.another(2, 5).message, CAY)],
    ],
    ['has what is no message', [Uint8Array.of(1, 2, 3)]],
    ['has messages of another network', [foreign]],
    ['has none of those that it claims', []],
    ['repeats what is known', other.bytes.slice(0, 1)],
  ])('is let go when it %s, and nothing of it is kept', async (_name, messages) => {
    const [a, b] = await startAll('a', 'b')
    await begin(a)
    await clock.advance(1_000)
    const closed = await hostile((body, say) => {
      if (body.case === 'ask') say(said({ case: 'messages', value: { ask: body.value.ask, messages } }))
      if (body.case === 'head') say(headOf(10))
    })
    await clock.advance(MINUTE_MS / 4)
    expect(closed()).not.toBe('')
    expect(a?.keeper.length).toBe(3)
    expect(a?.keeper.fork).toBeUndefined()
    await begin(a, [policy.another(3).bytes])
    await clock.advance(1_000)
    expect(b?.keeper.length).toBe(4)
  })

  it.each([
    ['asks before it says how far it is', said({ case: 'ask', value: { ask: 1, from: 0n } })],
    ['answers what nobody asked', said({ case: 'messages', value: { ask: 9, messages: [forged] } })],
    ['says what cannot be read', Uint8Array.of(255, 255)],
    [
      'proves a fork with one message twice',
      said({ case: 'fork', value: { first: policy.bytes[2] ?? forged, second: policy.bytes[2] ?? forged } }),
    ],
    [
      'proves a fork with a message that nobody signed',
      said({
        case: 'fork',
        value: { first: policy.bytes[2] ?? forged, second: signed(policy.another(2, 9).message, CAY) },
      }),
    ],
  ])('is let go when it %s', async (name, bytes) => {
    const [a] = await startAll('a')
    await begin(a)
    const closed = await hostile((body, say) => {
      if (body.case !== 'head') return
      if (!name.startsWith('asks')) say(headOf(0, new Uint8Array()))
      say(bytes)
    })
    await clock.advance(1_000)
    expect(closed()).not.toBe('')
    expect(a?.keeper.chain.head?.forkedAt).toBeUndefined()
  })

  it('that answers nothing is given up, and another one asked', async () => {
    const [a, b] = await startAll('a', 'b')
    await clock.advance(1_000)
    const closed = await hostile((body, say) => {
      if (body.case === 'head') say(headOf(1_000_000))
    })
    await clock.advance(100)
    await begin(b)
    await clock.advance(MINUTE_MS / 2)
    expect(closed()).not.toBe('')
    expect(a?.keeper.length).toBe(3)
  })
})
