import { peerIdFromString } from '@libp2p/peer-id'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { PeerAddress } from '../../ports/network.js'
import { dialTargets, peerOf } from './addresses.js'
import { DIAL_TIMEOUT_MS } from './bounds.js'
import type { MeshNode } from './libp2p-node.js'

/** Between two looks at who is connected: short at first, since a whole mesh may be starting at once. */
const FIRST_CHECK_MS = 250
const CHECK_MS = 10_000
/** A connection that ends sooner was turned away, not lost: trying again at once would only knock. */
const SETTLED_MS = 2_000
/** With this many peers connected, those found on the local link are not dialled any more. */
const PEERS_ENOUGH = 32

/** Keeps this peer in touch with peers that bring it into the mesh. */
export interface Introduction {
  start(): void
  /** mDNS has found a peer on the local link. */
  found(peer: PeerAddress): void
  stop(): void
}

interface IntroductionComponents {
  readonly node: MeshNode
  readonly clock: Clock
  readonly log: Log
}

/**
 * Dials the bootstrap peers at once and again whenever one is not connected, and peers that mDNS finds.
 *
 * @param bootstrap multiaddrs, each ending in /p2p/<peer id>
 */
export function createIntroduction(
  { node, clock, log }: IntroductionComponents,
  bootstrap: readonly string[],
): Introduction {
  const peers = new Map<string, string[]>()
  for (const address of bootstrap) {
    const peerId = peerOf(address)
    if (peerId === undefined) log.warn('bootstrap-address-unreadable', { address })
    else if (peerId !== node.peerId.toString()) {
      peers.set(peerId, [...(peers.get(peerId) ?? []), address])
    }
  }
  const stopped = new AbortController()
  const dialling = new Set<string>()
  const unreachable = new Set<string>()
  const connectedMs = new Map<string, number>()
  let timer: Timer | undefined

  const dial = async (peerId: string, addresses: readonly string[]): Promise<void> => {
    if (dialling.has(peerId) || isConnected(node, peerId)) return
    dialling.add(peerId)
    try {
      const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)])
      await node.dial(dialTargets(peerId, addresses), { signal })
      if (unreachable.delete(peerId)) log.info('bootstrap-peer-back', { peer: peerId })
    } catch (cause) {
      if (peers.has(peerId) && !unreachable.has(peerId) && !stopped.signal.aborted) {
        unreachable.add(peerId)
        log.warn('bootstrap-peer-unreachable', { peer: peerId, reason: String(cause) })
      }
    } finally {
      dialling.delete(peerId)
    }
  }

  const dialAll = (checkMs: number): void => {
    if (stopped.signal.aborted) return
    for (const [peerId, addresses] of peers) void dial(peerId, addresses)
    timer = clock.after(checkMs, () => dialAll(Math.min(CHECK_MS, 2 * checkMs)))
  }

  node.addEventListener('peer:connect', ({ detail }) => {
    if (peers.has(detail.toString())) connectedMs.set(detail.toString(), clock.monotonicMs())
  })
  node.addEventListener('peer:disconnect', ({ detail }) => {
    if (timer === undefined || !peers.has(detail.toString())) return
    const sinceMs = connectedMs.get(detail.toString()) ?? Number.NEGATIVE_INFINITY
    if (clock.monotonicMs() - sinceMs < SETTLED_MS) return
    timer.cancel()
    dialAll(FIRST_CHECK_MS)
  })

  return {
    start() {
      dialAll(FIRST_CHECK_MS)
    },
    found({ peerId, addresses }) {
      if (!stopped.signal.aborted && node.getPeers().length < PEERS_ENOUGH) void dial(peerId, addresses)
    },
    stop() {
      stopped.abort()
      timer?.cancel()
    },
  }
}

function isConnected(node: MeshNode, peerId: string): boolean {
  return node.getConnections(peerIdFromString(peerId)).length > 0
}
