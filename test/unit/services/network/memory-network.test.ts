import { beforeEach, expect, test } from 'vitest'
import type { Link, Network } from '../../../../src/ports/network.js'
import { createSeededRandom } from '../../../../src/services/clock/seeded-random.js'
import { createVirtualClock, type VirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createMemoryMesh, type MemoryMesh } from '../../../../src/services/network/memory-network.js'

const PROTOCOL = '/test/1'
const OPTIONS = { maxFrameBytes: 100, streamsPerPeer: 4, framesPerSecond: 1000 }
const never = new AbortController().signal

let clock: VirtualClock
let mesh: MemoryMesh
let a: Network
let b: Network
/** What happened, and when. */
let log: string[]

beforeEach(() => {
  clock = createVirtualClock(0)
  mesh = createMemoryMesh({ clock, random: createSeededRandom(1), latencyMs: 10, silentCloseMs: 60_000 })
  log = []
  a = joined('a')
  b = joined('b')
})

function joined(name: string): Network {
  const network = mesh.network(name)
  network.serve(PROTOCOL, OPTIONS, (link) => listen(name, link))
  network.onDisconnect((peer) => log.push(`${clock.monotonicMs()} ${name} lost ${peer}`))
  return network
}

function listen(name: string, link: Link): Link {
  link.receive({
    frame: (bytes) => log.push(`${clock.monotonicMs()} ${name} got ${bytes[0]}`),
    closed: (reason) => log.push(`${clock.monotonicMs()} ${name} closed: ${reason}`),
  })
  return link
}

async function dial(from: Network, to: string): Promise<Link> {
  const dialling = from.dial({ peerId: to, addresses: [] }, PROTOCOL, { signal: never, maxFrameBytes: 100 })
  const [link] = await Promise.all([dialling, clock.advance(20)])
  return listen(from.peerId, link)
}

test('a dial takes a round trip, a frame half of one', async () => {
  const link = await dial(a, 'b')
  expect(clock.monotonicMs()).toBe(20)
  link.send(Uint8Array.of(1))
  await clock.advance(100)
  expect(log).toEqual(['30 b got 1'])
})

test('over a silent cut frames wait, and arrive in order when it heals', async () => {
  const link = await dial(a, 'b')
  mesh.cut('a', 'b')
  link.send(Uint8Array.of(1))
  link.send(Uint8Array.of(2))
  await clock.advance(1000)
  expect(log).toEqual([])
  expect(a.peers()).toHaveLength(1)
  mesh.heal('a', 'b')
  link.send(Uint8Array.of(3))
  await clock.advance(100)
  expect(log.map((line) => line.split(' ').slice(1).join(' '))).toEqual(['b got 1', 'b got 2', 'b got 3'])
})

test('a silent cut that lasts closes the connection at both ends', async () => {
  await dial(a, 'b')
  mesh.cut('a', 'b')
  await clock.advance(60_000)
  expect(log).toEqual([
    '60020 a lost b',
    '60020 b lost a',
    '60020 a closed: timed out',
    '60020 b closed: timed out',
  ])
})

test('a dial into a silent cut hangs until it times out or is given up', async () => {
  mesh.cut('a', 'b')
  const given = new AbortController()
  const options = { maxFrameBytes: 100 }
  const codes: string[] = []
  const to = { peerId: 'b', addresses: [] }
  for (const signal of [never, given.signal]) {
    a.dial(to, PROTOCOL, { ...options, signal }).catch((error) => {
      codes.push(`${clock.monotonicMs()} ${error.code}`)
    })
  }
  await clock.advance(5000)
  given.abort()
  await clock.advance(60_000)
  expect(codes).toEqual(['5000 cancelled', '10020 unreachable'])
})

test('a closed cut breaks at once and refuses dials until healed', async () => {
  await dial(a, 'b')
  mesh.cut('a', 'b', 'closed')
  await clock.advance(0)
  expect(log).toHaveLength(4)
  await expect(dial(a, 'b')).rejects.toMatchObject({ code: 'unreachable' })
  mesh.heal('a', 'b')
  await dial(a, 'b')
})

test('a killed peer hears nothing more, its peers hear it close; it comes back as a fresh process', async () => {
  const link = await dial(a, 'b')
  mesh.kill('b')
  link.send(Uint8Array.of(1))
  await clock.advance(100)
  expect(log).toEqual(['30 a lost b', '30 a closed: connection closed'])
  await expect(
    b.dial({ peerId: 'a', addresses: [] }, PROTOCOL, { signal: never, maxFrameBytes: 1 }),
  ).rejects.toMatchObject({ code: 'shutting-down' })
  b = joined('b')
  const again = await dial(a, 'b')
  again.send(Uint8Array.of(2))
  await clock.advance(100)
  expect(log.at(-1)).toBe('150 b got 2')
})

test('a peer that dies and returns at once leaves no dead link behind', async () => {
  await dial(a, 'b')
  mesh.kill('b')
  b = joined('b')
  await dial(b, 'a')
  await clock.advance(1000)
  expect(log.filter((line) => line.includes('a closed'))).toHaveLength(1)
  expect(a.peers()).toMatchObject([{ peerId: 'b', direction: 'inbound' }])
})

test('a peer that does not listen dials, and is reached over what it dialled', async () => {
  const hidden = mesh.network('hidden', { listens: false })
  hidden.serve(PROTOCOL, OPTIONS, (link) => listen('hidden', link))
  await expect(dial(a, 'hidden')).rejects.toMatchObject({ code: 'unreachable' })
  await dial(hidden, 'a')
  const back = await dial(a, 'hidden')
  back.send(Uint8Array.of(7))
  await clock.advance(10)
  expect(log.at(-1)).toContain('hidden got 7')
})

test('the same seed gives the same run', async () => {
  const run = async (seed: number): Promise<string[]> => {
    const time = createVirtualClock(0)
    const random = createSeededRandom(seed)
    const jittery = createMemoryMesh({ clock: time, random, latencyMs: 5, jitterMs: 20 })
    const seen: string[] = []
    const server = jittery.network('server')
    server.serve(PROTOCOL, OPTIONS, (link) =>
      link.receive({ frame: (bytes) => seen.push(`${time.monotonicMs()} ${bytes}`), closed() {} }),
    )
    for (const name of ['x', 'y', 'z']) {
      void jittery
        .network(name)
        .dial({ peerId: 'server', addresses: [] }, PROTOCOL, { signal: never, maxFrameBytes: 100 })
        .then((link) => {
          link.receive({ frame() {}, closed() {} })
          for (let i = 0; i < 5; i++) link.send(Buffer.from(`${name}${i}`))
        })
    }
    await time.advance(1000)
    expect(seen).toHaveLength(15)
    return seen
  }
  expect(await run(1)).toEqual(await run(1))
  expect(await run(1)).not.toEqual(await run(2))
})
