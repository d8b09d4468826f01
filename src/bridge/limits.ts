import { createHash } from 'node:crypto'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { callerAddress } from '../core/caller-address.js'
import { type Refusal, refusal } from '../core/refusal.js'
import type { Random } from '../ports/random.js'
import type { ConnectionLimits } from './connections.js'

/** Bounds of the HTTP surfaces. */
export interface BridgeLimits extends ConnectionLimits {
  readonly bodyBytes: number
  /** Bytes of bodies that are being read, of one key and in all. */
  readonly bodyBytesPerKey: number
  readonly bodiesBytes: number
  /** Requests of one key, and of one address, in {@link WINDOW_S}. */
  readonly requestsPerKey: number
  readonly requestsPerAddress: number
  /** Wrong keys from one address in {@link WINDOW_S}; then it must wait, whatever it sends. */
  readonly failuresPerAddress: number
  readonly streamsPerKey: number
  readonly streams: number
}

const WINDOW_S = 10
const MIB = 1024 * 1024

export const DEFAULT_LIMITS: BridgeLimits = {
  bodyBytes: 10 * MIB,
  bodyBytesPerKey: 64 * MIB,
  bodiesBytes: 256 * MIB,
  requestsPerKey: 1_000,
  requestsPerAddress: 2_000,
  failuresPerAddress: 20,
  streamsPerKey: 64,
  streams: 1_024,
  connections: 2_048,
  connectionsPerAddress: 512,
  unreadBytes: 256 * MIB,
}

/** Addresses share this many counters, so that a stranger with many addresses cannot fill the memory. */
const ADDRESS_COUNTERS = 16_384

/** Counts requests by key and by address, in memory. */
export class RateLimits {
  readonly #keys: RateLimiterMemory
  readonly #addresses: RateLimiterMemory
  readonly #failures: RateLimiterMemory
  readonly #salt: Uint8Array

  constructor(limits: BridgeLimits, random: Random) {
    const counter = (points: number) => new RateLimiterMemory({ points, duration: WINDOW_S })
    this.#keys = counter(limits.requestsPerKey)
    this.#addresses = counter(limits.requestsPerAddress)
    this.#failures = counter(limits.failuresPerAddress)
    // Nobody outside can tell which addresses share a counter.
    this.#salt = random.bytes(16)
  }

  async address(address: string): Promise<Refusal | undefined> {
    const counter = this.#counter(address)
    const failures = await this.#failures.get(counter)
    if (failures !== null && failures.consumedPoints > this.#failures.points) {
      return tooMany('wrong keys from this address', failures.msBeforeNext)
    }
    return spend(this.#addresses, counter, 'requests from this address')
  }

  /** Counts a wrong key. */
  async failure(address: string): Promise<void> {
    await this.#failures.penalty(this.#counter(address))
  }

  key(keyId: string): Promise<Refusal | undefined> {
    return spend(this.#keys, keyId, 'requests with this key')
  }

  #counter(address: string): string {
    const digest = createHash('sha256').update(this.#salt).update(callerAddress(address)).digest()
    return String(digest.readUInt32BE() % ADDRESS_COUNTERS)
  }
}

async function spend(
  limiter: RateLimiterMemory,
  counter: string,
  what: string,
): Promise<Refusal | undefined> {
  try {
    await limiter.consume(counter)
    return undefined
  } catch (over) {
    if (over instanceof RateLimiterRes) return tooMany(what, over.msBeforeNext)
    throw over
  }
}

function tooMany(what: string, waitMs: number): Refusal {
  return refusal('rate-limited', `too many ${what}`, {
    next: 'Wait as long as Retry-After says.',
    retryAfterMs: Math.max(1_000, waitMs),
  })
}
