import type { Clock, Timer } from '../../ports/clock.js'
import type { Network } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import { createMemoryConnection, type MemoryConnection, type MemoryEnd } from './memory-connection.js'
import { MemoryPeer, type MemoryPeerInit, type MemoryRoom } from './memory-peer.js'

export interface MemoryMeshInit {
  readonly clock: Clock
  readonly random: Random
  /** One way; default 1. */
  readonly latencyMs?: number
  /** Added to each frame's way, evenly from 0; frames of one link stay in order. Default 0. */
  readonly jitterMs?: number
  /** How long after a silent cut both ends give the connection up, as TCP and yamux do. Default 60,000. */
  readonly silentCloseMs?: number
}

/** `silent`: what is sent waits and connections look open. `closed`: connections break at once. */
type CutMode = 'silent' | 'closed'

/** Peers in one process, over a given clock and chance: the same seed gives the same run. */
export interface MemoryMesh {
  /** Joins a peer; one that was killed comes back as a fresh process. */
  network(peerId: string, init?: MemoryPeerInit): Network
  /** Breaks the path between two peers, both ways. Default `silent`. */
  cut(a: string, b: string, mode?: CutMode): void
  /** Mends the path; frames held by a silent cut then arrive in order. */
  heal(a: string, b: string): void
  /** The process dies: nothing of it runs on, and its peers see their connections closed. */
  kill(peerId: string): void
  /** Latency of one path from now on, one way. */
  setLatency(a: string, b: string, latencyMs: number): void
}

interface Path {
  mode: 'open' | CutMode
  latencyMs: number
  connection: MemoryConnection | undefined
  giveUp: Timer | undefined
}

export function createMemoryMesh(init: MemoryMeshInit): MemoryMesh {
  const { clock, random, latencyMs = 1, jitterMs = 0, silentCloseMs = 60_000 } = init
  const peers = new Map<string, MemoryPeer>()
  const paths = new Map<string, Path>()

  const pathOf = (a: string, b: string): Path => {
    const key = a < b ? `${a}|${b}` : `${b}|${a}`
    const known = paths.get(key)
    if (known !== undefined) return known
    const made: Path = { mode: 'open', latencyMs, connection: undefined, giveUp: undefined }
    paths.set(key, made)
    return made
  }

  const delayMs = (path: Path): number => path.latencyMs + (jitterMs === 0 ? 0 : random.fraction() * jitterMs)

  const endOf = (path: Path, peerId: string): MemoryEnd | undefined =>
    path.connection?.ends.find((end) => end.remote !== peerId)

  const closeEnd = (path: Path, peerId: string, reason: string): void => {
    const end = endOf(path, peerId)
    if (end === undefined || !end.open) return
    end.open = false
    if (path.connection?.ends.every((each) => !each.open)) path.connection = undefined
    for (const link of [...end.links]) link.end(reason)
    peers.get(peerId)?.disconnected(end.remote)
  }

  const close = (by: string, other: string, reason: string): void => {
    const path = pathOf(by, other)
    const closing = path.connection
    closeEnd(path, by, reason)
    if (path.mode === 'silent') return
    clock.after(delayMs(path), () => {
      if (path.connection === closing && path.mode !== 'silent') closeEnd(path, other, 'connection closed')
    })
  }

  const closeBoth = (path: Path, a: string, b: string, reason: string): void => {
    closeEnd(path, a, reason)
    closeEnd(path, b, reason)
  }

  const room: MemoryRoom = {
    clock,
    providers: new Map(),
    peer: (peerId) => peers.get(peerId),
    mode: (a, b) => pathOf(a, b).mode,
    path: (a, b) => {
      const path = pathOf(a, b)
      return { clock, delayMs: () => delayMs(path), held: () => path.mode !== 'open' }
    },
    connect(dialler, listener) {
      const connection = createMemoryConnection(dialler, listener)
      pathOf(dialler, listener).connection = connection
      return connection
    },
    close,
    drop: (a, b, reason) => closeBoth(pathOf(a, b), a, b, reason),
  }

  const kill = (peerId: string): void => {
    const peer = peers.get(peerId)
    if (peer === undefined) return
    peer.die()
    for (const remote of peer.connected()) close(peerId, remote, 'process died')
    peers.delete(peerId)
  }

  return {
    network(peerId, peerInit = {}) {
      kill(peerId)
      const peer = new MemoryPeer(room, peerId, peerInit)
      peers.set(peerId, peer)
      return peer
    },
    cut(a, b, mode = 'silent') {
      const path = pathOf(a, b)
      path.mode = mode
      path.giveUp?.cancel()
      if (mode === 'closed') return closeBoth(path, a, b, 'connection broke')
      path.giveUp = clock.after(silentCloseMs, () => closeBoth(path, a, b, 'timed out'))
    },
    heal(a, b) {
      const path = pathOf(a, b)
      path.giveUp?.cancel()
      path.mode = 'open'
      const ends = path.connection?.ends ?? []
      if (ends.some((end) => !end.open)) return closeBoth(path, a, b, 'connection closed')
      for (const end of ends) for (const link of end.links) link.resume()
    },
    kill,
    setLatency(a, b, ms) {
      pathOf(a, b).latencyMs = ms
    },
  }
}
