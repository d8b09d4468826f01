import { z } from 'zod'
import type { PeerAddress } from '../ports/network.js'
import type { Store } from '../ports/store.js'

const KEY = 'n|coordinators'
/** More than a node ever attaches to; the newest are kept. */
const KEPT = 64

const schema = z.array(z.object({ peerId: z.string(), addresses: z.array(z.string()).max(16) }))

/**
 * Coordinators this node once reached. libp2p's own peer store forgets addresses within an hour; a worker
 * that was
 * off for a week must still find its way back.
 */
export interface KnownCoordinators {
  list(): readonly PeerAddress[]
  remember(found: readonly PeerAddress[]): void
}

export async function openKnownCoordinators(
  store: Store,
  bootstrap: readonly string[],
): Promise<KnownCoordinators> {
  const known = new Map<string, PeerAddress>()
  const add = ({ peerId, addresses }: PeerAddress) => {
    known.delete(peerId)
    known.set(peerId, { peerId, addresses })
    if (known.size > KEPT) known.delete(known.keys().next().value ?? '')
  }
  for (const peer of await stored(store)) add(peer)
  for (const peer of peersOf(bootstrap)) add(peer)
  return {
    list: () => [...known.values()],
    remember(found) {
      for (const peer of found) add(peer)
      const value = Buffer.from(JSON.stringify([...known.values()]))
      // Only a convenience: a node whose disk is full still works, it searches longer next time.
      store.commit([{ type: 'put', key: KEY, value }]).catch(() => {})
    },
  }
}

async function stored(store: Store): Promise<readonly PeerAddress[]> {
  const bytes = await store.get(KEY)
  if (bytes === undefined) return []
  try {
    return schema.parse(JSON.parse(Buffer.from(bytes).toString()))
  } catch {
    return []
  }
}

/** Bootstrap multiaddrs by the peer id at their end; those without one name nobody. */
export function peersOf(bootstrap: readonly string[]): readonly PeerAddress[] {
  const byPeer = new Map<string, string[]>()
  for (const address of bootstrap) {
    const peerId = peerIdAtEnd(address)
    byPeer.set(peerId, [...(byPeer.get(peerId) ?? []), address])
  }
  byPeer.delete('')
  return [...byPeer].map(([peerId, addresses]) => ({ peerId, addresses }))
}

function peerIdAtEnd(address: string): string {
  return /\/p2p\/([^/]+)$/.exec(address)?.[1] ?? ''
}
