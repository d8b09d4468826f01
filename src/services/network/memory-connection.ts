import type { PeerState } from '../../ports/network.js'
import type { MemoryLink } from './memory-link.js'

/** One peer's end of a connection in a memory mesh. Each end learns of the other's closing a delay later. */
export interface MemoryEnd {
  readonly remote: string
  readonly direction: PeerState['direction']
  readonly links: Set<MemoryLink>
  open: boolean
}

export interface MemoryConnection {
  readonly ends: readonly [MemoryEnd, MemoryEnd]
}

export function createMemoryConnection(dialler: string, listener: string): MemoryConnection {
  return {
    ends: [
      { remote: listener, direction: 'outbound', links: new Set(), open: true },
      { remote: dialler, direction: 'inbound', links: new Set(), open: true },
    ],
  }
}
