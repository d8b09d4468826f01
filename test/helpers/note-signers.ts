import { createPrivateKey, createPublicKey, sign } from 'node:crypto'

/** An Ed25519 key from a byte that fills its seed, so that what it signs stays the same. For tests only. */
export function seededKey(fill: number): { publicKey: Uint8Array; sign(bytes: Uint8Array): Uint8Array } {
  return keyOfSeed(Buffer.alloc(32, fill))
}

export function keyOfSeed(seed: Uint8Array): { publicKey: Uint8Array; sign(bytes: Uint8Array): Uint8Array } {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const publicKey = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32)
  return { publicKey: Uint8Array.from(publicKey), sign: (bytes) => sign(null, bytes, privateKey) }
}
