import { generateKeyPairSync, sign } from 'node:crypto'
import type { Signer } from '../../../../src/ports/signer.js'
import { peerIdOf } from '../../../../src/wire/peer-id.js'

export type TestSigner = Signer

export function newSigner(): TestSigner {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const raw = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))
  return {
    peerId: peerIdOf(raw),
    publicKey: raw,
    sign: (bytes) => new Uint8Array(sign(null, bytes, privateKey)),
  }
}
