import { type ChildProcess, fork } from 'node:child_process'
import type { Connection } from '@libp2p/interface'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createIdentity } from '../../../src/services/identity/identity.js'
import { createConnectionGate } from '../../../src/services/network/connection-gate.js'
import { createMeshNode, type MeshNode } from '../../../src/services/network/libp2p-node.js'
import { protocolIds } from '../../../src/wire/protocol-ids.js'
import { eventually } from '../../contract/network/adapters.js'

/** Gossip topic of the foreign peer. */
const FOREIGN_TOPIC = 'block-header'

let node: MeshNode
let child: ChildProcess

beforeEach(async () => {
  node = await createMeshNode(
    {
      privateKey: createIdentity().privateKey,
      // Everything as in a network of ours, but ping under the name that other implementations know.
      ids: { ...protocolIds('interop'), prefix: 'ipfs' },
      gater: createConnectionGate(() => true),
      nowMs: () => performance.now(),
      found() {},
      flooded() {},
    },
    { listen: ['/ip4/127.0.0.1/tcp/0/ws'], dht: 'server', topics: [FOREIGN_TOPIC] },
  )
})
afterEach(async () => {
  child.kill('SIGKILL')
  await node.stop()
})

test('a rust-libp2p peer and ours agree on noise, yamux, ping and gossipsub; it has no identify', async () => {
  const seen: Connection[] = []
  node.addEventListener('connection:open', ({ detail }) => seen.push(detail))
  const topics: string[] = []
  node.services.pubsub.addEventListener('subscription-change', ({ detail }) => {
    for (const { topic, subscribe } of detail.subscriptions) if (subscribe) topics.push(topic)
  })
  await node.start()
  const [address] = node.getMultiaddrs()
  child = fork(new URL('rust-peer-child.ts', import.meta.url), [`${address}`.split('/p2p/')[0] ?? ''], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  await eventually(() => seen.length > 0, 'the rust peer dials us')
  const connection = seen[0]
  if (connection === undefined) throw new Error('no connection')
  // It leaves after about three seconds, since nobody here speaks its discovery protocol; so all at once.
  const [latencyMs, identified, subscribed, streams] = await Promise.allSettled([
    node.services.ping.ping(connection.remotePeer, { signal: AbortSignal.timeout(10_000) }),
    node.services.identify.identify(connection),
    eventually(() => topics.includes(FOREIGN_TOPIC), 'its subscription is heard'),
    eventually(
      () =>
        ['inbound', 'outbound'].every((way) => connection.streams.some((stream) => isGossip(stream, way))),
      'gossip streams are open both ways',
    ),
  ])
  expect([connection.encryption, connection.multiplexer, connection.direction]).toEqual([
    '/noise',
    '/yamux/1.0.0',
    'inbound',
  ])
  expect(latencyMs).toMatchObject({ status: 'fulfilled' })
  expect(identified).toMatchObject({ status: 'rejected', reason: { name: 'UnsupportedProtocolError' } })
  expect(subscribed).toMatchObject({ status: 'fulfilled' })
  expect(streams).toMatchObject({ status: 'fulfilled' })
})

function isGossip(
  stream: { readonly protocol: string; readonly direction: string },
  direction: string,
): boolean {
  return stream.protocol.startsWith('/meshsub/1.') && stream.direction === direction
}
