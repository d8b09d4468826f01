import { readFileSync, writeFileSync } from 'node:fs'
import type { Stream, StreamMessageEvent } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { NetworkFile } from '../../src/index.js'
import type { Signer } from '../../src/ports/signer.js'
import { createIdentity, type Identity } from '../../src/services/identity/identity.js'
import { createFrameReader, writeFrames } from '../../src/services/network/framing.js'
import { createMeshNode, type MeshNode } from '../../src/services/network/libp2p-node.js'
import {
  CONTROL_FRAME_BYTES,
  DATA_FRAME_BYTES,
  ENROLLMENT_FRAME_BYTES,
  LEDGER_FRAME_BYTES,
  POLICY_FRAME_BYTES,
} from '../../src/wire/limits.js'
import { type ProtocolIds, protocolIds } from '../../src/wire/protocol-ids.js'
import type { NodeProcess, ProcessMesh } from './process-mesh.js'
import { until } from './until.js'

const MOST_BYTES = 16 * 1024 * 1024

/** Names of gossip topics, and of what is neither topic nor protocol of ours. */
export const TOPICS = ['announcements', 'ledgerHeads', 'policyMessages'] as const
type SpokenProtocol = Exclude<
  keyof ProtocolIds,
  (typeof TOPICS)[number] | 'dht' | 'prefix' | 'coordinatorRendezvous' | 'modelRendezvous'
>

interface Spoken {
  /** Who serves it, and who may open it. */
  readonly at: 'coordinator' | 'gateway' | 'worker'
  readonly by: 'worker' | 'gateway' | 'coordinator'
  /** Of a frame. */
  readonly mostBytes: number
}

/** Every protocol of ours; a new one does not compile before it is here. */
export const SPOKEN: Readonly<Record<SpokenProtocol, Spoken>> = {
  worker: { at: 'coordinator', by: 'worker', mostBytes: CONTROL_FRAME_BYTES },
  gateway: { at: 'coordinator', by: 'gateway', mostBytes: CONTROL_FRAME_BYTES },
  data: { at: 'gateway', by: 'worker', mostBytes: DATA_FRAME_BYTES },
  ledger: { at: 'coordinator', by: 'coordinator', mostBytes: LEDGER_FRAME_BYTES },
  enrollment: { at: 'coordinator', by: 'gateway', mostBytes: ENROLLMENT_FRAME_BYTES },
  policy: { at: 'gateway', by: 'gateway', mostBytes: POLICY_FRAME_BYTES },
  models: { at: 'worker', by: 'worker', mostBytes: DATA_FRAME_BYTES },
}

/** A stream without any of our manners: what it sends is what the test says, byte by byte. */
export class RawStream {
  /** Frames that came, whole. */
  readonly frames: Uint8Array[] = []
  readonly #stream: Stream
  #ended = false

  constructor(stream: Stream) {
    this.#stream = stream
    const reader = createFrameReader(MOST_BYTES, (frame) => this.frames.push(frame.slice()) > 0)
    stream.addEventListener('message', ({ data }: StreamMessageEvent) => {
      for (const chunk of data instanceof Uint8Array ? [data] : data) reader.read(chunk)
    })
    stream.addEventListener('end', () => this.#end())
    stream.addEventListener('close', () => this.#end())
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Bytes as they are. @returns false when they do not go out any more, or only later */
  bytes(bytes: Uint8Array): boolean {
    try {
      return !this.#ended && this.#stream.send(bytes)
    } catch {
      return false
    }
  }

  /** Each with its length before it. */
  frame(...frames: readonly Uint8Array[]): boolean {
    return this.bytes(writeFrames(frames))
  }

  /** From now on nothing is read, so that the other end's words pile up there. */
  stopReading(): void {
    this.#stream.pause()
  }

  /** Resolves once the other end wants no more. */
  async end(): Promise<void> {
    await until('the stream to be ended', () => this.#ended)
  }

  /** Resolves with the first frame of which `read` makes something. */
  async heard<T>(what: string, read: (frame: Uint8Array) => T | undefined): Promise<T> {
    return until(what, () => this.frames.map(read).find((each) => each !== undefined))
  }

  #end(): void {
    this.#ended = true
  }
}

/** A peer that the network lists, so that it gets as far as a member can, and that means ill. */
export class HostilePeer {
  readonly signer: Signer
  readonly node: MeshNode
  readonly ids: ProtocolIds

  constructor(signer: Signer, node: MeshNode, ids: ProtocolIds) {
    this.signer = signer
    this.node = node
    this.ids = ids
  }

  get peerId(): string {
    return this.signer.peerId
  }

  async open(target: NodeProcess, protocol: string): Promise<RawStream> {
    const options = { signal: AbortSignal.timeout(10_000) }
    return new RawStream(await this.node.dialProtocol(await listenAddress(target), protocol, options))
  }

  /** Is it still let in? */
  async isAdmitted(target: NodeProcess, protocol: SpokenProtocol): Promise<boolean> {
    try {
      const stream = await this.node.dialProtocol(await listenAddress(target), this.ids[protocol])
      stream.abort(new Error('only asking'))
      return true
    } catch {
      return false
    }
  }

  async stop(): Promise<void> {
    await this.node.stop()
  }
}

/** A worker listens where the system lets it. */
async function listenAddress(target: NodeProcess): Promise<Multiaddr> {
  if (target.node.libp2pPort > 0) return multiaddr(addressOf(target))
  return multiaddr((await target.status()).addresses[0])
}

export function addressOf({ node }: NodeProcess): string {
  return `/ip4/127.0.0.1/tcp/${node.libp2pPort}/p2p/${node.peerId}`
}

/** Lists strangers as workers and as gateways of a mesh that does not run yet. */
export function listStrangers(mesh: ProcessMesh, count: number): readonly Identity[] {
  const path = mesh.mesh.networkFile
  const network = JSON.parse(readFileSync(path, 'utf8')) as NetworkFile
  const strangers = Array.from({ length: count }, () => createIdentity())
  const ids = strangers.map(({ signer }) => signer.peerId)
  const listed = { workers: [...network.workers, ...ids], gateways: [...network.gateways, ...ids] }
  writeFileSync(path, JSON.stringify({ ...network, ...listed }))
  return strangers
}

export function networkIdOf(mesh: ProcessMesh): string {
  return (JSON.parse(readFileSync(mesh.mesh.networkFile, 'utf8')) as NetworkFile).id
}

/** Starts it; it dials nobody by itself. @param networkId another one than that of its victims if need be */
export async function startHostilePeer(identity: Identity, networkId: string): Promise<HostilePeer> {
  const ids = protocolIds(networkId)
  const parts = {
    privateKey: identity.privateKey,
    ids,
    gater: {},
    nowMs: () => performance.now(),
    found: () => {},
    flooded: () => {},
  }
  const node = await createMeshNode(parts, {
    listen: [],
    dht: 'client',
    topics: TOPICS.map((name) => ids[name]),
  })
  await node.start()
  return new HostilePeer(identity.signer, node, ids)
}
