import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { createIdentity } from '../../../src/services/identity/identity.js'
import { UPGRADE_MS, WEBSOCKET_MESSAGE_BYTES } from '../../../src/services/network/bounds.js'
import { mostUnproven } from '../../../src/services/network/libp2p-node.js'
import { eventually, libp2pPeer } from '../../contract/network/adapters.js'

let victim: Awaited<ReturnType<typeof libp2pPeer>>
let port: number
const sockets: Socket[] = []

beforeEach(async () => {
  victim = await libp2pPeer({ listen: ['/ip4/127.0.0.1/tcp/0/ws'] })
  port = Number(victim.addresses()[0]?.split('/')[4])
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await victim.stop()
})

function dial(
  text = '',
  from: { localAddress?: string } = {},
): Socket & { readonly isClosed: () => boolean } {
  const socket = connect({ port, host: '127.0.0.1', ...from })
  sockets.push(socket)
  let closed = false
  socket.on('error', () => {})
  socket.on('data', () => {})
  socket.on('close', () => {
    closed = true
  })
  if (text !== '') socket.write(text)
  return Object.assign(socket, { isClosed: () => closed })
}

test('whoever connects by WebSocket and says nothing, or never all of it, is cut off', {
  timeout: 3 * UPGRADE_MS,
}, async () => {
  const silent = Array.from({ length: 20 }, () => dial())
  const half = Array.from({ length: 20 }, () => dial('GET / HTTP/1.1\r\nHost: x\r\n'))
  // A word now and then: no time of idleness may save it.
  const drip = setInterval(() => half[0]?.write('X: y\r\n'), 200)
  try {
    await eventually(() => [...silent, ...half].every((each) => each.isClosed()), 'all are cut off')
  } finally {
    clearInterval(drip)
  }
  const honest = await libp2pPeer()
  expect(
    await honest
      .dial({ peerId: victim.peerId, addresses: victim.addresses() }, '/none/1', {
        signal: AbortSignal.timeout(5_000),
        maxFrameBytes: 100,
      })
      .catch((fault) => fault.code),
  ).toBe('protocol-missing')
  await honest.stop()
})

test('a host that opens connections and says nothing does not keep others out', async () => {
  await victim.stop()
  victim = await libp2pPeer({ dht: 'client' })
  port = Number(victim.addresses()[0]?.split('/')[4])
  const places = mostUnproven({ dht: 'client' })
  const silent = Array.from({ length: 2 * places }, () => dial('', { localAddress: '127.0.0.2' }))
  await eventually(() => silent.filter((each) => each.isClosed()).length >= 1.5 * places, 'it is bounded')
  // What it holds ends by itself in ten seconds; this one has five.
  const honest = await libp2pPeer()
  const code = await honest
    .dial({ peerId: victim.peerId, addresses: victim.addresses() }, '/none/1', {
      signal: AbortSignal.timeout(5_000),
      maxFrameBytes: 100,
    })
    .catch((fault) => fault.code)
  expect(code).toBe('protocol-missing')
  expect(silent.filter((each) => !each.isClosed())).toHaveLength(places / 2)
  await honest.stop()
})

test('a WebSocket message larger than any of ours ends the connection before it is whole', async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
  await new Promise((resolve) => socket.once('open', resolve))
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  socket.on('error', () => {})
  // Its first part has no end, so that without a bound all of it would be kept.
  const part = Buffer.alloc(WEBSOCKET_MESSAGE_BYTES / 2)
  for (let n = 0; n < 4; n++) socket.send(part, { fin: false })
  expect(await closed).toBe(1009)
})

/** Frames that break RFC 6455; an error that nobody listens for would end the process, and this test run. */
const MALFORMED: readonly (readonly [name: string, frame: readonly number[]])[] = [
  ['reserved bits', [0xf2, 0x00]],
  ['an unknown opcode', [0x83, 0x80, 0, 0, 0, 0]],
  ['a control frame in pieces', [0x09, 0x80, 0, 0, 0, 0]],
  ['a length beyond 2^53', [0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]],
  ['a close code that is none', [0x88, 0x82, 0, 0, 0, 0, 0x00, 0x01]],
  ['text that is no UTF-8', [0x81, 0x81, 0, 0, 0, 0, 0xff]],
]

test.each(MALFORMED)(
  'a WebSocket frame with %s ends that connection, and nothing else',
  async (_name, frame) => {
    const upgrade = 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
    const socket = dial(
      `GET / HTTP/1.1\r\nHost: x\r\n${upgrade}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
    )
    await new Promise((resolve) => socket.once('data', resolve))
    socket.write(Buffer.from(frame))
    socket.end()
    await eventually(() => socket.isClosed(), 'it is cut off')
  },
)

test('a WebSocket frame that is malformed from the peer that was dialled ends that dial, and nothing else', async () => {
  const hostile = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await new Promise((resolve) => hostile.once('listening', resolve))
  hostile.on('connection', (_, { socket }) => socket.write(Buffer.from([0xf2, 0x00])))
  const { port: at } = hostile.address() as AddressInfo
  const stranger = await libp2pPeer()
  const peer = { peerId: stranger.peerId, addresses: [`/ip4/127.0.0.1/tcp/${at}/ws`] }
  const options = { signal: AbortSignal.timeout(10_000), maxFrameBytes: 100 }
  await expect(victim.dial(peer, '/none/1', options)).rejects.toMatchObject({ code: 'unreachable' })
  await stranger.stop()
  for (const client of hostile.clients) client.terminate()
  hostile.close()
})

test('whoever comes back at once finds no fresh allowance of frames', async () => {
  let frames = 0
  victim.serve('/greedy/1', { maxFrameBytes: 100, streamsPerPeer: 4, framesPerSecond: 1 }, (link) =>
    link.receive({ frame: () => void frames++, closed: () => {} }),
  )
  const identity = createIdentity()
  for (let time = 0; time < 3; time++) {
    const greedy = await libp2pPeer({ identity })
    const options = { signal: AbortSignal.timeout(10_000), maxFrameBytes: 100 }
    const link = await greedy.dial(
      { peerId: victim.peerId, addresses: victim.addresses() },
      '/greedy/1',
      options,
    )
    const cut = new Promise<string>((closed) => link.receive({ frame: () => {}, closed }))
    for (let n = 0; n < 30; n++) link.send(Uint8Array.of(n))
    await cut
    await greedy.stop()
  }
  // A burst of four seconds, and what the seconds of the test allow besides: never three bursts.
  expect(frames).toBeGreaterThanOrEqual(4)
  expect(frames).toBeLessThan(11)
})
