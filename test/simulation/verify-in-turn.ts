import crypto, { type KeyLike } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import type { Clock } from '../../src/ports/clock.js'
import type { Random } from '../../src/ports/random.js'

type Done = (error: Error | null, holds: boolean) => void
type Verify = (
  name: string | null,
  bytes: Uint8Array,
  key: KeyLike,
  signature: Uint8Array,
  done?: Done,
) => unknown

/** What a check of a signature takes at most, in virtual time. */
const LONGEST_MS = 2
/** Signatures of one key that are known to hold; the same ones are checked soon after each other. */
const MOST_KNOWN = 64

/**
 * From here on signature checks take virtual time by the seed. On the thread pool they would end in another order
 * in each run, and never between two other events.
 *
 * @returns puts node's own check back
 */
export function verifyInTurn(clock: Clock, random: Random): () => void {
  const own = crypto.verify
  const real: Verify = own
  // Many check the same signature; what comes of it is always the same.
  const known = new WeakMap<object, Set<string>>()
  const inTurn: Verify = (name, bytes, key, signature, done) => {
    if (done === undefined) return real(name, bytes, key, signature)
    const what = [signature, bytes].map((part) => Buffer.from(part).toString('latin1')).join('|')
    const ofKey = typeof key === 'object' ? (known.get(key) ?? new Set<string>()) : new Set<string>()
    if (typeof key === 'object') known.set(key, ofKey)
    const holds = ofKey.has(what) || real(name, bytes, key, signature) === true
    if (ofKey.size === MOST_KNOWN) ofKey.clear()
    if (holds) ofKey.add(what)
    return clock.after(random.fraction() * LONGEST_MS, () => done(null, holds))
  }
  put(inTurn)
  return () => put(own)
}

function put(verify: unknown): void {
  Reflect.set(crypto, 'verify', verify)
  syncBuiltinESMExports()
}
