import { describe, expect, it } from 'vitest'
import type { GossipVerdict, Link, Network } from '../../../../src/ports/network.js'
import { createSeededRandom } from '../../../../src/services/clock/seeded-random.js'
import { systemClock } from '../../../../src/services/clock/system-clock.js'
import { createMemoryMesh } from '../../../../src/services/network/memory-network.js'
import { shareNetwork } from '../../../../src/services/network/shared-network.js'

const SERVE = { maxFrameBytes: 64, streamsPerPeer: 4, framesPerSecond: 1_000 }
const DIAL = { signal: new AbortController().signal, maxFrameBytes: 64 }

function mesh(): { readonly shared: Network; readonly other: Network } {
  const clock = systemClock()
  const memory = createMemoryMesh({ clock, random: createSeededRandom(1) })
  return { shared: shareNetwork(memory.network('a'), clock), other: memory.network('b') }
}

function nextFrame(link: Link): Promise<string> {
  return new Promise((resolve, reject) => {
    link.receive({ frame: (bytes) => resolve(Buffer.from(bytes).toString()), closed: reject })
  })
}

describe('a network shared by the roles of one process', () => {
  it('links a peer to itself, both ways, and says so at both ends', async () => {
    const { shared } = mesh()
    const accepted = new Promise<Link>((resolve) => {
      shared.serve('/p', SERVE, resolve)
    })
    const near = await shared.dial({ peerId: 'a', addresses: [] }, '/p', DIAL)
    const far = await accepted
    expect([near.peerId, far.peerId]).toEqual(['a', 'a'])
    const heardFar = nextFrame(far)
    near.send(Buffer.from('ping'))
    expect(await heardFar).toBe('ping')
    const heardNear = nextFrame(near)
    far.send(Buffer.from('pong'))
    expect(await heardNear).toBe('pong')
  })

  it('refuses a protocol that no role here serves', async () => {
    const { shared } = mesh()
    await expect(shared.dial({ peerId: 'a', addresses: [] }, '/none', DIAL)).rejects.toMatchObject({
      code: 'protocol-missing',
    })
  })

  it('asks every role to judge a message, and keeps the strictest word', async () => {
    const { shared, other } = mesh()
    const heard: string[] = []
    const judge = (name: string, verdict: GossipVerdict) => () => {
      heard.push(name)
      return verdict
    }
    const leave = shared.subscribe('t', judge('first', 'ignore'))
    const both = new Promise<void>((resolve) => {
      shared.subscribe('t', () => {
        heard.push('second')
        resolve()
        return 'accept'
      })
    })
    shared.serve('/p', SERVE, (link) => link.receive({ frame: () => {}, closed: () => {} }))
    await other.dial({ peerId: 'a', addresses: [] }, '/p', DIAL)
    await other.publish('t', Buffer.from('1'))
    await both
    expect(heard.sort()).toEqual(['first', 'second'])

    leave()
    const second = new Promise<void>((resolve) => {
      shared.subscribe('t', () => {
        resolve()
        return 'accept'
      })
    })
    await other.publish('t', Buffer.from('2'))
    await second
    expect(heard.filter((name) => name === 'first')).toHaveLength(1)
  })
})
