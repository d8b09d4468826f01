import { equals } from 'uint8arrays/equals'
import { PUBLIC_KEY_BYTES } from './ed25519.js'
import { type Malformed, malformed } from './malformed.js'
import { peerIdOf, publicKeyOf } from './peer-id.js'
import { sha256 } from './sha256.js'

/** What a node's owner is given to have it enrolled: who made it, and what only its holder knows. */
export interface RegistrationToken {
  /** Peer id of the coordinator that made it; it is shown to no other one. */
  readonly issuer: string
  /** 32 random bytes. */
  readonly secret: Uint8Array
}

export const REGISTRATION_SECRET_BYTES = 32

const PREFIX = 'ecreg_'
/** Finds a token that was cut off or mistyped before it is sent anywhere. */
const CHECK_BYTES = 4
const BYTES = PUBLIC_KEY_BYTES + REGISTRATION_SECRET_BYTES + CHECK_BYTES

/**
 * A token as text: `ecreg_` and 91 characters of base64url, which hold the issuer's key, the secret, and the
 * first bytes of the SHA-256 of prefix and both.
 */
export function formatRegistrationToken({ issuer, secret }: RegistrationToken): string {
  const body = Buffer.concat([publicKeyOf(issuer) ?? new Uint8Array(), secret])
  return PREFIX + Buffer.concat([body, checkOf(body)]).toString('base64url')
}

/** Reads one, whatever white space stands around it. What is wrong with it is said without showing it. */
export function parseRegistrationToken(text: string): RegistrationToken | Malformed {
  const trimmed = text.trim()
  if (!trimmed.startsWith(PREFIX)) return malformed('malformed', `a registration token begins with ${PREFIX}`)
  const bytes = Uint8Array.from(Buffer.from(trimmed.slice(PREFIX.length), 'base64url'))
  const body = bytes.subarray(0, BYTES - CHECK_BYTES)
  const isWhole = bytes.length === BYTES && equals(bytes.subarray(body.length), checkOf(body))
  const token = { issuer: peerIdOf(body.subarray(0, PUBLIC_KEY_BYTES)), secret: body.slice(PUBLIC_KEY_BYTES) }
  // One text for one token: what a lenient reader would take besides is refused.
  if (isWhole && formatRegistrationToken(token) === trimmed) return token
  return malformed('malformed', 'the registration token was cut off or mistyped: its check does not match')
}

/** By which a coordinator knows a token, without keeping it. @returns 64 hexadecimal digits */
export function registrationHash(secret: Uint8Array): string {
  return Buffer.from(sha256(secret)).toString('hex')
}

function checkOf(body: Uint8Array): Uint8Array {
  return sha256(Buffer.concat([Buffer.from(PREFIX), body])).subarray(0, CHECK_BYTES)
}
