import { createPublicKey, type KeyObject, verify } from 'node:crypto'

/** Bytes of a raw public key. */
export const PUBLIC_KEY_BYTES = 32
/** Bytes of a signature. */
export const SIGNATURE_BYTES = 64

const KEY_CACHE_SIZE = 4096
const keys = new Map<string, KeyObject>()

/** The prime of the field, 2^255 − 19: a key that encodes a larger y has a second encoding. */
const FIELD = 2n ** 255n - 19n
/** y of the two points of order 8 above the axis; their mirror images are FIELD − y. */
const ORDER_8_Y = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n
/** y of the eight points of small order; the sign of x does not matter. */
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([0n, 1n, FIELD - 1n, ORDER_8_Y, FIELD - ORDER_8_Y])

/**
 * Does the signature hold? Never throws. By node:crypto only: libraries disagree on odd keys, and all of a
 * mesh must agree. Runs on the thread pool, so that the caller's thread stays free.
 */
export function signatureHolds(
  publicKey: Uint8Array,
  bytes: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const key = keyObject(publicKey)
  if (key === undefined) return Promise.resolve(false)
  return new Promise((resolve) => {
    verify(null, bytes, key, signature, (error, holds) => resolve(error === null && holds))
  })
}

/**
 * Why a public key must not be enrolled: with a key of small order one signature can fit many statements, and
 * libraries disagree whether it holds.
 *
 * @returns undefined = the key may be used
 */
export function keyFault(publicKey: Uint8Array): string | undefined {
  if (publicKey.length !== PUBLIC_KEY_BYTES) {
    return `a public key has ${PUBLIC_KEY_BYTES} bytes, not ${publicKey.length}`
  }
  const y = BigInt.asUintN(255, BigInt(`0x${Buffer.from(publicKey).reverse().toString('hex')}`))
  if (y >= FIELD) return 'the public key is not in its canonical form'
  return SMALL_ORDER_Y.has(y) ? 'the public key is a point of small order' : undefined
}

function keyObject(publicKey: Uint8Array): KeyObject | undefined {
  const id = Buffer.from(publicKey).toString('latin1')
  const known = keys.get(id)
  if (known !== undefined) return known
  // Read many times as fast as DER, which goes through all decoders that OpenSSL has. RFC 8037 §2.
  const x = Buffer.from(publicKey).toString('base64url')
  let key: KeyObject
  try {
    key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  } catch {
    return undefined
  }
  if (keys.size >= KEY_CACHE_SIZE) keys.delete(keys.keys().next().value as string)
  keys.set(id, key)
  return key
}
