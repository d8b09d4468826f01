import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'
import { equals as equalBytes } from 'uint8arrays/equals'
import { boundsBroken } from './bounds.js'
import * as enrollment from './generated/edgecoder/control/v1/enrollment_pb.js'
import * as gateway from './generated/edgecoder/control/v1/gateway_pb.js'
import * as worker from './generated/edgecoder/control/v1/worker_pb.js'
import * as data from './generated/edgecoder/data/v1/data_pb.js'
import * as gossip from './generated/edgecoder/gossip/v1/announcement_pb.js'
import * as ledger from './generated/edgecoder/ledger/v1/replication_pb.js'
import * as model from './generated/edgecoder/model/v1/model_pb.js'
import * as policy from './generated/edgecoder/policy/v1/policy_pb.js'
import * as payload from './generated/edgecoder/task/v1/payload_pb.js'
import {
  CONTROL_FRAME_BYTES,
  DATA_FRAME_BYTES,
  ENROLLMENT_FRAME_BYTES,
  EVIDENCE_BYTES,
  GOSSIP_BYTES,
  LEDGER_FRAME_BYTES,
  PAYLOAD_BYTES,
  POLICY_FRAME_BYTES,
  RESULT_BYTES,
} from './limits.js'
import { type Malformed, malformed } from './malformed.js'

/**
 * Of what comes from the net no field is kept that this version does not know: no bound is set to it, and it
 * would go into records and envelopes that have one. Of our own records it is: a later version may have
 * written it.
 */
const STORED = 'edgecoder.store.'

/** One kind of message: its bytes ↔ its checked value. */
export interface Codec<S extends DescMessage> {
  readonly schema: S
  readonly maxBytes: number
  encode(value: MessageInitShape<S>): Uint8Array
  /** Never throws: anything unreadable or out of bounds is returned as {@link Malformed}. */
  decode(bytes: Uint8Array): MessageShape<S> | Malformed
}

/**
 * @param maxBytes bound on the whole encoded message, checked before anything is parsed
 * @param usual what most frames of a quiet mesh are: known by its bytes, and decoded to one frozen value
 */
export function codec<S extends DescMessage>(
  schema: S,
  maxBytes: number,
  usual?: MessageInitShape<S>,
): Codec<S> {
  const usualValue = usual && frozen(create(schema, usual))
  const usualBytes = usualValue && toBinary(schema, usualValue)
  return {
    schema,
    maxBytes,
    encode: (value) => toBinary(schema, create(schema, value)),
    decode(bytes) {
      if (bytes.length > maxBytes) {
        return malformed('frame-too-large', `${schema.typeName}: ${bytes.length} bytes, at most ${maxBytes}`)
      }
      if (usualValue !== undefined && usualBytes !== undefined && equalBytes(bytes, usualBytes)) {
        return usualValue
      }
      let value: MessageShape<S>
      try {
        value = fromBinary(schema, bytes, { readUnknownFields: schema.typeName.startsWith(STORED) })
      } catch (cause) {
        return malformed(
          'malformed',
          `${schema.typeName}: ${cause instanceof Error ? cause.message : 'unreadable'}`,
        )
      }
      const broken = boundsBroken(schema, value)
      return broken === undefined ? value : malformed('out-of-bounds', `${schema.typeName}: ${broken}`)
    },
  }
}

/** Nobody may change what all that decode the same bytes are given. */
function frozen<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) frozen(part)
  return Object.freeze(value)
}

/** Was this value refused? Narrows the result of any decode or open. */
export function isMalformed(value: object): value is Malformed {
  return 'refused' in value && value.refused === true
}

export const frames = {
  workerToCoordinator: codec(worker.WorkerToCoordinatorSchema, CONTROL_FRAME_BYTES, {
    body: { case: 'beat', value: {} },
  }),
  coordinatorToWorker: codec(worker.CoordinatorToWorkerSchema, CONTROL_FRAME_BYTES, {
    body: { case: 'beatAck', value: {} },
  }),
  gatewayToCoordinator: codec(gateway.GatewayToCoordinatorSchema, CONTROL_FRAME_BYTES),
  coordinatorToGateway: codec(gateway.CoordinatorToGatewaySchema, CONTROL_FRAME_BYTES),
  workerToGateway: codec(data.WorkerToGatewaySchema, DATA_FRAME_BYTES),
  gatewayToWorker: codec(data.GatewayToWorkerSchema, DATA_FRAME_BYTES),
  ledger: codec(ledger.LedgerFrameSchema, LEDGER_FRAME_BYTES),
  evidence: codec(ledger.EvidenceSchema, EVIDENCE_BYTES),
  enrollment: codec(enrollment.EnrollmentFrameSchema, ENROLLMENT_FRAME_BYTES),
  policy: codec(policy.PolicyFrameSchema, POLICY_FRAME_BYTES),
  modelAsk: codec(model.ModelAskSchema, DATA_FRAME_BYTES),
  modelAnswer: codec(model.ModelAnswerSchema, DATA_FRAME_BYTES),
  announcement: codec(gossip.AnnouncementSchema, GOSSIP_BYTES),
  payload: codec(payload.PayloadSchema, PAYLOAD_BYTES),
  result: codec(payload.ResultSchema, RESULT_BYTES),
} as const
