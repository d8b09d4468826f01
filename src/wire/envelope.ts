import { create, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf'
import { concat } from 'uint8arrays/concat'
import { fromString } from 'uint8arrays/from-string'
import { signatureHolds } from './ed25519.js'
import type { Codec } from './frame.js'
import { codec, isMalformed } from './frame.js'
import { SuspensionSchema } from './generated/edgecoder/control/v1/suspension_pb.js'
import { type Envelope, EnvelopeSchema } from './generated/edgecoder/envelope/v1/envelope_pb.js'
import { AnnouncementSchema } from './generated/edgecoder/gossip/v1/announcement_pb.js'
import { AllotmentOrderSchema } from './generated/edgecoder/ledger/v1/allotment_pb.js'
import {
  AcceptanceSchema,
  DisputeSchema,
  OrderSchema,
  ReceiptSchema,
  TransferSchema,
} from './generated/edgecoder/task/v1/task_pb.js'
import { CONTROL_FRAME_BYTES, ENVELOPE_AGE_MS, GOSSIP_BYTES, SUSPENSION_BYTES } from './limits.js'
import { type Malformed, malformed } from './malformed.js'
import { peerIdOf } from './peer-id.js'

declare const verified: unique symbol

/** A statement whose signature, network, type and bounds were checked here, and nowhere else. */
export interface Verified<T> {
  readonly value: T
  /** Peer id of the signer. */
  readonly signer: string
  readonly issuedMs: number
  /** The signed bytes, as they came; hash these, never a re-encoding. */
  readonly payload: Uint8Array
  readonly [verified]: true
}

/** What sealing needs of an identity. */
export interface EnvelopeSigner {
  readonly publicKey: Uint8Array
  sign(bytes: Uint8Array): Uint8Array
}

/** Kinds of payload that travel signed. */
export const statements = {
  order: codec(OrderSchema, CONTROL_FRAME_BYTES),
  receipt: codec(ReceiptSchema, 4096),
  acceptance: codec(AcceptanceSchema, 4096),
  transfer: codec(TransferSchema, 4096),
  dispute: codec(DisputeSchema, 4096),
  allotment: codec(AllotmentOrderSchema, 4096),
  announcement: codec(AnnouncementSchema, GOSSIP_BYTES),
  suspension: codec(SuspensionSchema, SUSPENSION_BYTES),
} as const

/** An envelope as bytes, for gossip and files. */
export const envelopeCodec = codec(EnvelopeSchema, GOSSIP_BYTES)

const DOMAIN = 'edgecoder-envelope/1'

/** Signs one statement. */
export function seal<S extends DescMessage>(
  signer: EnvelopeSigner,
  network: string,
  kind: Codec<S>,
  value: MessageInitShape<S>,
  nowMs: number,
): Envelope {
  const payload = kind.encode(value)
  const type = kind.schema.typeName
  const signature = signer.sign(signedBytes(network, type, nowMs, payload))
  return create(EnvelopeSchema, {
    network,
    type,
    payload,
    publicKey: signer.publicKey,
    issuedMs: BigInt(nowMs),
    signature,
  })
}

/**
 * The one place where a statement is checked. Runs on the thread pool, so that the caller's thread stays
 * free.
 *
 * @param freshAtMs when given, envelopes issued more than {@link ENVELOPE_AGE_MS} before or after it are
 *   refused
 */
export async function open<S extends DescMessage>(
  envelope: Envelope,
  network: string,
  kind: Codec<S>,
  freshAtMs?: number,
): Promise<Verified<MessageShape<S>> | Malformed> {
  if (envelope.network !== network) {
    return malformed('wrong-network', `signed for network "${envelope.network}", this is "${network}"`)
  }
  if (envelope.type !== kind.schema.typeName) {
    return malformed('wrong-type', `holds a ${envelope.type}, expected ${kind.schema.typeName}`)
  }
  const issuedMs = Number(envelope.issuedMs)
  if (freshAtMs !== undefined && Math.abs(freshAtMs - issuedMs) > ENVELOPE_AGE_MS) {
    // In minutes and not as a date: the bounds allow times that no date can hold.
    const minutes = Math.round(Math.abs(freshAtMs - issuedMs) / 60_000)
    const side = issuedMs < freshAtMs ? 'ago' : 'from now'
    return malformed(
      'stale-envelope',
      `issued ${minutes} minutes ${side}, at most ${ENVELOPE_AGE_MS / 60_000} are taken: check both clocks`,
    )
  }
  const value = kind.decode(envelope.payload)
  if (isMalformed(value)) return value
  if (!(await envelopeHolds(envelope))) {
    return malformed('bad-signature', `the signature on this ${envelope.type} does not match its key`)
  }
  // The brand has no bytes; only this line may make it.
  return { value, signer: signerOf(envelope), issuedMs, payload: envelope.payload } as Verified<
    MessageShape<S>
  >
}

/** Did the key that an envelope names sign it? Says nothing about what is in it. Never throws. */
export function envelopeHolds(envelope: Envelope): Promise<boolean> {
  const { network, type, issuedMs, payload, publicKey, signature } = envelope
  return signatureHolds(publicKey, signedBytes(network, type, Number(issuedMs), payload), signature)
}

/** Peer id of the key that an envelope names. */
export function signerOf({ publicKey }: Envelope): string {
  return peerIdOf(publicKey)
}

function signedBytes(network: string, type: string, issuedMs: number, payload: Uint8Array): Uint8Array {
  return concat([fromString(`${DOMAIN}\n${network}\n${type}\n${issuedMs}\n`), payload])
}
