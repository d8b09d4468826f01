import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { Link, Network } from '../../../src/ports/network.js'
import { createIdentity, loadIdentity } from '../../../src/services/identity/identity.js'
import type { Libp2pNetwork } from '../../../src/services/network/libp2p-network.js'
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

const echo = (link: Link) => link.receive({ frame: (bytes) => void link.send(bytes), closed() {} })

/** Sends one frame and waits for the answer. */
async function ask(link: Link, frame: Uint8Array): Promise<Uint8Array> {
  const answer = new Promise<Uint8Array>((resolve, reject) => {
    link.receive({ frame: resolve, closed: (reason) => reject(new Error(reason)) })
  })
  link.send(frame)
  return answer
}

/** Of an address such as /ip4/127.0.0.1/tcp/4400/p2p/… */
function portOf(address: string | undefined): number {
  return Number(address?.split('/')[4])
}

async function firstProvider(network: Network, rendezvous: string) {
  for await (const found of network.findProviders(rendezvous, AbortSignal.timeout(2000))) return found
  return undefined
}

test('a DHT client finds a provider it was never told of, through a bootstrap peer, and reaches it', async () => {
  const bootstrap = await peer()
  const known = { bootstrap: bootstrap.addresses() }
  const provider = await peer(known)
  provider.serve(PROTOCOL, OPTIONS, echo)
  provider.provide('/edgecoder/contract/coordinator')
  const client = await peer({ ...known, dht: 'client', listen: [] })
  let found: Awaited<ReturnType<typeof firstProvider>>
  await eventually(async () => {
    found = await firstProvider(client, '/edgecoder/contract/coordinator')
    return found?.peerId === provider.peerId
  }, 'the provider is found')
  const link = await client.dial(found ?? { peerId: '', addresses: [] }, PROTOCOL, DIAL)
  expect(await ask(link, Uint8Array.of(1, 2))).toEqual(Uint8Array.of(1, 2))
  // By its id alone, too: the address comes from the DHT.
  const other = await peer({ ...known, dht: 'client', listen: [] })
  await eventually(async () => {
    const dialled = other.dial({ peerId: provider.peerId, addresses: [] }, PROTOCOL, DIAL)
    return dialled.then(
      (open) => open.close().then(() => true),
      () => false,
    )
  }, 'the other client reaches it too')
})

test('a bootstrap peer that is not there yet is found when it comes', async () => {
  const identity = createIdentity()
  const early = await libp2pPeer({ identity })
  const addresses = early.addresses()
  await early.stop()
  const client = await peer({ bootstrap: addresses, dht: 'client', listen: [] })
  expect(client.peers()).toEqual([])
  const port = portOf(addresses[0])
  await peer({ identity, listen: [`/ip4/127.0.0.1/tcp/${port}`] })
  await eventually(() => client.peers().length === 1, 'the client dials again')
})

test('peers of another network id cannot talk', async () => {
  const here = await peer({ networkId: 'one' })
  here.serve('/edgecoder/one/worker/1', OPTIONS, echo)
  const heard: string[] = []
  here.subscribe(TOPIC, () => {
    heard.push('gossip')
    return 'accept'
  })
  here.provide('/edgecoder/one/coordinator')
  const there = await peer({
    networkId: 'two',
    bootstrap: here.addresses(),
    topics: ['/edgecoder/two/announcements/1'],
  })
  const target = { peerId: here.peerId, addresses: here.addresses() }
  await expect(there.dial(target, '/edgecoder/two/worker/1', DIAL)).rejects.toMatchObject({
    code: 'protocol-missing',
    next: expect.stringContaining('network'),
  })
  await expect(there.ping(here.peerId, DIAL.signal)).rejects.toMatchObject({ code: 'protocol-missing' })
  expect(await firstProvider(there, '/edgecoder/one/coordinator')).toBeUndefined()
  await there.publish('/edgecoder/two/announcements/1', Uint8Array.of(1))
  expect(heard).toEqual([])
})

test('noise is the only encryption spoken, and plain bytes get nowhere', async () => {
  const network = await peer()
  const port = portOf(network.addresses()[0])
  const line = (text: string) => Buffer.from([text.length + 1, ...Buffer.from(text), 0x0a])
  const offer = async (protocol: string): Promise<string> => {
    const socket = connect(port, '127.0.0.1')
    socket.write(Buffer.concat([line('/multistream/1.0.0'), line(protocol)]))
    let said = ''
    while (!said.includes(protocol) && !said.includes('na\n')) said += (await once(socket, 'data'))[0]
    socket.destroy()
    return said
  }
  expect(await offer('/noise')).toContain('/noise\n')
  for (const other of ['/plaintext/2.0.0', '/tls/1.0.0']) expect(await offer(other)).toContain('na\n')
  const rude = connect(port, '127.0.0.1')
  rude.write(Buffer.alloc(4096, 0x47))
  await new Promise((resolve) => rude.on('error', () => {}).on('close', resolve))
  expect(network.peers()).toEqual([])
})

test('a restart keeps the peer id and what is known of peers', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'edgecoder-network-'))
  const server = await peer()
  server.serve(PROTOCOL, OPTIONS, echo)
  const start = async () => {
    const identity = await loadIdentity(join(folder, 'identity.pem'))
    return peer({ identity, dataDir: join(folder, 'peers'), dht: 'client', listen: [] })
  }
  const first = await start()
  await (await first.dial({ peerId: server.peerId, addresses: server.addresses() }, PROTOCOL, DIAL)).close()
  await expect(start()).rejects.toMatchObject({ code: 'store-locked' })
  await first.stop()
  const second = await start()
  expect(second.peerId).toBe(first.peerId)
  // Nobody tells it the address this time.
  await (await second.dial({ peerId: server.peerId, addresses: [] }, PROTOCOL, DIAL)).close()
  await second.stop()
  await rm(folder, { recursive: true })
})

test('a taken port is named, with what to do about it', async () => {
  const first = await peer()
  const port = portOf(first.addresses()[0])
  await expect(libp2pPeer({ listen: [`/ip4/127.0.0.1/tcp/${port}`] })).rejects.toMatchObject({
    code: 'port-in-use',
    message: expect.stringContaining(`Port ${port}`),
    next: expect.stringContaining(String(port)),
  })
  await expect(libp2pPeer({ listen: ['/ip4/127.0.0.1/tcp/0', '/nonsense'] })).rejects.toMatchObject({
    code: 'bad-config',
  })
  await expect(libp2pPeer({ listen: ['/ip4/192.0.2.1/tcp/0'] })).rejects.toMatchObject({ code: 'bad-config' })
})

test('a wildcard listener gives out addresses that can be dialled', async () => {
  const network = await peer({ listen: ['/ip4/0.0.0.0/tcp/0', '/ip4/127.0.0.1/tcp/0/ws'] })
  expect(network.addresses().length).toBeGreaterThan(1)
  for (const address of network.addresses()) {
    expect(address).not.toContain('0.0.0.0')
    expect(address.endsWith(`/p2p/${network.peerId}`)).toBe(true)
  }
  network.serve(PROTOCOL, OPTIONS, echo)
  const client = await peer({ dht: 'client', listen: [] })
  const overWs = network.addresses().filter((address) => address.includes('/ws'))
  const link = await client.dial({ peerId: network.peerId, addresses: overWs }, PROTOCOL, DIAL)
  expect(link.remoteAddress).toContain('/ws')
  const frame = new Uint8Array(500_000).fill(5)
  expect(Buffer.compare(await ask(link, frame), frame)).toBe(0)
})

test('announced addresses are given out instead of those listened on', async () => {
  const announce = ['/dns4/gateway.example/tcp/4400']
  const network = await peer({ announce })
  expect(network.addresses()).toEqual([`${announce[0]}/p2p/${network.peerId}`])
})

test('the death of a peer process is told at once', async () => {
  const network = await peer()
  network.serve(PROTOCOL, OPTIONS, echo)
  const child = fork(new URL('dialling-child.ts', import.meta.url), {
    execArgv: ['--import', 'tsx'],
    env: {
      ...process.env,
      TARGET: JSON.stringify({ peerId: network.peerId, addresses: network.addresses() }),
    },
  })
  const [peerId] = await once(child, 'message')
  expect(network.peers()).toMatchObject([{ peerId }])
  const lost = new Promise<string>((resolve) => network.onDisconnect(resolve))
  child.kill('SIGKILL')
  expect(await lost).toBe(peerId)
})

test('twenty peers on one address all hear gossip and all get in at once', async () => {
  const hub = await peer()
  const heard = new Set<string>()
  const leaves = await Promise.all(
    Array.from({ length: 20 }, () => peer({ bootstrap: hub.addresses(), dht: 'client', listen: [] })),
  )
  for (const leaf of leaves) {
    leaf.subscribe(TOPIC, () => {
      heard.add(leaf.peerId)
      return 'accept'
    })
  }
  await eventually(() => hub.peers().length === 20, 'all are connected')
  let round = 0
  await eventually(async () => {
    await hub.publish(TOPIC, Buffer.from(`round ${round++}`))
    return heard.size === 20
  }, 'all have heard')
})
