import type { MeshView, PeerState } from '../ports/network.js'

/** A peer connected now. */
interface NodePeer extends PeerState {
  /** What it is to us, as far as known: `coordinator`, `gateway`, `worker`. */
  readonly roles?: readonly string[]
}

/** One setting with where its value came from; secrets are masked. */
interface ConfigValue {
  readonly name: string
  readonly value: string
  readonly origin: string
  readonly help: string
}

/** What the admin API shows and asks of the process it runs in. */
export interface NodeControl {
  readonly version: string
  /** Id of the network. */
  readonly network: string
  readonly peerId: string
  readonly agentId: string
  /** Runtime mode as set: `worker`, `all-in-one`, … */
  readonly mode: string
  /** Wall clock. */
  readonly startedMs: number
  /** Multiaddrs others can dial. */
  addresses(): readonly string[]
  /** URL of the bridge, where one listens. */
  bridgeUrl(): string | undefined
  peers(): readonly NodePeer[]
  /** How it is woven into the mesh. */
  mesh(): MeshView
  config(): readonly ConfigValue[]
  /**
   * Begins to stop, and returns at once.
   *
   * @param drainMs how long running attempts may finish; absent = as configured
   */
  requestStop(drainMs?: number): void
}
