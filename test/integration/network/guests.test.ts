import { afterEach, expect, test } from 'vitest'
import type { Link } from '../../../src/ports/network.js'
import { createIdentity } from '../../../src/services/identity/identity.js'
import { GUESTS_PER_HOST } from '../../../src/services/network/bounds.js'
import type { Libp2pNetwork } from '../../../src/services/network/libp2p-network.js'
import { protocolIds } from '../../../src/wire/protocol-ids.js'
import { eventually, libp2pPeer, TOPIC } from '../../contract/network/adapters.js'

const OPEN = '/edgecoder/guests/1'
const CLOSED = '/edgecoder/members/1'
const OPTIONS = { maxFrameBytes: 1024, streamsPerPeer: 4, framesPerSecond: 1_000 }
const LOOPBACK = ['/ip4/127.0.0.1/tcp/0']
const DIAL = { signal: AbortSignal.timeout(30_000), maxFrameBytes: 1024 }

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

/** Resolves with the answer of an echo, or why there was none. */
function ask(link: Link): Promise<string> {
  return new Promise((resolve) => {
    link.receive({ frame: (bytes) => resolve(`said ${bytes[0]}`), closed: () => resolve('closed') })
    link.send(Uint8Array.of(7))
  })
}

/** A host with members, guests, and what it heard by gossip. */
async function host(members: Set<string>, guests: Pick<Set<string>, 'has'>, listen = LOOPBACK) {
  const heard: string[] = []
  const network = await peer(
    { listen, guests: { admits: (peerId) => guests.has(peerId), protocols: [OPEN] } },
    (peerId) => members.has(peerId),
  )
  for (const protocol of [OPEN, CLOSED]) {
    network.serve(protocol, OPTIONS, (link) =>
      link.receive({ frame: (bytes) => void link.send(bytes), closed() {} }),
    )
  }
  network.subscribe(TOPIC, ({ from }) => {
    heard.push(from)
    return 'accept'
  })
  return { network, heard, at: { peerId: network.peerId, addresses: network.addresses() } }
}

test('a guest speaks the protocols that are open to guests, and no others; a stranger speaks none', async () => {
  const [guest, stranger] = [createIdentity(), createIdentity()]
  const { at } = await host(new Set(), new Set([guest.signer.peerId]))
  const visiting = await peer({ identity: guest, dht: 'client', listen: [] })
  expect(await ask(await visiting.dial(at, OPEN, DIAL))).toBe('said 7')
  const closed = await visiting.dial(at, CLOSED, DIAL).then(ask, () => 'closed')
  expect(closed).toBe('closed')
  const knocking = await peer({ identity: stranger, dht: 'client', listen: [] })
  await expect(knocking.dial(at, OPEN, DIAL)).rejects.toMatchObject({ code: 'not-admitted' })
})

/** What libp2p itself serves, and only to members. */
const INNER = [protocolIds('contract').dht, '/meshsub/1.1.0']

test('a guest has no part in DHT and gossip, and is a member with all of it once it was admitted', async () => {
  const guest = createIdentity()
  const members = new Set<string>()
  const { network, heard, at } = await host(members, new Set([guest.signer.peerId]))
  const visiting = await peer({ identity: guest, bootstrap: at.addresses, dht: 'client', listen: [] })
  visiting.subscribe(TOPIC, () => 'accept')
  expect(await ask(await visiting.dial(at, OPEN, DIAL))).toBe('said 7')
  for (const protocol of INNER) expect(await ended(visiting.dial(at, protocol, DIAL))).toBe(true)
  expect(heard).toEqual([])
  members.add(guest.signer.peerId)
  await eventually(async () => {
    const dialled = await visiting.dial(at, CLOSED, DIAL).then(ask, () => 'closed')
    return dialled === 'said 7'
  }, 'the guest is a member')
  for (const protocol of INNER) {
    const over = ended(visiting.dial(at, protocol, DIAL))
    // The host has seen the stream by the time that it answers this.
    const answered = visiting.ping(at.peerId, DIAL.signal).then(() => 'open')
    expect(await Promise.race([over, answered])).toBe('open')
  }
  await eventually(async () => {
    await visiting.publish(TOPIC, Uint8Array.of(2))
    return heard.includes(guest.signer.peerId)
  }, 'its gossip is heard')
  expect(network.peers().map(({ peerId }) => peerId)).toEqual([guest.signer.peerId])
})

/** Resolves when the host has ended a stream, or refused to open it. */
async function ended(dialled: Promise<Link>): Promise<boolean> {
  const link = await dialled.catch(() => undefined)
  return (
    link === undefined ||
    new Promise((resolve) => {
      link.receive({ frame() {}, closed: () => resolve(true) })
    })
  )
}

test('many guests of one address do not keep those of another from coming in', async () => {
  const { at } = await host(new Set(), { has: () => true }, [...LOOPBACK, '/ip6/::1/tcp/0'])
  const [v4, v6] = ['/ip4/', '/ip6/'].map((family) => ({
    peerId: at.peerId,
    addresses: at.addresses.filter((address) => address.startsWith(family)),
  }))
  if (v4 === undefined || v6 === undefined) throw new Error('it listens on both')
  const visit = async (to: typeof at): Promise<string> => {
    const guest = await peer({ dht: 'client', listen: [] })
    return guest.dial(to, OPEN, DIAL).then(ask, (error: { code: string }) => error.code)
  }
  for (let nth = 0; nth < GUESTS_PER_HOST; nth++) expect(await visit(v4)).toBe('said 7')
  expect(await visit(v4)).toBe('not-admitted')
  expect(await visit(v6)).toBe('said 7')
})
