import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Link, Network, ServeOptions } from '../../../src/ports/network.js'
import { GOSSIP_BYTES } from '../../../src/wire/limits.js'
import { eventually, libp2pMesh, memoryMesh, type TestMesh, TOPIC } from './adapters.js'

const PROTOCOL = '/edgecoder/contract/frames/1'
const OPTIONS: ServeOptions = { maxFrameBytes: 1024 * 1024, streamsPerPeer: 4, framesPerSecond: 100_000 }
const never = new AbortController().signal

/** One end of a link and all that came over it. */
interface End {
  readonly link: Link
  readonly frames: Uint8Array[]
  readonly closings: string[]
}

const endOf = (link: Link): End => {
  const end: End = { link, frames: [], closings: [] }
  link.receive({
    frame: (bytes) => end.frames.push(bytes),
    closed: (reason) => end.closings.push(reason),
  })
  return end
}

const adapters: [string, () => TestMesh][] = [
  ['memory', memoryMesh],
  ['libp2p', libp2pMesh],
]

describe.each(adapters)('network over %s', (_name, createMesh) => {
  let mesh: TestMesh
  let server: Network
  let client: Network

  beforeEach(async () => {
    mesh = createMesh()
    server = await mesh.join()
    client = await mesh.join()
  })
  afterEach(() => mesh.close())

  const addressOf = (network: Network) => ({ peerId: network.peerId, addresses: network.addresses() })

  /** Both ends of a fresh link from client to server. */
  const linkUp = async (options: Partial<ServeOptions> = {}): Promise<[near: End, far: End]> => {
    const accepted: End[] = []
    server.serve(PROTOCOL, { ...OPTIONS, ...options }, (link) => accepted.push(endOf(link)))
    const near = endOf(
      await client.dial(addressOf(server), PROTOCOL, { signal: never, maxFrameBytes: OPTIONS.maxFrameBytes }),
    )
    await eventually(() => accepted.length > 0, 'the server accepts')
    return [near, accepted[0] as End]
  }

  test('says who is at the other end', async () => {
    const [near, far] = await linkUp()
    expect(near.link.peerId).toBe(server.peerId)
    expect(far.link.peerId).toBe(client.peerId)
    expect([near.link.protocol, far.link.protocol]).toEqual([PROTOCOL, PROTOCOL])
    expect(client.peers()).toMatchObject([{ peerId: server.peerId, direction: 'outbound', relayed: false }])
    expect(server.peers()).toMatchObject([{ peerId: client.peerId, direction: 'inbound', relayed: false }])
  })

  test('frames arrive whole and in order, both ways', async () => {
    const [near, far] = await linkUp()
    const sizes = [0, 1, 127, 128, 3, 16_383, 16_384, 70_000, 0, 5, 500_000, 2]
    const sent = Array.from({ length: 240 }, (_, i) => {
      const frame = new Uint8Array(sizes[i % sizes.length] ?? 0).fill(i)
      return frame
    })
    for (const frame of sent.slice(0, 120)) {
      near.link.send(frame)
      if (!far.link.send(frame)) await far.link.drained()
      await near.link.drained()
    }
    for (const end of [near, far]) {
      await eventually(() => end.frames.length === 120, 'all frames came')
      end.frames.forEach((frame, i) => {
        expect(Buffer.compare(frame, sent[i] as Uint8Array), `frame ${i}`).toBe(0)
      })
    }
  })

  test('frames that come before there is a receiver are kept for it', async () => {
    let accepted: Link | undefined
    server.serve(PROTOCOL, OPTIONS, (link) => {
      accepted = link
    })
    const near = await client.dial(addressOf(server), PROTOCOL, { signal: never, maxFrameBytes: 100 })
    near.send(Uint8Array.of(1))
    near.send(Uint8Array.of(2))
    await near.close()
    await eventually(() => accepted !== undefined, 'the server accepts')
    const far = endOf(accepted as Link)
    await eventually(() => far.closings.length > 0, 'the close arrives')
    expect(far.frames.map((frame) => [...frame])).toEqual([[1], [2]])
  })

  test('close sends what is queued, then both ends hear of it once', async () => {
    const [near, far] = await linkUp()
    for (let i = 0; i < 50; i++) near.link.send(new Uint8Array(10_000).fill(i))
    await near.link.close()
    await near.link.close()
    near.link.abort('again')
    await eventually(() => far.closings.length > 0, 'the far end closes')
    await eventually(() => near.closings.length > 0, 'the near end closes')
    expect(far.frames).toHaveLength(50)
    expect(near.closings).toHaveLength(1)
    expect(far.closings).toHaveLength(1)
    expect(near.link.send(Uint8Array.of(1))).toBe(false)
    await expect(near.link.drained()).rejects.toMatchObject({ code: 'link-closed' })
  })

  test('abort ends both ends at once, each hearing of it once', async () => {
    const [near, far] = await linkUp()
    near.link.send(Uint8Array.of(1))
    await eventually(() => far.frames.length === 1, 'the frame came')
    far.link.abort('enough')
    far.link.abort('enough again')
    await eventually(() => near.closings.length > 0 && far.closings.length > 0, 'both ends close')
    expect(far.closings).toEqual(['enough'])
    expect(near.closings).toHaveLength(1)
  })

  test('a frame over the bound ends the link before it is delivered', async () => {
    const [near, far] = await linkUp({ maxFrameBytes: 1000 })
    near.link.send(new Uint8Array(1000))
    near.link.send(new Uint8Array(1001))
    near.link.send(Uint8Array.of(3))
    await eventually(() => near.closings.length > 0 && far.closings.length > 0, 'both ends close')
    expect(far.frames.map((frame) => frame.length)).toEqual([1000])
  })

  test('send asks to wait when the queue is full, and aborts a caller that never waits', async () => {
    const [near, far] = await linkUp({ maxFrameBytes: 1024 * 1024 })
    const frame = new Uint8Array(256 * 1024)
    let sent = 0
    while (near.link.send(frame)) sent++
    expect(sent).toBeLessThan(16)
    await near.link.drained()
    expect(near.link.send(frame)).toBeTypeOf('boolean')
    for (let i = 0; i < 64; i++) near.link.send(frame)
    await eventually(() => near.closings.length > 0 && far.closings.length > 0, 'the link is aborted')
    expect(near.closings).toEqual(['the other end does not keep up'])
  })

  test('a wait for room can be given up', async () => {
    const [near] = await linkUp()
    while (near.link.send(new Uint8Array(256 * 1024)));
    const gone = new AbortController()
    const wait = near.link.drained(gone.signal)
    gone.abort()
    await expect(wait).rejects.toMatchObject({ code: 'cancelled' })
  })

  test('several links between two peers do not mix', async () => {
    const accepted: End[] = []
    server.serve(PROTOCOL, OPTIONS, (link) => accepted.push(endOf(link)))
    const near: End[] = []
    for (let i = 0; i < 3; i++) {
      near.push(endOf(await client.dial(addressOf(server), PROTOCOL, { signal: never, maxFrameBytes: 100 })))
    }
    near.forEach((end, i) => {
      for (let n = 0; n < 20; n++) end.link.send(Uint8Array.of(i, n))
    })
    await eventually(() => accepted.every((end) => end.frames.length === 20), 'all frames came')
    const heard = accepted.map((end) => end.frames.map((frame) => frame[0]))
    expect(heard.map((from) => new Set(from).size)).toEqual([1, 1, 1])
    await near[1]?.link.close()
    near[0]?.link.send(Uint8Array.of(9))
    await eventually(() => accepted.some((end) => end.frames.length === 21), 'the others stay open')
  })

  test('links beyond the bound for one peer are closed, the others stay', async () => {
    const accepted: End[] = []
    server.serve(PROTOCOL, { ...OPTIONS, streamsPerPeer: 2 }, (link) => accepted.push(endOf(link)))
    const dial = () => client.dial(addressOf(server), PROTOCOL, { signal: never, maxFrameBytes: 100 })
    const first = endOf(await dial())
    const second = endOf(await dial())
    const third = await dial().then(endOf, () => undefined)
    await eventually(() => third === undefined || third.closings.length === 1, 'the third is turned away')
    first.link.send(Uint8Array.of(1))
    second.link.send(Uint8Array.of(2))
    await eventually(() => accepted.every((end) => end.frames.length === 1), 'the first two serve on')
    expect(accepted).toHaveLength(2)
    await first.link.close()
    await eventually(() => accepted[0]?.closings.length === 1, 'a place is free')
    const fourth = endOf(await dial())
    fourth.link.send(Uint8Array.of(4))
    await eventually(() => accepted[2]?.frames.length === 1, 'the fourth takes it')
  })

  test('a peer that sends faster than allowed is cut off, and denied when it goes on', async () => {
    const accepted: End[] = []
    server.serve(PROTOCOL, { ...OPTIONS, framesPerSecond: 5 }, (link) => accepted.push(endOf(link)))
    const dial = () => client.dial(addressOf(server), PROTOCOL, { signal: never, maxFrameBytes: 100 })
    const near = endOf(await dial())
    for (let i = 0; i < 20; i++) near.link.send(Uint8Array.of(i))
    await eventually(() => accepted[0]?.frames.length === 20, 'a burst of four seconds passes')
    for (let i = 0; i < 40; i++) near.link.send(Uint8Array.of(i))
    await eventually(() => near.closings.length === 1, 'the flood is cut off')
    expect(accepted[0]?.frames.length).toBeLessThan(60)
    for (let i = 0; i < 3; i++) server.penalise(client.peerId, 'flood')
    await eventually(() => server.peers().length === 0, 'the peer is denied')
    await expect(dial()).rejects.toMatchObject({ code: 'not-admitted' })
  })

  test('offences that stay below the threshold leave a peer alone', async () => {
    const [near, far] = await linkUp()
    for (let i = 0; i < 3; i++) server.penalise(client.peerId, 'malformed-frame')
    near.link.send(Uint8Array.of(1))
    await eventually(() => far.frames.length === 1, 'the link works')
  })

  test('a peer that the gate does not admit gets no link, either way', async () => {
    const stranger = await mesh.join()
    const guarded = await mesh.join({ gate: (peerId) => peerId !== stranger.peerId })
    let accepted = 0
    for (const network of [guarded, stranger]) network.serve(PROTOCOL, OPTIONS, () => accepted++)
    const options = { signal: never, maxFrameBytes: 100 }
    await expect(stranger.dial(addressOf(guarded), PROTOCOL, options)).rejects.toMatchObject({
      code: 'not-admitted',
    })
    await expect(guarded.dial(addressOf(stranger), PROTOCOL, options)).rejects.toMatchObject({
      code: 'not-admitted',
    })
    expect(accepted).toBe(0)
    expect(guarded.peers().map((peer) => peer.peerId)).not.toContain(stranger.peerId)
  })

  test('a protocol nobody serves is missing, also after its server has stopped', async () => {
    const dial = () => client.dial(addressOf(server), PROTOCOL, { signal: never, maxFrameBytes: 100 })
    await expect(dial()).rejects.toMatchObject({ code: 'protocol-missing' })
    const stop = server.serve(PROTOCOL, OPTIONS, (link) => endOf(link))
    await (await dial()).close()
    stop()
    await eventually(
      async () =>
        (await dial().then(
          () => undefined,
          (error) => error.code,
        )) === 'protocol-missing',
      'it is missing again',
    )
  })

  test('a dead address is unreachable', async () => {
    const peer = { peerId: (await mesh.join()).peerId, addresses: [mesh.deadAddress] }
    const gone = (await createMesh().join()).peerId
    await expect(
      client.dial({ ...peer, peerId: gone }, PROTOCOL, { signal: never, maxFrameBytes: 100 }),
    ).rejects.toMatchObject({ code: 'unreachable' })
    await expect(client.ping(gone, AbortSignal.timeout(15_000))).rejects.toMatchObject({
      code: 'unreachable',
    })
  })

  test('a dial is cancelled by its signal', async () => {
    server.serve(PROTOCOL, OPTIONS, (link) => endOf(link))
    await expect(
      client.dial(addressOf(server), PROTOCOL, { signal: AbortSignal.abort(), maxFrameBytes: 100 }),
    ).rejects.toMatchObject({ code: 'cancelled' })
    const gone = new AbortController()
    const dial = client.dial(addressOf(server), PROTOCOL, { signal: gone.signal, maxFrameBytes: 100 })
    gone.abort()
    await expect(dial).rejects.toMatchObject({ code: 'cancelled' })
  })

  test('the loss of a peer closes its links and is told once', async () => {
    const [near] = await linkUp()
    const lost: string[] = []
    client.onDisconnect((peerId) => lost.push(peerId))
    await mesh.leave(server)
    await eventually(() => lost.length > 0 && near.closings.length > 0, 'the loss is told')
    expect(lost).toEqual([server.peerId])
    expect(near.closings).toHaveLength(1)
    expect(client.peers()).toEqual([])
  })

  test('disconnect drops the connection at both ends', async () => {
    const [near, far] = await linkUp()
    const lost: string[] = []
    server.onDisconnect((peerId) => lost.push(peerId))
    await client.disconnect(server.peerId)
    await eventually(() => near.closings.length === 1 && far.closings.length === 1, 'both links close')
    await eventually(() => lost.length === 1, 'the other end is told')
    expect(lost).toEqual([client.peerId])
  })

  test('ping measures a round trip', async () => {
    await linkUp()
    expect(await client.ping(server.peerId, never)).toBeGreaterThanOrEqual(0)
  })

  test('gossip that is accepted goes on to others, rejected and ignored gossip does not', async () => {
    // A line: the last peer is connected to the middle one alone.
    const last = await mesh.join({ gate: (peerId) => peerId !== server.peerId })
    for (const network of [server, client]) network.serve(PROTOCOL, OPTIONS, (link) => endOf(link))
    await client.dial(addressOf(server), PROTOCOL, { signal: never, maxFrameBytes: 100 })
    await last.dial(addressOf(client), PROTOCOL, { signal: never, maxFrameBytes: 100 })
    const heard: Record<'middle' | 'last', string[]> = { middle: [], last: [] }
    const verdicts: Record<string, 'accept' | 'ignore' | 'reject'> = { bad: 'reject', dull: 'ignore' }
    server.subscribe(TOPIC, () => 'accept')
    client.subscribe(TOPIC, async ({ bytes, from, topic }) => {
      const text = Buffer.from(bytes).toString()
      expect([from, topic]).toEqual([server.peerId, TOPIC])
      heard.middle.push(text)
      return verdicts[text] ?? 'accept'
    })
    last.subscribe(TOPIC, ({ bytes }) => {
      heard.last.push(Buffer.from(bytes).toString())
      return 'accept'
    })
    let round = 0
    await eventually(async () => {
      await server.publish(TOPIC, Buffer.from(`hello ${round++}`))
      return heard.last.length > 0
    }, 'gossip reaches the last peer')
    for (const text of ['bad', 'dull', 'good']) await server.publish(TOPIC, Buffer.from(text))
    await eventually(() => heard.last.includes('good'), 'good gossip reaches the last peer')
    expect(heard.middle).toEqual(expect.arrayContaining(['bad', 'dull', 'good']))
    expect(heard.last).not.toEqual(expect.arrayContaining(['bad']))
    expect(heard.last).not.toEqual(expect.arrayContaining(['dull']))
    expect(new Set(heard.last).size).toBe(heard.last.length)
  })

  test('gossip over the bound is refused at its source; to nobody is no error', async () => {
    await expect(server.publish(TOPIC, new Uint8Array(GOSSIP_BYTES + 1))).rejects.toMatchObject({
      code: 'frame-too-large',
    })
    await server.publish(TOPIC, Uint8Array.of(1))
  })

  test('a provider is found by a peer that was never told of it', async () => {
    const provider = await mesh.join()
    const withdraw = provider.provide('/edgecoder/contract/coordinator')
    await eventually(async () => {
      for await (const peer of client.findProviders('/edgecoder/contract/coordinator', never)) {
        if (peer.peerId === provider.peerId) return true
      }
      return false
    }, 'the provider is found')
    const none = []
    for await (const peer of client.findProviders('/edgecoder/contract/nobody', never)) none.push(peer)
    expect(none).toEqual([])
    for await (const _ of client.findProviders('/edgecoder/contract/coordinator', AbortSignal.abort())) {
      expect.unreachable('an aborted search finds nothing')
    }
    // Twice does no harm.
    withdraw()
    withdraw()
  })
})
