import { base58btc } from 'multiformats/bases/base58'
import { PUBLIC_KEY_BYTES } from './ed25519.js'

/**
 * identity multihash (0x00, 36 bytes) of the protobuf {type: Ed25519, data: 32 bytes}. @see libp2p peer-ids
 * specification
 */
const ED25519_PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

/** @returns the Ed25519 key that a peer id is made of; undefined when it is no such id */
export function publicKeyOf(peerId: string): Uint8Array | undefined {
  let bytes: Uint8Array
  try {
    bytes = base58btc.baseDecode(peerId)
  } catch {
    return undefined
  }
  const key = bytes.subarray(ED25519_PREFIX.length)
  return key.length === PUBLIC_KEY_BYTES && peerIdOf(key) === peerId ? key : undefined
}

/** @param publicKey 32 raw Ed25519 bytes @returns the libp2p peer id, as `12D3Koo…` text */
export function peerIdOf(publicKey: Uint8Array): string {
  const bytes = new Uint8Array(ED25519_PREFIX.length + publicKey.length)
  bytes.set(ED25519_PREFIX)
  bytes.set(publicKey, ED25519_PREFIX.length)
  return base58btc.baseEncode(bytes)
}
