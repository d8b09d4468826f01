import type { PeerAddress } from '../../ports/network.js'
import type { LogShelf } from './log-shelf.js'
import type { PeerView, ReplicationView } from './replication.js'

/** All that is here, for people and metrics. @param self peer id of this coordinator */
export function replicationView(
  shelf: LogShelf,
  coordinators: readonly PeerAddress[],
  at: { readonly self: string; readonly connected: (peerId: string) => boolean },
): ReplicationView {
  const { written, accusations } = shelf
  const desks = [...shelf.desks()]
  const logs = desks.map((desk) => ({
    origin: desk.known.origin,
    own: written.find(desk.known.origin) !== undefined,
    size: desk.size,
    finalSize: desk.finalSize,
    claimedSize: desk.claimed,
    isolated: accusations.has(desk.known.origin),
    ...(desk.tip?.view === undefined ? {} : { tip: desk.tip.view }),
  }))
  const behind = (peerId: string): number =>
    desks.reduce((sum, { size, claims }) => sum + Math.max(0, size - (claims.get(peerId) ?? 0)), 0)
  const peers = coordinators.flatMap(({ peerId }): PeerView[] => {
    if (peerId === at.self) return []
    const cosignedSize = written.cosignedBy(peerId)
    const clockAheadMs = written.clockAheadMs(peerId)
    const about = { peerId, connected: at.connected(peerId), behindEntries: behind(peerId), cosignedSize }
    return [clockAheadMs === undefined ? about : { ...about, clockAheadMs }]
  })
  const { unfinalAgeMs, longestElsewhere: ownLongerElsewhere } = written
  return { logs, peers, unfinalAgeMs, ownLongerElsewhere }
}
