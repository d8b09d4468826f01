import type { Clock } from '../../ports/clock.js'
import type { Random } from '../../ports/random.js'
import { ulid } from './ulid.js'

/**
 * Chance that comes again from the same seed (sfc32). For simulations and tests; never for keys.
 *
 * @param clock where ids take their time from; without it they all carry time 0
 */
export function createSeededRandom(seed: number, clock?: Pick<Clock, 'nowMs'>): Random {
  const next = sfc32(seed)
  const bytes = (length: number): Uint8Array => {
    const made = new Uint8Array(length)
    for (let i = 0; i < length; i++) made[i] = next() & 0xff
    return made
  }
  return {
    bytes,
    fraction: () => next() / 2 ** 32,
    id: () => ulid(clock?.nowMs() ?? 0, bytes(16)),
  }
}

/** Chris Doty-Humphrey's sfc32 @returns the next 32 bits, unsigned, at each call */
function sfc32(seed: number): () => number {
  let a = seed | 0
  let b = Math.floor(seed / 2 ** 32) | 0
  let c = 0x9e3779b9 | 0
  let counter = 1
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return sum >>> 0
  }
  // Near seeds start out alike; they have parted after this many rounds.
  for (let i = 0; i < 15; i++) next()
  return next
}
