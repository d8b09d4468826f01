import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import type { Random } from '../../src/ports/random.js'
import type { Signer } from '../../src/ports/signer.js'
import { peerIdOf } from '../../src/wire/peer-id.js'

/** DER head of an Ed25519 private key; the 32 bytes of its seed follow. RFC 8410 §7. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

/** A key that comes again from the same chance, so that peer ids and signatures do too. */
export function createSeededSigner(random: Random): Signer {
  const key = Buffer.concat([PKCS8_PREFIX, random.bytes(32)])
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  const publicKey = new Uint8Array(
    createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32),
  )
  return {
    peerId: peerIdOf(publicKey),
    publicKey,
    sign: (bytes) => new Uint8Array(sign(null, bytes, privateKey)),
  }
}
