import type { Clock } from '../../src/ports/clock.js'
import type { Network } from '../../src/ports/network.js'
import type { Random } from '../../src/ports/random.js'
import { PolicyExchange } from '../../src/roles/policy/policy-exchange.js'
import { PolicyKeeper } from '../../src/roles/policy/policy-keeper.js'
import { createMemoryDisk, type MemoryDisk } from '../../src/services/store/memory-store.js'
import type { PolicyMessage } from '../../src/wire/policy/policy-message.js'
import { memoryLog } from './memory-log.js'
import { ANN, BOB, EXPIRES_MS, messageOf, placeOf, SAMPLE_BODIES, signed } from './sample-policy.js'

/** A chain of any length, of the sample genesis and the same terms again and again. */
export class LongPolicy {
  readonly #messages: { readonly message: PolicyMessage; readonly bytes: Uint8Array }[] = []

  constructor(length: number) {
    const genesis = messageOf('genesis', SAMPLE_BODIES.genesis)
    this.#messages.push({ message: genesis, bytes: signed(genesis, ANN, BOB) })
    while (this.#messages.length < length) this.add()
  }

  get network(): string {
    return placeOf(this.#at(0).message).network
  }

  get length(): number {
    return this.#messages.length
  }

  get bytes(): readonly Uint8Array[] {
    return this.#messages.map(({ bytes }) => bytes)
  }

  /** One more message, which becomes the newest. */
  add(): Uint8Array {
    const made = this.another(this.length)
    this.#messages.push(made)
    return made.bytes
  }

  /** A message for a place, signed as it must be. @param later than others for that place, so that it differs */
  another(place: number, laterMs = 0): { readonly message: PolicyMessage; readonly bytes: Uint8Array } {
    const message = messageOf('terms', SAMPLE_BODIES.terms, placeOf(this.#at(place - 1).message), {
      expiresMs: EXPIRES_MS + laterMs,
    })
    return { message, bytes: signed(message, ANN, BOB) }
  }

  #at(place: number): { readonly message: PolicyMessage; readonly bytes: Uint8Array } {
    const there = this.#messages[place]
    if (there === undefined) throw new Error(`the chain has no message ${place}`)
    return there
  }
}

export interface PolicyPeerInit {
  readonly networkId: string
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  /** Peer ids of those that serve. */
  readonly servers: readonly string[]
  readonly links: number
  readonly disk?: MemoryDisk
}

/** A peer that does nothing but follow the policy. */
export interface PolicyPeerUnderTest {
  readonly keeper: PolicyKeeper
  readonly exchange: PolicyExchange
  readonly disk: MemoryDisk
  readonly log: ReturnType<typeof memoryLog>
}

/** Starts one, with what is on its disk. */
export async function startPolicyPeer(init: PolicyPeerInit): Promise<PolicyPeerUnderTest> {
  const { network, clock, random, networkId, links, servers, disk = createMemoryDisk() } = init
  const log = memoryLog()
  const keeper = new PolicyKeeper(disk.open(), networkId)
  await keeper.load()
  const exchange = new PolicyExchange(
    { network, clock, random, log, keeper },
    {
      networkId,
      serves: servers.includes(network.peerId),
      links,
      servers: () => servers.map((peerId) => ({ peerId, addresses: [] })),
    },
  )
  exchange.start()
  return { keeper, exchange, disk, log }
}
