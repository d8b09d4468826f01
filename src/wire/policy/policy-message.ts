import { base32 } from 'multiformats/bases/base32'
import { encodeCbor, readCborList } from '../cbor.js'
import { type DsseEnvelope, parseDsse } from '../dsse.js'
import {
  bytes,
  type Field,
  FieldFault,
  type Fields,
  matching,
  readFields,
  type ShapeValue,
  uint,
  writeFields,
} from '../ledger/field.js'
import { type Malformed, malformed } from '../malformed.js'
import { sha256 } from '../sha256.js'
import { POLICY_SHAPES } from './policy-shapes.js'

export type PolicyKind = keyof typeof POLICY_SHAPES

export type PolicyBody<Kind extends PolicyKind> = ShapeValue<(typeof POLICY_SHAPES)[Kind]['shape']>

interface PolicyHead {
  /** Id of the network; empty in a genesis, whose digest makes it. */
  readonly network: string
  /** Place in the chain, from 0 without a gap. */
  readonly sequence: number
  /** Digest of the message before; empty in a genesis. */
  readonly previous: Uint8Array
  /** Clock of who drafted it; informative. */
  readonly issuedMs: number
  /** Until when it may be taken in as the newest, and until when nothing newer need be expected. */
  readonly expiresMs: number
}

export type PolicyMessageOf<Kind extends PolicyKind> = {
  readonly [K in PolicyKind]: PolicyHead & { readonly kind: K; readonly body: PolicyBody<K> }
}[Kind]

/** One message of the signed policy, of whatever kind. */
export type PolicyMessage = PolicyMessageOf<PolicyKind>

/** A message as it was read from an envelope; no signature of it is checked. */
export interface ReadPolicy {
  readonly envelope: DsseEnvelope
  readonly message: PolicyMessage
  /** SHA-256 of the payload: signatures may be added, and it is the same message. */
  readonly digest: Uint8Array
}

/** What the signatures say the payload is; a new version of the form has a new one. */
export const POLICY_TYPE = 'application/vnd.edgecoder.policy.v1+cbor'

const VERSION = 1
const ITEMS = 8
const KIND_AT = 4
const DIGEST_BYTES = 32
/** Bytes of the digest in a network id: enough that nobody finds a second genesis for one. */
const ID_BYTES = 20
/** The last moment that a date can say. */
const TIME = uint(8_640_000_000_000_000)
const HEAD: Fields = [
  ['network', matching(/^[A-Za-z0-9._-]{0,64}$/, 'a network id')],
  ['sequence', uint()],
  ['previous', bytes(0, DIGEST_BYTES)],
  ['issuedMs', TIME],
  ['expiresMs', TIME],
]
const KIND_BY_NUMBER = new Map<unknown, PolicyKind>()
const FIELDS = new Map<PolicyKind, Fields>()
for (const [name, { number, shape }] of Object.entries(POLICY_SHAPES)) {
  const kind = name as PolicyKind
  KIND_BY_NUMBER.set(number, kind)
  FIELDS.set(kind, Object.entries<Field<unknown>>(shape))
}

/**
 * The one encoding of a message: a CBOR array `[version, network, sequence, previous, kind, issued, expires,
 * body]` of RFC 8949 §4.2 form. Bounds are not checked here; {@link decodePolicy} tells whether others will
 * take it.
 */
export function encodePolicy(message: PolicyMessage): Uint8Array {
  const { kind, network, sequence, previous, issuedMs, expiresMs, body } = message
  const { number } = POLICY_SHAPES[kind]
  const written = writeFields(FIELDS.get(kind) ?? [], { ...body })
  return encodeCbor([VERSION, network, sequence, previous, number, issuedMs, expiresMs, written])
}

/** Reads a payload. Never throws. Bytes that are not the one encoding of their value are refused. */
export function decodePolicy(encoded: Uint8Array): PolicyMessage | Malformed {
  const items = readCborList(encoded)
  if ('refused' in items) return items
  if (items.length < ITEMS) return malformed('malformed', `a policy message is an array of ${ITEMS}`)
  const kind = KIND_BY_NUMBER.get(items[KIND_AT])
  if (items[0] !== VERSION || kind === undefined) {
    const [version, number] = [items[0], items[KIND_AT]].map((each) =>
      typeof each === 'number' ? String(each) : typeof each,
    )
    return malformed('unknown-kind', `a policy message of version ${version}, kind ${number}`)
  }
  let message: PolicyMessage
  try {
    message = readItems(kind, items)
  } catch (cause) {
    if (!(cause instanceof FieldFault)) throw cause
    const where = cause.path === '' ? '' : `${cause.path}: `
    return malformed('out-of-bounds', `${kind}: ${where}${cause.message}`)
  }
  const fault = headFault(message)
  return fault === undefined ? message : malformed('out-of-bounds', `${kind}: ${fault}`)
}

/** Reads a message in its envelope, signatures unchecked. Never throws. */
export function readPolicy(encoded: Uint8Array): ReadPolicy | Malformed {
  const envelope = parseDsse(encoded)
  if ('refused' in envelope) return envelope
  if (envelope.payloadType !== POLICY_TYPE) {
    return malformed('wrong-type', `holds "${envelope.payloadType}", expected ${POLICY_TYPE}`)
  }
  const message = decodePolicy(envelope.payload)
  if ('refused' in message) return message
  return { envelope, message, digest: policyDigest(envelope.payload) }
}

/** By which messages are known, and name the one before them. @returns 32 bytes */
export function policyDigest(payload: Uint8Array): Uint8Array {
  return sha256(payload)
}

/** The id of the network that a genesis begins: 32 characters of a–z and 2–7. */
export function networkIdOf(genesisDigest: Uint8Array): string {
  return base32.baseEncode(genesisDigest.subarray(0, ID_BYTES))
}

function readItems(kind: PolicyKind, items: readonly unknown[]): PolicyMessage {
  const [, network, sequence, previous, , issued, expires, body, ...more] = items
  if (more.length > 0) throw new FieldFault(`not an array of ${ITEMS}`)
  const head = readFields(HEAD, [network, sequence, previous, issued, expires])
  // Each field was read by its own row of the tables.
  return { kind, ...head, body: readBody(kind, body) } as PolicyMessage
}

function readBody(kind: PolicyKind, body: unknown): Readonly<Record<string, unknown>> {
  return readFields(FIELDS.get(kind) ?? [], body)
}

/** What a genesis alone has not, it alone may lack. */
function headFault({
  kind,
  network,
  sequence,
  previous,
  issuedMs,
  expiresMs,
}: PolicyMessage): string | undefined {
  if (expiresMs <= issuedMs) return 'it expires before it is issued'
  const begins = kind === 'genesis'
  if (begins !== (sequence === 0)) return 'a genesis, and nothing else, has sequence 0'
  if (begins !== (network === '')) return 'a genesis, and nothing else, names no network'
  if (previous.length !== (begins ? 0 : DIGEST_BYTES)) return 'a genesis, and nothing else, follows nothing'
  return undefined
}
