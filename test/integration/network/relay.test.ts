import { afterEach, expect, test } from 'vitest'
import type { Link } from '../../../src/ports/network.js'
import { createIdentity } from '../../../src/services/identity/identity.js'
import { createConnectionGate } from '../../../src/services/network/connection-gate.js'
import type { Libp2pNetwork } from '../../../src/services/network/libp2p-network.js'
import { createMeshNode } from '../../../src/services/network/libp2p-node.js'
import { protocolIds } from '../../../src/wire/protocol-ids.js'
import { eventually, libp2pPeer, TOPIC } from '../../contract/network/adapters.js'

const PROTOCOL = '/edgecoder/integration/1'
const OPTIONS = { maxFrameBytes: 1024 * 1024, streamsPerPeer: 4, framesPerSecond: 10_000 }
const DIAL = { signal: new AbortController().signal, maxFrameBytes: 1024 * 1024 }

let running: Libp2pNetwork[] = []
afterEach(async () => {
  await Promise.all(running.map((network) => network.stop()))
  running = []
})

async function peer(...args: Parameters<typeof libp2pPeer>): Promise<Libp2pNetwork> {
  const network = await libp2pPeer(...args)
  running.push(network)
  return network
}

test('a peer that listens nowhere is reached through a relay, links and ping alike', async () => {
  const relay = await peer({ relay: true })
  const hidden = await peer({ bootstrap: relay.addresses(), dht: 'client', listen: ['/p2p-circuit'] })
  hidden.serve(PROTOCOL, OPTIONS, (link: Link) =>
    link.receive({ frame: (bytes) => void link.send(bytes), closed() {} }),
  )
  await eventually(() => hidden.addresses().length > 0, 'the hidden peer has an address')
  expect(hidden.addresses()[0]).toMatch(`/p2p/${relay.peerId}/p2p-circuit/p2p/${hidden.peerId}`)
  const caller = await peer({ dht: 'client', listen: [] })
  const link = await caller.dial({ peerId: hidden.peerId, addresses: hidden.addresses() }, PROTOCOL, DIAL)
  expect(link.peerId).toBe(hidden.peerId)
  // More than the 128 KiB that a relay carries unless told otherwise.
  const frame = new Uint8Array(900_000).fill(3)
  const answer = await new Promise<Uint8Array>((resolve, reject) => {
    link.receive({ frame: resolve, closed: (reason) => reject(new Error(reason)) })
    link.send(frame)
  })
  expect(Buffer.compare(answer, frame)).toBe(0)
  expect(caller.peers().find((each) => each.peerId === hidden.peerId)).toMatchObject({ relayed: true })
  expect(await caller.ping(hidden.peerId, DIAL.signal)).toBeGreaterThanOrEqual(0)
})

test('peers offer each other to make a relayed connection a direct one', async () => {
  // dcutr itself tries public addresses only, which a test has not got.
  const node = await createMeshNode(
    {
      privateKey: createIdentity().privateKey,
      ids: protocolIds('contract'),
      gater: createConnectionGate(() => true),
      nowMs: () => performance.now(),
      found() {},
      flooded() {},
    },
    { listen: [], dht: 'client', topics: [] },
  )
  await node.start()
  const protocols = node.getProtocols()
  await node.stop()
  expect(protocols).toContain('/libp2p/dcutr')
  expect(protocols.filter((protocol) => protocol.includes('hop'))).toEqual([])
})

test('a peer that does not relay refuses to', async () => {
  const plain = await peer()
  const caller = await peer({ dht: 'client', listen: [] })
  const hidden = await peer({ bootstrap: plain.addresses(), dht: 'client', listen: [] })
  await eventually(() => plain.peers().length === 1, 'the hidden peer is connected')
  const addresses = plain.addresses().map((address) => `${address}/p2p-circuit/p2p/${hidden.peerId}`)
  await expect(caller.dial({ peerId: hidden.peerId, addresses }, PROTOCOL, DIAL)).rejects.toMatchObject({
    code: 'unreachable',
  })
})

test('peers on one link find each other by mDNS, those of another network stay apart', async () => {
  const one = await peer({ mdns: true })
  const two = await peer({ mdns: true })
  const other = await peer({ mdns: true, networkId: 'another', topics: [TOPIC] })
  await eventually(() => one.peers().some((each) => each.peerId === two.peerId), 'they find each other')
  expect(other.peers()).toEqual([])
})
