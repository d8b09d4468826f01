import { randomBytes } from 'node:crypto'
import type { Clock } from '../../ports/clock.js'
import type { Random } from '../../ports/random.js'
import { systemClock } from './system-clock.js'
import { ulid } from './ulid.js'

/** Chance from the operating system; good enough for keys. */
export function systemRandom(clock: Pick<Clock, 'nowMs'> = systemClock()): Random {
  const bytes = (length: number): Uint8Array => Uint8Array.from(randomBytes(length))
  return {
    bytes,
    fraction: () => Number(randomBytes(8).readBigUInt64BE() >> 11n) / 2 ** 53,
    id: () => ulid(clock.nowMs(), randomBytes(16)),
  }
}
