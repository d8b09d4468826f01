import { concat } from 'uint8arrays/concat'
import { equals } from 'uint8arrays/equals'
import { fromString } from 'uint8arrays/from-string'
import { z } from 'zod'
import { SIGNATURE_BYTES, signatureHolds } from './ed25519.js'
import { LONG_STATEMENT_BYTES } from './limits.js'
import { type Malformed, malformed } from './malformed.js'

/**
 * A payload with signatures of several keys over its exact bytes and its type.
 *
 * @see https://github.com/secure-systems-lab/dsse protocol 1.0.0
 */
export interface DsseEnvelope {
  readonly payloadType: string
  readonly payload: Uint8Array
  /** None of them checked. */
  readonly signatures: readonly DsseSignature[]
}

export interface DsseSignature {
  /** A hint which key to try, unsigned; may be empty. */
  readonly keyid: string
  readonly signature: Uint8Array
}

/** What signing needs of a key. */
export interface DsseSigner {
  readonly publicKey: Uint8Array
  sign(bytes: Uint8Array): Uint8Array
}

/** Signatures in one envelope: two full sets, as a change of keys needs them. */
const MOST_SIGNATURES = 32
const KEYID_CHARACTERS = 128
const TYPE_CHARACTERS = 128

const schema = z.strictObject({
  payload: z.string().default(''),
  payloadType: z.string().max(TYPE_CHARACTERS).default(''),
  signatures: z
    .array(z.strictObject({ keyid: z.string().max(KEYID_CHARACTERS).default(''), sig: z.string() }))
    .max(MOST_SIGNATURES),
})
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const STRING_OR_SPACE = /("(?:[^"\\]|\\.)*")|[ \t\r\n]+/g

/** The bytes that are signed: type and payload, each with its length, so that neither can pass for the other. */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = fromString(payloadType)
  return concat([fromString(`DSSEv1 ${type.length} `), type, fromString(` ${payload.length} `), payload])
}

/**
 * Reads the JSON form without checking a signature. Never throws. Stricter than JSON: no unknown or repeated
 * name, and no escape that is not needed, so that every reader finds the same value in the same bytes.
 */
export function parseDsse(bytes: Uint8Array): DsseEnvelope | Malformed {
  if (bytes.length > LONG_STATEMENT_BYTES) {
    return malformed(
      'frame-too-large',
      `an envelope of ${bytes.length} bytes, at most ${LONG_STATEMENT_BYTES}`,
    )
  }
  const value = readJson(bytes)
  if (value === undefined) return malformed('malformed', 'the envelope is not JSON with one reading')
  const parsed = schema.safeParse(value)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    return malformed('malformed', `the envelope: ${issue?.path.join('.') || 'form'}: ${issue?.message ?? ''}`)
  }
  const { payloadType } = parsed.data
  const payload = fromBase64(parsed.data.payload)
  if (payload === undefined) return malformed('malformed', 'the payload is not base64')
  const signatures: DsseSignature[] = []
  for (const { keyid, sig } of parsed.data.signatures) {
    const signature = fromBase64(sig)
    if (signature === undefined) return malformed('malformed', 'a signature is not base64')
    signatures.push({ keyid, signature })
  }
  return { payloadType, payload, signatures }
}

/** The envelope as one line of JSON, base64 in the standard alphabet. */
export function formatDsse({ payload, payloadType, signatures }: DsseEnvelope): Uint8Array {
  const json = {
    payload: toBase64(payload),
    payloadType,
    signatures: signatures.map(({ keyid, signature }) => ({
      ...(keyid === '' ? {} : { keyid }),
      sig: toBase64(signature),
    })),
  }
  return fromString(`${JSON.stringify(json)}\n`)
}

/** @param keyid what a reader may look the key up by */
export function signDsse(
  envelope: Pick<DsseEnvelope, 'payload' | 'payloadType'>,
  signer: DsseSigner,
  keyid: string,
): DsseSignature {
  const signature = signer.sign(preAuthEncoding(envelope.payloadType, envelope.payload))
  return { keyid, signature: Uint8Array.from(signature) }
}

/**
 * Which of some keys signed: each at most once, however many of the signatures are its own. Key ids are not
 * looked at. Signatures of other keys, and such as do not hold, say nothing.
 */
export async function signersOf(
  envelope: DsseEnvelope,
  keys: readonly Uint8Array[],
): Promise<readonly Uint8Array[]> {
  const bytes = preAuthEncoding(envelope.payloadType, envelope.payload)
  const different = keys.filter((key, at) => keys.findIndex((each) => equals(each, key)) === at)
  const signed = await Promise.all(different.map((key) => signedBy(key, bytes, envelope.signatures)))
  return different.filter((_key, at) => signed[at])
}

async function signedBy(
  key: Uint8Array,
  bytes: Uint8Array,
  signatures: readonly DsseSignature[],
): Promise<boolean> {
  for (const { signature } of signatures) {
    if (signature.length === SIGNATURE_BYTES && (await signatureHolds(key, bytes, signature))) return true
  }
  return false
}

/** @returns undefined = not JSON, or JSON that two readers may read differently */
function readJson(bytes: Uint8Array): unknown {
  try {
    const text = utf8.decode(bytes)
    const value: unknown = JSON.parse(text)
    // Of a repeated name JSON.parse keeps one; what was written then differs from what was read.
    const compact = text.replace(STRING_OR_SPACE, (_all, string: string | undefined) => string ?? '')
    return compact === JSON.stringify(value) ? value : undefined
  } catch {
    return undefined
  }
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

/** Either alphabet, padding left out or whole, as DSSE asks; no other characters, and no loose bits at the end. */
function fromBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64')
  const bare = text.replace(/={1,2}$/, '')
  if (bare !== text && text.length % 4 !== 0) return undefined
  const canonical = [bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url')]
  return canonical.includes(bare) ? Uint8Array.from(bytes) : undefined
}
