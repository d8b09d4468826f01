import type { MessageInitShape } from '@bufbuild/protobuf'
import type { TaskHeader, TaskKind } from '../../core/task/task.js'
import {
  type TaskHeaderSchema,
  type TaskHeader as WireHeader,
  TaskKind as WireKind,
} from '../../wire/generated/edgecoder/task/v1/task_pb.js'

const KINDS = {
  chat: WireKind.CHAT,
  solve: WireKind.SOLVE,
  test: WireKind.TEST,
} as const satisfies Record<TaskKind, WireKind>

export function wireKind(kind: TaskKind): WireKind {
  return KINDS[kind]
}

/** A header as it came over the wire or from the disk, within its bounds, as the domain knows it. */
export function fromWireHeader(wire: WireHeader): TaskHeader {
  return {
    id: wire.id,
    kind: wire.kind === WireKind.CHAT ? 'chat' : wire.kind === WireKind.SOLVE ? 'solve' : 'test',
    account: wire.account,
    model: wire.model,
    contextTokens: wire.contextTokens,
    maxOutputTokens: wire.maxOutputTokens,
    languages: wire.languages,
    priceCapMicrocredits: wire.priceCapMicrocredits,
    deadlineMs: Number(wire.deadlineMs),
    maxAttempts: wire.maxAttempts,
    maxRunMs: wire.maxRunMs,
    payloadDigest: wire.payloadDigest,
    payloadBytes: wire.payloadBytes,
    gateway: wire.gateway,
    submittedMs: Number(wire.submittedMs),
    fenceFloor: wire.fenceFloor,
    ...(wire.checkOf === '' ? {} : { checkOf: wire.checkOf }),
    ...(wire.hiddenOf === '' ? {} : { hiddenOf: wire.hiddenOf }),
  }
}

export function toWireHeader(header: TaskHeader): MessageInitShape<typeof TaskHeaderSchema> {
  return {
    ...header,
    kind: KINDS[header.kind],
    languages: [...header.languages],
    deadlineMs: BigInt(header.deadlineMs),
    submittedMs: BigInt(header.submittedMs),
  }
}
