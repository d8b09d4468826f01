import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import type { Random } from '../../src/ports/random.js'
import type { Signer } from '../../src/ports/signer.js'
import { peerIdOf } from '../../src/wire/peer-id.js'

/** A key that comes again from the same chance, so that peer ids and signatures do too. */
export function createSeededSigner(random: Random): Signer {
  // Node takes only `d` of a private key, and a key of this form many times as fast as one in DER. RFC 8037 §2.
  const seed = Buffer.from(random.bytes(32)).toString('base64url')
  const key = { kty: 'OKP', crv: 'Ed25519', d: seed, x: '' }
  const privateKey = createPrivateKey({ key, format: 'jwk' })
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' })
  const publicKey = new Uint8Array(Buffer.from(x, 'base64url'))
  return {
    peerId: peerIdOf(publicKey),
    publicKey,
    sign: (bytes) => new Uint8Array(sign(null, bytes, privateKey)),
  }
}
