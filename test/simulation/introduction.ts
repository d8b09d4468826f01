import type { Clock } from '../../src/ports/clock.js'
import type { Network, PeerAddress } from '../../src/ports/network.js'
import type { Gate } from './gate.js'

const PROTOCOL = '/simulated/introduction'
const CHECK_MS = 1_000
const QUIET = { frame() {}, closed() {} }

/**
 * Keeps a process connected to the bootstrap peers, as the network over libp2p does by itself: gossip goes over such
 * connections, whatever the roles have dialled.
 */
export function keepIntroduced(
  clock: Clock,
  gate: Gate,
  network: Network,
  bootstrap: readonly PeerAddress[],
): void {
  const dialling = new Set<string>()
  network.serve(PROTOCOL, { maxFrameBytes: 1, streamsPerPeer: 8, framesPerSecond: 1 }, (link) =>
    link.receive(QUIET),
  )
  const look = (): void => {
    const connected = new Set(network.peers().map(({ peerId }) => peerId))
    for (const peer of bootstrap) {
      const { peerId } = peer
      if (peerId === network.peerId || connected.has(peerId) || dialling.has(peerId)) continue
      dialling.add(peerId)
      const signal = new AbortController().signal
      network
        .dial(peer, PROTOCOL, { maxFrameBytes: 1, signal })
        .then(
          (link) => link.receive(QUIET),
          () => {},
        )
        .finally(() => dialling.delete(peerId))
    }
  }
  look()
  const timer = clock.every(CHECK_MS, () => {
    if (gate.dead) timer.cancel()
    else gate.run(look)
  })
}
