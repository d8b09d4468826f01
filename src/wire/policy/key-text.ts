import { keyFault } from '../ed25519.js'
import { type Malformed, malformed } from '../malformed.js'

const FORM = /^ed25519:([A-Za-z0-9_-]{43})$/

/** A public key as people hand it on, and as the key id of a signature: `ed25519:<base64url>`. */
export function keyText(publicKey: Uint8Array): string {
  return `ed25519:${Buffer.from(publicKey).toString('base64url')}`
}

/** @returns 32 bytes that may hold a power */
export function parseKeyText(text: string): Uint8Array | Malformed {
  const encoded = FORM.exec(text)?.[1]
  const publicKey = encoded === undefined ? undefined : Uint8Array.from(Buffer.from(encoded, 'base64url'))
  if (publicKey === undefined || keyText(publicKey) !== text) {
    return malformed('malformed', `"${text.slice(0, 80)}" is no public key: ed25519: and 43 characters`)
  }
  const fault = keyFault(publicKey)
  return fault === undefined ? publicKey : malformed('malformed', fault)
}
