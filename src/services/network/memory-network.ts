import type { Clock, Timer } from '../../ports/clock.js'
import type { Network } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import { createMemoryConnection, type MemoryConnection } from './memory-connection.js'
import { MemoryPeer, type MemoryPeerInit, type MemoryRoom } from './memory-peer.js'

export interface MemoryMeshInit {
  readonly clock: Clock
  readonly random: Random
  /** One way; default 1. */
  readonly latencyMs?: number
  /** Added to each frame's way, evenly from 0; frames of one link stay in order. Default 0. */
  readonly jitterMs?: number
  /** Share of what is sent that is lost once, and again, and comes later for it, as over TCP. Default 0. */
  readonly lossRatio?: number
  /** How long after a silent cut both ends give the connection up, as TCP and yamux do. Default 60,000. */
  readonly silentCloseMs?: number
}

/** Until what was lost is sent again the first time: the least that TCP waits. */
const RESEND_MS = 200

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
  return new Mesh(init)
}

class Mesh implements MemoryMesh {
  readonly #init: Required<MemoryMeshInit>
  readonly #peers = new Map<string, MemoryPeer>()
  readonly #paths = new Map<string, Path>()
  /** What peers see of the mesh. */
  readonly #room: MemoryRoom

  constructor(init: MemoryMeshInit) {
    this.#init = { latencyMs: 1, jitterMs: 0, lossRatio: 0, silentCloseMs: 60_000, ...init }
    this.#room = {
      clock: init.clock,
      providers: new Map(),
      peer: (peerId) => this.#peers.get(peerId),
      mode: (a, b) => this.#pathOf(a, b).mode,
      path: (a, b) => {
        const path = this.#pathOf(a, b)
        return { clock: init.clock, delayMs: () => this.#delayMs(path), held: () => path.mode !== 'open' }
      },
      connect: (dialler, listener) => {
        const connection = createMemoryConnection(dialler, listener)
        this.#pathOf(dialler, listener).connection = connection
        return connection
      },
      close: (by, other, reason) => this.#close(by, other, reason),
      drop: (a, b, reason) => this.#closeBoth(this.#pathOf(a, b), a, b, reason),
    }
  }

  network(peerId: string, init: MemoryPeerInit = {}): Network {
    this.kill(peerId)
    const peer = new MemoryPeer(this.#room, peerId, init)
    this.#peers.set(peerId, peer)
    return peer
  }

  cut(a: string, b: string, mode: CutMode = 'silent'): void {
    const path = this.#pathOf(a, b)
    path.mode = mode
    path.giveUp?.cancel()
    const { clock, silentCloseMs } = this.#init
    if (mode === 'closed') this.#closeBoth(path, a, b, 'connection broke')
    else path.giveUp = clock.after(silentCloseMs, () => this.#closeBoth(path, a, b, 'timed out'))
  }

  heal(a: string, b: string): void {
    const path = this.#pathOf(a, b)
    path.giveUp?.cancel()
    path.mode = 'open'
    const ends = path.connection?.ends ?? []
    if (ends.some((end) => !end.open)) this.#closeBoth(path, a, b, 'connection closed')
    else for (const end of ends) for (const link of end.links) link.resume()
  }

  kill(peerId: string): void {
    const peer = this.#peers.get(peerId)
    if (peer === undefined) return
    peer.die()
    for (const remote of peer.connected()) this.#close(peerId, remote, 'process died')
    this.#peers.delete(peerId)
  }

  setLatency(a: string, b: string, latencyMs: number): void {
    this.#pathOf(a, b).latencyMs = latencyMs
  }

  #pathOf(a: string, b: string): Path {
    const key = a < b ? `${a}|${b}` : `${b}|${a}`
    const known = this.#paths.get(key)
    if (known !== undefined) return known
    const { latencyMs } = this.#init
    const made: Path = { mode: 'open', latencyMs, connection: undefined, giveUp: undefined }
    this.#paths.set(key, made)
    return made
  }

  #delayMs({ latencyMs }: Path): number {
    const { jitterMs, lossRatio, random } = this.#init
    let lateMs = jitterMs === 0 ? 0 : random.fraction() * jitterMs
    if (lossRatio > 0) {
      for (let againMs = RESEND_MS; random.fraction() < lossRatio; againMs *= 2) lateMs += againMs
    }
    return latencyMs + lateMs
  }

  #closeEnd(path: Path, peerId: string, reason: string): void {
    const end = path.connection?.ends.find((each) => each.remote !== peerId)
    if (end === undefined || !end.open) return
    end.open = false
    if (path.connection?.ends.every((each) => !each.open)) path.connection = undefined
    for (const link of [...end.links]) link.end(reason)
    this.#peers.get(peerId)?.disconnected(end.remote)
  }

  #closeBoth(path: Path, a: string, b: string, reason: string): void {
    this.#closeEnd(path, a, reason)
    this.#closeEnd(path, b, reason)
  }

  /** The other end hears of it a delay later; over a silent path, not at all. */
  #close(by: string, other: string, reason: string): void {
    const path = this.#pathOf(by, other)
    const closing = path.connection
    this.#closeEnd(path, by, reason)
    if (path.mode === 'silent') return
    this.#init.clock.after(this.#delayMs(path), () => {
      if (path.connection === closing && path.mode !== 'silent') {
        this.#closeEnd(path, other, 'connection closed')
      }
    })
  }
}
