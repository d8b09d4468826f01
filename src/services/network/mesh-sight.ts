import { isPrivate } from '@libp2p/utils'
import type { MeshView } from '../../ports/network.js'
import { peerOf } from './addresses.js'
import type { MeshNode } from './libp2p-node.js'

/** Each dial goes out from a port of its own, so that there may be as many as peers. */
const SHOWN = 16
const RELAYED = '/p2p-circuit'

/** What can be seen, from here, of a peer's place in the mesh. */
export class MeshSight {
  readonly #node: MeshNode
  /** By connected peers. */
  readonly #observed = new Map<string, string>()

  constructor(node: MeshNode) {
    this.#node = node
  }

  watch(): void {
    this.#node.addEventListener('peer:identify', ({ detail: { peerId, observedAddr } }) => {
      if (observedAddr !== undefined) this.#observed.set(peerId.toString(), observedAddr.toString())
    })
  }

  forget(peerId: string): void {
    this.#observed.delete(peerId)
  }

  view(): MeshView {
    const { dht, pubsub } = this.#node.services
    const addresses = this.#node.getMultiaddrs().map(String)
    return {
      addresses,
      observed: this.#observations(),
      relays: addresses.flatMap((each) => (each.includes(RELAYED) ? (peerOf(before(each)) ?? []) : [])),
      connections: this.#connections(),
      dht: { mode: dht.getMode(), peers: tableSize(dht) },
      topics: pubsub.getTopics().map((topic) => ({ topic, peers: pubsub.getSubscribers(topic).length })),
    }
  }

  #observations(): MeshView['observed'] {
    const counts = new Map<string, number>()
    for (const address of this.#observed.values()) counts.set(address, (counts.get(address) ?? 0) + 1)
    return [...counts]
      .map(([address, peers]) => ({ address, peers }))
      .toSorted((a, b) => b.peers - a.peers)
      .slice(0, SHOWN)
  }

  #connections(): MeshView['connections'] {
    const all = this.#node.getConnections()
    const inbound = all.filter(({ direction }) => direction === 'inbound')
    return {
      inbound: inbound.length,
      outbound: all.length - inbound.length,
      relayed: all.filter(({ direct }) => !direct).length,
      inboundPublic: inbound.filter(({ direct, remoteAddr }) => direct && !isPrivate(remoteAddr)).length,
    }
  }
}

/** Peers in the routing table, which the DHT has and its interface does not show. */
function tableSize(dht: object): number {
  const table: unknown = 'routingTable' in dht ? dht.routingTable : undefined
  const known = typeof table === 'object' && table !== null && 'size' in table ? table.size : 0
  return typeof known === 'number' ? known : 0
}

/** The address of the relay, out of that which leads through it. */
function before(address: string): string {
  return address.slice(0, address.indexOf(RELAYED))
}
