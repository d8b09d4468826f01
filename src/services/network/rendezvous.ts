import { createHash } from 'node:crypto'
import type { PeerInfo } from '@libp2p/interface'
import { pipe } from 'it-pipe'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as digest from 'multiformats/hashes/digest'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { PeerAddress } from '../../ports/network.js'
import type { MeshNode } from './libp2p-node.js'

const SHA2_256 = 0x12
/** After these, every {@link REPEAT_MS}: a peer that has just started knows few of those it should tell. */
const FIRST_REPEATS_MS = [2_000, 5_000, 15_000, 60_000]
const REPEAT_MS = 10 * 60_000
/** Newcomers to the DHT are told together. */
const NEWCOMER_DELAY_MS = 500
const SAY_TIMEOUT_MS = 30_000

/** Who provides what, in the DHT. */
export interface Rendezvous {
  /** @returns stops saying so */
  provide(rendezvous: string): () => void
  find(rendezvous: string, signal: AbortSignal): AsyncIterable<PeerAddress>
  stop(): void
}

interface RendezvousComponents {
  readonly node: MeshNode
  readonly clock: Clock
  readonly log: Log
}

/** @param dhtProtocol peers that speak it are told at once what this one provides */
export function createRendezvous(components: RendezvousComponents, dhtProtocol: string): Rendezvous {
  const { node, clock, log } = components
  const provided = new Set<string>()
  const stopped = new AbortController()
  let repeats = 0
  let timer: Timer | undefined

  const sayAll = async (): Promise<void> => {
    const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(SAY_TIMEOUT_MS)])
    for (const rendezvous of provided) {
      try {
        await node.contentRouting.provide(cidOf(rendezvous), { signal })
      } catch (cause) {
        if (stopped.signal.aborted) return
        log.debug('provide-failed', { rendezvous, reason: String(cause) })
      }
    }
  }

  const sayAfter = (delayMs: number): void => {
    timer?.cancel()
    if (stopped.signal.aborted || provided.size === 0) return
    timer = clock.after(delayMs, () => {
      void sayAll().then(() => sayAfter(FIRST_REPEATS_MS[repeats++] ?? REPEAT_MS))
    })
  }

  node.addEventListener('peer:identify', ({ detail }) => {
    if (detail.protocols.includes(dhtProtocol)) sayAfter(NEWCOMER_DELAY_MS)
  })

  return {
    provide(rendezvous) {
      provided.add(rendezvous)
      repeats = 0
      sayAfter(0)
      return () => {
        if (!provided.delete(rendezvous)) return
        // The DHT would go on by itself.
        node.contentRouting.cancelReprovide(cidOf(rendezvous)).catch((cause: unknown) => {
          log.debug('withdraw-failed', { rendezvous, reason: String(cause) })
        })
      }
    },
    async *find(rendezvous, signal) {
      const either = AbortSignal.any([signal, stopped.signal])
      try {
        const providers = node.contentRouting.findProviders(cidOf(rendezvous), { signal: either })
        yield* pipe(providers, addressesOf, (peers) => firstOfEach(peers, node.peerId.toString()))
      } catch (cause) {
        // No answer is an answer here: the caller asks again later in any case.
        if (!either.aborted) log.debug('find-failed', { rendezvous, reason: String(cause) })
      }
    },
    stop() {
      stopped.abort()
      timer?.cancel()
    },
  }
}

/** A rendezvous in the DHT's key space: the hash of its name. */
function cidOf(rendezvous: string): CID {
  const hash = createHash('sha256').update(rendezvous).digest()
  return CID.createV1(raw.code, digest.create(SHA2_256, hash))
}

async function* addressesOf(providers: AsyncIterable<PeerInfo>): AsyncIterable<PeerAddress> {
  for await (const { id, multiaddrs } of providers)
    yield { peerId: id.toString(), addresses: multiaddrs.map(String) }
}

/** Several peers of the DHT name the same provider; and this peer need not find itself. */
async function* firstOfEach(peers: AsyncIterable<PeerAddress>, self: string): AsyncIterable<PeerAddress> {
  const found = new Set([self])
  for await (const peer of peers) {
    if (found.has(peer.peerId)) continue
    found.add(peer.peerId)
    yield peer
  }
}
