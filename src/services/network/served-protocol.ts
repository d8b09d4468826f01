import type { Connection, Stream, StreamHandler } from '@libp2p/interface'
import type { Clock } from '../../ports/clock.js'
import type { Link, Offence, ServeOptions } from '../../ports/network.js'
import { BURST_SECONDS, CALLERS, OPENINGS_BURST, OPENINGS_PER_SECOND } from './bounds.js'
import { Libp2pLink } from './libp2p-link.js'
import { createQuota, type Quota } from './quota.js'

/** What one peer does on one protocol. */
interface Caller {
  links: number
  readonly frames: Quota
  readonly openings: Quota
}

/** One protocol this peer serves, with its bounds on each caller. */
export interface ServedProtocol {
  readonly handler: StreamHandler
}

interface ServedProtocolComponents {
  readonly clock: Clock
  penalise(peerId: string, offence: Offence): void
  /** May a protocol be spoken on a connection? */
  allows(connection: Connection, protocol: string): boolean
}

export function createServedProtocol(
  { clock, penalise, allows }: ServedProtocolComponents,
  protocol: string,
  options: ServeOptions,
  accept: (link: Link) => void,
): ServedProtocol {
  const { framesPerSecond, maxFrameBytes, streamsPerPeer } = options
  // Kept over the end of a connection: a peer that comes back at once finds no fresh quota.
  const callers = new Map<string, Caller>()
  const nowMs = (): number => clock.monotonicMs()

  const callerOf = (peerId: string): Caller => {
    const known = callers.get(peerId)
    const caller: Caller = known ?? {
      links: 0,
      frames: createQuota(framesPerSecond, framesPerSecond * BURST_SECONDS, nowMs),
      openings: createQuota(OPENINGS_PER_SECOND, OPENINGS_BURST, nowMs),
    }
    callers.delete(peerId)
    callers.set(peerId, caller)
    const [oldest] = callers.keys()
    if (callers.size > CALLERS && oldest !== undefined) callers.delete(oldest)
    return caller
  }

  return {
    handler(stream: Stream, connection: Connection) {
      const peerId = connection.remotePeer.toString()
      if (!allows(connection, protocol)) {
        stream.abort(new Error('this is for members of the network only'))
        return
      }
      const caller = callerOf(peerId)
      if (!caller.openings.take()) {
        stream.abort(new Error('streams are opened faster than allowed'))
        penalise(peerId, 'flood')
        return
      }
      if (caller.links >= streamsPerPeer) {
        stream.abort(new Error('too many streams'))
        return
      }
      caller.links++
      const link = new Libp2pLink(stream, clock, {
        peerId,
        protocol,
        remoteAddress: connection.remoteAddr.toString(),
        maxFrameBytes,
        quota: caller.frames,
        onOffence: (offence) => penalise(peerId, offence),
        onEnd: () => caller.links--,
      })
      accept(link.open())
    },
  }
}
